"""Settings of a forecast of categories."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from forecast.classification.class_search import CategorySearch
from forecast.classification.class_settings import SequenceColumns
from forecast.data.formats.written_table import WrittenTable
from forecast.models.bigru_categories import BiGRUCategoriesConfig
from forecast.section import AUTO, Auto, PositiveInt, Section

Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]


class CategoryRoles(Section):
    """Roles of the columns of a table with a row per series and step."""

    id_col: Name | Auto = AUTO
    """Column that names the series of each row. `auto`: `unique_id`, `id` or `series`."""
    step_col: Name | Auto | None = AUTO
    """Column that orders the rows of a series, numbers or timestamps; null: they stay in order.
    No window spans a step of more than one and a half times the usual one."""
    target_col: Name = "state"
    """Column of categories to forecast."""
    features: tuple[Name, ...] | Auto = AUTO
    """Columns of numbers that the model reads. `auto`: all columns of numbers without a role."""
    categorical: tuple[Name, ...] = ()
    """Other columns of categories that the model reads."""


class CategoryColumns(WrittenTable, CategoryRoles):
    """Roles of the columns of a table with a row per series and step, and how it is written."""

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        """Refuse a column with two roles."""
        self.as_sequences()
        return self

    def as_sequences(self) -> SequenceColumns:
        """Return the roles of the same columns for `read_sequences`: the target is a category."""
        return SequenceColumns(
            **self.as_written,
            id_col=self.id_col,
            step_col=self.step_col,
            label_col=None,
            features=self.features,
            categorical=(self.target_col, *self.categorical),
        )


class CategoryWindows(Section):
    """Steps that are read and forecast."""

    context_length: PositiveInt = 32
    """Steps before the cutoff that the model reads, at most: a series may have fewer."""
    horizon: PositiveInt = 1
    """Steps to forecast."""


class CategorySplit(Section):
    """Division of the rows of every series: the last ones are the test set."""

    test: Share = 0.2
    """Share of the rows of each series in the test set; 0: none."""
    validation: Share = 0.2
    """Share of the rows before, on which training decides when to stop; 0: none."""


class CategoryTraining(Section):
    """Settings of the training of a forecast of categories."""

    epochs: PositiveInt = 60
    """Passes over the training windows, at most."""
    batch_size: PositiveInt = 32
    """Windows per step."""
    learning_rate: Annotated[float, Field(gt=0.0, lt=1.0)] = 5e-3
    """Of Adam; it falls to a hundredth along a cosine."""
    patience: PositiveInt | None = 10
    """Epochs without a better validation loss after which training stops; null: never."""
    seeds: PositiveInt = 1
    """Networks with other random beginnings whose probabilities are averaged."""
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Largest norm of the gradients of a step."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Start of all random numbers."""


class CategorySettings(Section):
    """All settings of a forecast of categories.

    Example:
        >>> from forecast import CategorySettings
        >>> CategorySettings(windows={"horizon": 3}).windows.horizon
        3
    """

    data: CategoryColumns = CategoryColumns()
    """Roles of the columns."""
    windows: CategoryWindows = CategoryWindows()
    """Steps that are read and forecast."""
    split: CategorySplit = CategorySplit()
    """Training, validation and test set."""
    model: BiGRUCategoriesConfig = BiGRUCategoriesConfig()
    """The network."""
    training: CategoryTraining = CategoryTraining()
    """Training of the network."""
    alias: Name = "bigru"
    """Name of the column of forecasts."""
    search: CategorySearch | None = None
    """Search for better settings, by `forecast categories tune`."""

    def with_columns(self, read: SequenceColumns) -> CategorySettings:
        """Return the settings with the columns that `auto` stood for when a table was read.

        Args:
            read: its roles.
        """
        found = {"id_col": read.id_col, "step_col": read.step_col, "features": read.features}
        return self.model_copy(update={"data": self.data.model_copy(update=found)})
