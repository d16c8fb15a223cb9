"""Settings of a classification: roles of the columns, split, model, training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from forecast.classification.class_search import ClassSearch
from forecast.classification.texts.documents import TextSettings
from forecast.data.formats.written_table import WrittenTable
from forecast.models.bigru_classifier import BiGRUClassifierConfig
from forecast.section import AUTO, Auto, PositiveInt, Section, with_replaced

Name = Annotated[str, Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]

USUAL_LABEL = "label"
"""Column of labels where none is named."""


class SequenceRoles(Section):
    """Roles of the columns of a table of labelled sequences."""

    id_col: Name | Auto = AUTO
    """Column that names the sequence of each row. `auto`: `unique_id`, `id` or `series`; with
    `text_col`, where there is none, the documents are counted."""
    step_col: Name | Auto | None = AUTO
    """Column that orders the rows of a sequence, numbers or timestamps; null: rows stay in the
    order of the table. `auto`: `ds`, `step` or `time` where the table has one."""
    label_col: Name | None = USUAL_LABEL
    """Column with the label, the same in all rows of a sequence; null: the table has none."""
    label_separator: Name | None = None
    """Mark between the labels of a cell, such as `|` in `wet|hot`: then a sequence has any number
    of labels, none where the cell is empty."""
    label_cols: tuple[Name, ...] = ()
    """Columns of 0 and 1, one for each label, in the place of `label_col`: then a sequence has any
    number of labels."""
    features: tuple[Name, ...] | Auto = AUTO
    """Columns of numbers that the model reads. `auto`: all columns of numbers without a role."""
    text_col: Name | None = None
    """Column of texts: then each row is a document with a label, and its words are the steps."""
    categorical: tuple[Name, ...] = ()
    """Columns of categories that the model reads."""
    group_col: Name | None = None
    """Column with the group of a sequence, such as the machine of a recording: all sequences of a
    group are in one set."""
    split_col: Name | None = None
    """Column that says which set a sequence belongs to: `train`, `validation` or `test`."""

    @model_validator(mode="after")
    def _one_role_each(self) -> Self:
        """Refuse a column with two roles."""
        single = ("id_col", "step_col", "label_col", "text_col", "group_col", "split_col")
        named = [(role, getattr(self, role)) for role in single]
        named += [("categorical", name) for name in self.categorical]
        named += [("label_cols", name) for name in self.label_cols]
        if self.features != AUTO:
            named += [("features", name) for name in self.features]
        if self.text_col is not None and (self.categorical or self.features != AUTO):
            raise ValueError(
                f"text_col names {self.text_col!r}, so each row is a document; expected no "
                f"features and no categorical columns beside it"
            )
        if self.label_cols and self.label_col != USUAL_LABEL:
            raise ValueError(
                f"label_col names {self.label_col!r}, and label_cols {len(self.label_cols)} "
                f"columns; expected one of them"
            )
        if self.label_cols and self.label_separator is not None:
            raise ValueError(
                "label_separator parts the cells of label_col, and label_cols has a column for "
                "each label; expected one of them"
            )
        roles: dict[str, str] = {}
        for role, name in named:
            if name in (None, AUTO) or (role == "label_col" and self.label_cols):
                continue
            first = roles.setdefault(name, role)
            if first != role:
                raise ValueError(
                    f"{first} names {name!r}, and {role} does too: a column has one role"
                )
        return self

    @property
    def has_label_sets(self) -> bool:
        """Whether a sequence has any number of labels, not one."""
        return self.label_separator is not None or bool(self.label_cols)

    @property
    def shown_separator(self) -> str:
        """Mark between the labels of a cell in results."""
        return self.label_separator or "|"


class SequenceColumns(WrittenTable, SequenceRoles):
    """Roles of the columns of a table of labelled sequences, and how it is written.

    Raises:
        ConfigError: a column has two roles, or two marks of numbers are the same.

    Example:
        >>> from forecast import SequenceColumns
        >>> SequenceColumns(id_col="machine", label_col="state", categorical=("mode",)).label_col
        'state'
        >>> SequenceColumns(decimal=",", separator=";").decimal
        ','
    """


class InputSettings(Section):
    """Preparation of sequences of numbers."""

    differences: bool | Auto = AUTO
    """Whether the changes from step to step are channels of their own. `auto`: for sequences of
    numbers, yes."""


class SplitSettings(Section):
    """Division of sequences into sets; never by row."""

    test: Share = 0.2
    """Share of the sequences in the test set; 0: none. A `split_col` decides instead."""
    validation: Share = 0.2
    """Share of the other sequences in the validation set, on which training decides when to stop;
    0: none, and all epochs are trained."""
    by: Literal["label", "order"] = "label"
    """`label`: drawn at random, with the same shares of every label in each set. `order`: the last
    sequences of the table are the test set, those before them the validation set."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Start of the random draw."""
    repeated: Literal["refuse", "allow"] = "refuse"
    """Documents or sequences with equal rows in two sets, where a column or the order decides:
    refuse the table, or note them. Where the sets are drawn, equal ones are in one set."""


class ClassTraining(Section):
    """Settings of the training of a classifier."""

    epochs: PositiveInt | Auto = AUTO
    """Passes over the training sequences, at most. `auto`: 150 for up to 400 sequences of numbers,
    15 for up to 2,400 texts, and fewer for more."""
    batch_size: PositiveInt | Auto = AUTO
    """Sequences per step. `auto`: 16, of texts 32."""
    learning_rate: Annotated[float, Field(gt=0.0, lt=1.0)] | Auto = AUTO
    """Of Adam; it falls to a hundredth along a cosine. `auto`: 0.005, for texts 0.002."""
    patience: PositiveInt | None = 40
    """Epochs without a better validation loss after which training stops; null: never."""
    keep: Literal["best", "last"] | Auto = AUTO
    """Weights that a network ends with: those of the epoch with the least validation loss, or those
    after all epochs, whatever the patience. `auto`: the last for less than 1,000 sequences of
    numbers, where the best epoch would be that of a few sequences; else the best."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of each label's weight that is given to all classes alike."""
    mixup: Annotated[float, Field(ge=0.0)] | Auto = AUTO
    """Strength of mixtures: each sequence of a batch is mixed with another one, and so are their
    labels, by a share drawn from Beta(mixup, mixup); 0: none. `auto`: 0.3 for less than 1,000
    sequences of numbers, else 0."""
    class_weights: Literal["none", "balanced"] = "none"
    """`balanced`: sequences of rare labels count more, so that each label counts the same. With any
    number of labels per sequence, those that have a label count as much together as those without
    it, for each label."""
    seeds: PositiveInt | Auto = AUTO
    """Networks with other random beginnings whose probabilities are averaged. `auto`: 5 for less
    than 1,000 sequences, 3 for less than 5,000 and for texts, else 1."""
    clip_norm: Annotated[float, Field(gt=0.0)] = 1.0
    """Largest norm of the gradients of a step."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Start of all random numbers."""


class Classification(Section):
    """All settings of a classification.

    Example:
        >>> from forecast import Classification
        >>> Classification(training={"epochs": 20}).training.epochs
        20
    """

    data: SequenceColumns = SequenceColumns()
    """Roles of the columns."""
    text: TextSettings = TextSettings()
    """Steps of texts, where `data.text_col` names a column of texts."""
    inputs: InputSettings = InputSettings()
    """Preparation of sequences of numbers."""
    split: SplitSettings = SplitSettings()
    """Training, validation and test set."""
    model: BiGRUClassifierConfig = BiGRUClassifierConfig()
    """The network."""
    training: ClassTraining = ClassTraining()
    """Training of the network."""
    alias: Name = "bigru"
    """Name of the column of predictions."""
    search: ClassSearch | None = None
    """Search for better settings, by `forecast classify tune`."""

    def with_settings(self, settings: Mapping[str, Any]) -> Classification:
        """Return the settings with some replaced, checked together.

        Args:
            settings: path, such as `training.epochs`, -> value.

        Raises:
            ConfigError: the settings do not fit together.
        """
        return with_replaced(self, settings)
