"""An experiment as settings: data, windows, transforms, model, training and evaluation.

This module only says what may be set and checks each value. Reading and writing YAML is in
`config_file`; the settings of a model stand beside its architecture in `models/`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from forecast.data.panel import Columns, Name
from forecast.data.read import TableFormat
from forecast.experiment.search_settings import SearchConfig
from forecast.models import ModelConfig
from forecast.models.segment_bigru import SegmentBiGRUConfig
from forecast.section import Section

CHOSEN: dict[str, tuple[str, ...]] = {
    "windows": ("context_length",),
    "transforms": ("target",),
    "model": ("units",),
    "training": ("loss", "schedule", "epochs", "batch_size", "windows_per_epoch", "refit"),
    "ensemble": ("seeds", "context_lengths", "linear"),
    "evaluation": ("validation_size", "test_size", "split_by"),
}
"""Settings that are chosen from the data with `segment_bigru`, where they are left out
(`choices.py`)."""


PositiveInt = Annotated[int, Field(ge=1, le=1_000_000_000)]


Steps = Annotated[int, Field(ge=1, le=100_000)]


Size = Annotated[int, Field(ge=0)] | Annotated[float, Field(ge=0.0, lt=1.0)]


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Frequency = Annotated[
    str, BeforeValidator(_as_text, json_schema_input_type=Name | PositiveInt), Field(min_length=1)
]


class _Source(Section):
    """Where the table is; a section so that this setting comes first wherever settings are listed."""

    source: str | None = None
    """A CSV or parquet file, or `dataset:NAME` for an embedded data set; relative to the working
    folder."""


class DataConfig(TableFormat, Columns, _Source):
    """Where the table is, the roles of its columns and its format."""

    freq: Frequency | None = None
    """Step between stamps, as a pandas alias (`h`, `D`, `ME`, `15min`) or, of an index, a whole
    number; inferred if left out.
    """
    gaps: Literal["refuse", "skip", "fill"] = "refuse"
    """Missing stamps: refuse the table, leave out the windows that would span one, or insert
    rows."""
    missing: Literal["refuse", "forward_fill", "interpolate", "zero", "mask"] = "refuse"
    """Missing values: refuse, or fill what the model reads. A filled target is never learned or
    scored, except `zero`. Rows at the end of a series that hold no target are its future, and never
    filled.
    """
    short_series: Literal["refuse", "skip"] = "refuse"
    """Series too short for one window: refuse the table, or leave them out with a note."""
    calendar: Literal["auto"] | tuple[str, ...] = "auto"
    """Features made from the stamps, such as `hour`, `weekday`, `month`, `holiday:US`; `auto`
    follows the frequency."""
    season_length: Steps | None = None
    """Steps in one season; from the frequency if left out."""

    @property
    def columns(self) -> Columns:
        """The roles of the columns."""
        return Columns(**self.model_dump(include=set(Columns.model_fields)))

    @property
    def table_format(self) -> TableFormat:
        """Format of the table."""
        return TableFormat(**self.model_dump(include=set(TableFormat.model_fields)))

    @model_validator(mode="after")
    def _check_together(self) -> DataConfig:
        if self.gaps == "fill" and self.missing == "refuse":
            raise ValueError(
                "gaps is 'fill', which inserts rows without values, and missing is 'refuse', which "
                "refuses them: set missing to forward_fill, interpolate, zero or mask"
            )
        if self.layout == "wide":
            self._refuse_changed(
                "id_col",
                "past_covariates",
                "known_covariates",
                "static_covariates",
                why="layout: wide",
            )
        source = self.source or ""
        if source.startswith("dataset:") or source.endswith(".parquet"):
            why = f"source: {source}, which is no CSV file"
            self._refuse_changed("separator", "decimal", "encoding", why=why)
        return self

    def _refuse_changed(self, *names: str, why: str) -> None:
        """Refuse settings that differ from their default and would not be read."""
        for name in names:
            value = getattr(self, name)
            if value != type(self).model_fields[name].default:
                shown = list(value) if isinstance(value, tuple) else value
                raise ValueError(f"{name} is {shown!r}, which is not read with {why}: remove it")


class WindowsConfig(Section):
    """How much the model sees and how far it looks ahead, in steps."""

    horizon: Steps = 24
    """Steps to forecast."""
    context_length: Steps | None = None
    """Steps the model sees; three horizons or two seasons, whichever is more, if left out."""
    stride: Steps = 1
    """Steps between the starts of two training windows."""


class TransformConfig(Section):
    """One reversible map of the targets."""

    name: Literal["standard", "min_max", "robust", "mean_abs", "log1p", "difference"]
    """Which map."""
    scope: Literal["per_series", "global"] = "per_series"
    """Whether each series has its own scale; read by the four scalers."""
    lag: Steps = 1
    """Steps between the two values of a difference; the season length for a seasonal one."""

    @model_validator(mode="after")
    def _refuse_dead_settings(self) -> TransformConfig:
        if self.lag != 1 and self.name != "difference":
            raise ValueError(f"lag is read by `difference` only, not by {self.name!r}: remove it")
        if self.scope != "per_series" and self.name in ("log1p", "difference"):
            raise ValueError(f"scope is read by the scalers only, not by {self.name!r}: remove it")
        return self


class TransformsConfig(Section):
    """What is done to the numbers before the model, undone after it."""

    target: tuple[TransformConfig, ...] = (TransformConfig(name="standard"),)
    """Maps of the targets, applied in this order and inverted in the reverse order."""
    covariates: Literal["standard", "min_max", "robust", "mean_abs", "none"] = "standard"
    """Scaler of the numeric covariates, fitted over all series together."""

    @model_validator(mode="after")
    def _check_order(self) -> TransformsConfig:
        names = [one.name for one in self.target]
        scalers = [name for name in names if name not in ("log1p", "difference")]
        if len(scalers) > 1:
            raise ValueError(
                f"target holds the scalers {' and '.join(scalers)}; expected one at most"
            )
        if "log1p" in names[1:]:
            raise ValueError(
                f"target has log1p after {names[names.index('log1p', 1) - 1]}, whose values may "
                f"lie below -1; "
                "expected log1p first and once"
            )
        return self


class TrainingConfig(Section):
    """How the weights are found."""

    loss: Literal["mse", "mae", "huber", "quantile"] = "mse"
    """What is minimised, on the transformed scale."""
    quantile_levels: Annotated[
        tuple[Annotated[float, Field(gt=0.0, lt=1.0)], ...], Field(max_length=99)
    ] = (
        0.1,
        0.5,
        0.9,
    )
    """Levels forecast with `loss: quantile`; ascending, 0.5 among them."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Rule that turns gradients into steps."""
    learning_rate: Annotated[float, Field(gt=0.0, le=10.0)] = 1e-3
    """Size of the first step."""
    schedule: Literal["constant", "cosine", "exponential"] = "constant"
    """How the learning rate goes down to a hundredth of its start over all epochs."""
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Decoupled weight decay; read by `adamw` only."""
    gradient_clip: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = 1.0
    """Largest norm of all gradients together; none for no limit."""
    epochs: PositiveInt = 30
    """Passes over the training windows, at most."""
    batch_size: PositiveInt = 64
    """Windows per step."""
    windows_per_epoch: PositiveInt | None = None
    """Training windows drawn anew for each epoch; all of them if left out."""
    patience: PositiveInt | None = 5
    """Epochs without a better validation loss before training stops; none to run all epochs."""
    refit: bool = False
    """Whether the members are trained once more, on all rows, after epochs, penalties and weights
    were chosen on the validation rows and the model was judged on the test rows."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Whether XLA compiles the steps: `auto` does on a CPU without a C++ compiler, from 300 planned
    steps on."""
    strategy: Literal["none", "mirrored"] = "none"
    """`mirrored`: every batch is divided among the devices of the machine, its GPUs or else its CPU
    devices; XLA then compiles no step."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Start of every random choice."""

    @model_validator(mode="after")
    def _check_together(self) -> TrainingConfig:
        levels = self.quantile_levels
        if list(levels) != sorted(set(levels)) or 0.5 not in levels:
            raise ValueError(
                f"quantile_levels is {list(levels)}; expected ascending levels with 0.5 among them"
            )
        if levels != type(self).model_fields["quantile_levels"].default and self.loss != "quantile":
            raise ValueError(
                f"quantile_levels is read with loss: quantile only, not with {self.loss!r}: remove "
                f"it"
            )
        if self.weight_decay and self.optimizer != "adamw":
            raise ValueError(
                f"weight_decay is read by adamw only, not by {self.optimizer!r}: set optimizer: "
                f"adamw"
            )
        if self.jit == "on" and self.strategy == "mirrored":
            raise ValueError(
                "jit is 'on', but XLA cannot compile the steps with strategy: mirrored: set jit: "
                "auto or strategy: none"
            )
        return self


class EvaluationConfig(Section):
    """How the rows are divided in time, and what is judged."""

    validation_size: Size = 0.1
    """Last part of the training history, for early stopping: steps (whole number) or share of the
    time."""
    test_size: Size = 0.2
    """Last part of the data, for the scores: steps (whole number) or share of the time."""
    calibration_size: Size = 0
    """Part between validation and test whose errors give intervals their width, so that the test
    part can judge them: steps or share of the time. With 0 the test part gives the intervals of
    what comes after the table."""
    purge: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Steps left out between two parts."""
    split_by: Literal["time", "series"] | None = None
    """`time`: one cutoff for all series; so for stamps if left out. `series`: counted back from
    each series' own end; so for an integer index if left out."""
    stride: Steps | None = None
    """Steps between two validation or test windows; if left out 1, or more where over 10 million
    values are judged."""

    @model_validator(mode="after")
    def _leave_something_to_learn_from(self) -> EvaluationConfig:
        sizes = {"validation_size": self.validation_size, "test_size": self.test_size}
        sizes |= {"calibration_size": self.calibration_size} if self.calibration_size else {}
        if sum(size for size in sizes.values() if isinstance(size, float)) >= 1.0:
            raise ValueError(
                f"{' and '.join(f'{name} is {size}' for name, size in sizes.items())}; "
                "expected shares that leave some of the time for training"
            )
        return self


class BacktestConfig(Section):
    """Forecasts from many cutoffs, each as it would have been made then; run by `forecast backtest`."""

    num_windows: Annotated[int, Field(ge=1, le=100_000)] = 5
    """Cutoffs; after the last one comes one horizon of rows."""
    step: Steps | None = None
    """Steps from one cutoff to the next; the horizon if left out."""
    refit: Literal["never", "each"] | PositiveInt = "never"
    """Whether models are fitted anew: at the first cutoff alone, at each, or at the first of every
    so many; always on rows up to that cutoff, some of them held back for validation, none for a
    test."""
    history: PositiveInt | None = None
    """Rows of each series that are learned from, the latest before the cutoff; all of them if left
    out."""
    models: tuple[Name, ...] = ()
    """What forecasts: `name` for the experiment, baselines, AutoETS, AutoARIMA, Theta,
    SeasonalNaive, Naive of statsforecast; the experiment and all baselines if left out."""


class EnsembleConfig(Section):
    """Several networks that forecast together, each with a weight chosen on the validation windows."""

    seeds: Annotated[int, Field(ge=1, le=100)] = 1
    """Networks that differ by their seed alone: `training.seed` and the numbers after it."""
    context_lengths: tuple[Steps, ...] = ()
    """Contexts of the networks, `seeds` networks for each; that of the windows alone if left
    out."""
    linear: Literal["none", "member", "residual"] = "none"
    """A ridge regression on each context, as `linear` among the baselines: none, a member too, or a
    member on whose errors the networks learn."""

    @property
    def num_members(self) -> int:
        """Networks and linear maps."""
        return max(1, len(self.context_lengths)) * (self.seeds + (self.linear != "none"))


class Experiment(Section):
    """Everything needed to repeat an experiment."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")] = "bigru"
    """Name of the forecast column and of the run folder."""
    data: DataConfig = DataConfig()
    """Where the table is and what its columns mean."""
    windows: WindowsConfig = WindowsConfig()
    """How much the model sees and how far it looks ahead."""
    transforms: TransformsConfig = TransformsConfig()
    """What is done to the numbers before the model."""
    model: ModelConfig = SegmentBiGRUConfig()
    """The architecture."""
    training: TrainingConfig = TrainingConfig()
    """How the weights are found."""
    ensemble: EnsembleConfig = EnsembleConfig()
    """Several networks that forecast together."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How the rows are divided in time, and what is judged."""
    backtest: BacktestConfig = BacktestConfig()
    """Which cutoffs are forecast from, and by what."""
    search: SearchConfig | None = None
    """Where better settings are looked for, and how; read by `forecast tune`."""

    @model_validator(mode="after")
    def _check_together(self) -> Experiment:
        if self.training.patience is not None and self.evaluation.validation_size == 0:
            raise ValueError(
                f"training.patience is {self.training.patience}, but with "
                f"evaluation.validation_size 0 there is "
                "nothing to stop on: set training.patience: null, or hold some rows back for "
                "validation"
            )
        self._check_ensemble()
        return self

    def with_source(self, source: str | None) -> Experiment:
        """Return the same experiment on another table.

        Args:
            source: a file or `dataset:NAME`; where it is left out, the experiment stays as it is.

        Returns:
            The experiment.
        """
        if source is None:
            return self
        return self.model_copy(update={"data": self.data.model_copy(update={"source": source})})

    def is_left_out(self, section: str, name: str) -> bool:
        """Return whether a setting will be chosen from the data.

        Args:
            section: such as `training`.
            name: such as `epochs`.
        """
        chosen = self.model.name == "segment_bigru" and name in CHOSEN.get(section, ())
        return chosen and name not in getattr(self, section).model_fields_set

    def _check_ensemble(self) -> None:
        lengths, context_length = self.ensemble.context_lengths, self.windows.context_length
        if len(set(lengths)) < len(lengths):
            raise ValueError(
                f"ensemble.context_lengths is {list(lengths)}; expected each length once"
            )
        if lengths and context_length not in (None, max(lengths)):
            raise ValueError(
                f"ensemble.context_lengths is {list(lengths)} and windows.context_length "
                f"{context_length}; expected "
                "the longest of them, or leave windows.context_length out"
            )
        if self.ensemble.num_members > 1 and self.evaluation.validation_size == 0:
            raise ValueError(
                f"ensemble has {self.ensemble.num_members} members, but with "
                f"evaluation.validation_size 0 there is "
                "nothing to choose their weights on: hold some rows back for validation"
            )
        if self.ensemble.linear != "none" and self.training.loss == "quantile":
            raise ValueError(
                f"ensemble.linear is {self.ensemble.linear!r}, but a linear map has no quantiles "
                f"for training.loss "
                "'quantile': set one of them to another value"
            )
