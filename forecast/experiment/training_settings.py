"""Settings of training and of the ensemble."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from forecast.section import AUTO, Auto, PositiveInt, Section, Steps
from forecast.section.own_functions import OwnFunction, is_own

Level = Annotated[float, Field(gt=0.0, lt=1.0)]

SimpleMember = Literal[
    "last_value",
    "seasonal_naive",
    "seasonal_median",
    "drift",
    "window_mean",
    "theta",
    "holt",
    "seasonal_lags",
    "ets",
    "linear",
    "seasonal_linear",
]
"""Name of a baseline, one of `BASELINE_NAMES`, or of a ridge regression for each step of the
season."""


class TrainingConfig(Section):
    """Training: loss, optimizer, schedule, epochs and batches.

    Example:
        >>> from forecast import TrainingConfig
        >>> training = TrainingConfig(epochs=10, learning_rate=3e-3)
        >>> training.epochs, training.loss  # the data decide on the loss
        (10, 'auto')
    """

    point: Literal["auto", "median", "mean"] = AUTO
    """Number of a step's distribution that is forecast: the median is as often too high as too low,
    means add up to the right total; `auto`: that of a given loss, else the median, but the mean
    where more than half of the training values are 0 for no season's sake (`bigru`: mean)."""
    loss: Literal["auto", "mse", "mae", "huber", "quantile"] | OwnFunction = AUTO
    """Loss function on the transformed scale; `auto`: mae for the median, mse for the mean. A
    function of one's own by its import path, `mypackage.losses:wis`: of actual and forecast values,
    Keras tensors of one shape, to one loss per value."""
    loss_reads: Literal["points", "quantiles"] = "points"
    """Second argument of a loss of one's own: point forecasts, or quantile forecasts with one more
    axis; then the third one is the levels."""
    quantile_levels: Annotated[tuple[Level, ...], Field(max_length=99)] = (0.1, 0.5, 0.9)
    """Levels forecast with `loss: quantile`, or by a loss of one's own that reads quantiles;
    ascending, 0.5 among them."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Rule that turns gradients into steps."""
    learning_rate: Annotated[float, Field(gt=0.0, le=10.0)] = 1e-3
    """Size of the first step."""
    schedule: Literal["auto", "constant", "cosine", "exponential"] = AUTO
    """Decay of the learning rate to a hundredth of its start over all epochs; `auto`: cosine
    (`bigru`: constant)."""
    weight_decay: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Decoupled weight decay; read by `adamw` only."""
    gradient_clip: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = 1.0
    """Largest norm of all gradients together; null for no limit."""
    epochs: PositiveInt | Auto = AUTO
    """Passes over the training windows, at most; `auto`: 40, 20 or 15 by the amount of data
    (`bigru`: 30)."""
    batch_size: PositiveInt | Auto = AUTO
    """Windows per step; `auto`: 32, 64 or 128 by the amount of data, divided by the number of
    targets, at least 8 (`bigru`: 64)."""
    windows_per_epoch: PositiveInt | Auto | None = AUTO
    """Training windows drawn anew for each epoch, null for all; `auto`: 40,000 divided by the
    number of targets where there are more rows than that, else all (`bigru`: all). An epoch is
    validated on half as many windows at most, a fixed sample of the validation windows."""
    patience: PositiveInt | None = 5
    """Epochs without a validation loss better by 0.1 % before training stops; null to run all
    epochs."""
    budget: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] | None = None
    """Seconds that training may take, the refit included; null for no limit. Epochs, windows and
    networks are cut as the speed of the machine requires, which is said. The plan is made once:
    a resumed training follows it, but another machine may learn another model."""
    refit: bool | Auto = AUTO
    """Whether the members go on learning, on all rows, for a quarter of the epochs, after epochs,
    penalties and weights were chosen on the validation set and the model was evaluated on the test
    set; `auto`: true (`bigru`: false)."""
    jit: Literal["auto", "on", "off"] = "auto"
    """Whether XLA compiles the steps; no choice by the data, so it stays `auto` in a run: compiled
    on a CPU without a C++ compiler, from 300 planned steps on."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """Factors of the products in the loops of recurrent layers while they are trained; sums, states
    and weights are in float32 in any case, and so are forecasts. `bfloat16`, 8 bits in place of 24,
    is faster from about 64 units on, and takes a processor with `avx512_bf16`."""
    strategy: Literal["none", "mirrored"] = "none"
    """`mirrored`: every batch is divided among the devices of the machine, its GPUs or else its CPU
    devices; XLA then compiles no step."""
    update: Literal["from_start", "fine_tune"] = "from_start"
    """Training by `forecast update`, on all rows with the newer ones: from the start with the same
    settings, or from the weights of the current model, for a quarter of the epochs. Either
    way the new model must not be worse beyond chance."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Start of every random choice."""

    @property
    def has_own_loss(self) -> bool:
        """Whether the loss is the import path of a function."""
        return is_own(self.loss)

    @property
    def forecasts_quantiles(self) -> bool:
        """Whether the network forecasts `quantile_levels` and not points."""
        if self.has_own_loss:
            return self.loss_reads == "quantiles"
        return self.loss == "quantile"

    @model_validator(mode="after")
    def _check_together(self) -> TrainingConfig:
        self._check_levels()
        if self.loss_reads != "points" and not self.has_own_loss:
            raise ValueError(
                f"loss_reads is {self.loss_reads!r}, which a loss of one's own reads, not "
                f"{self.loss!r}: remove it, or name a function as loss"
            )
        if self.point == "mean" and self.loss not in (AUTO, "mse") and not self.has_own_loss:
            raise ValueError(
                f"point is 'mean', but loss {self.loss!r} does not lead to it: pass "
                f'`training.loss="mse"` or `training.point="median"`'
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

    def _check_levels(self) -> None:
        levels = self.quantile_levels
        if list(levels) != sorted(set(levels)) or 0.5 not in levels:
            raise ValueError(
                f"quantile_levels is {list(levels)}; expected ascending levels with 0.5 among them"
            )
        default = type(self).model_fields["quantile_levels"].default
        if levels != default and not self.forecasts_quantiles:
            raise ValueError(
                f"quantile_levels is read with loss: quantile only, not with {self.loss!r}: remove "
                f"it, or set loss: quantile"
            )


class EnsembleConfig(Section):
    """Several networks that forecast together, each with a weight chosen on the validation windows.

    Example:
        >>> from forecast import EnsembleConfig
        >>> EnsembleConfig(seeds=2, context_lengths=(28, 56), linear="member").num_members
        6
    """

    seeds: Annotated[int, Field(ge=0, le=100)] | Auto = AUTO
    """Networks that differ by their seed alone: `training.seed` and the numbers after it; 0 for
    none, beside ridge regressions or simple members; `auto`: none where the settings of the network
    are those of the house and the validation set is too short to judge it, else two up to 30,000
    values to learn from, else one, as without a validation set (`bigru`: one)."""
    context_lengths: Auto | tuple[Steps, ...] = AUTO
    """Contexts of the networks, `seeds` networks for each, or an empty list for that of the windows
    alone; `auto`: one or two by season and rows, and that of the windows alone where it is given or
    there is no validation set (`bigru`: that of the windows)."""
    linear: Literal["auto", "none", "member", "residual"] = AUTO
    """A ridge regression on each context, as `linear` among the baselines: none, a member too, or a
    member on whose residuals the networks learn; `auto`: residual, but none with `training.loss:
    quantile` or without a validation set (`bigru`: none)."""
    simple: Auto | tuple[SimpleMember, ...] = AUTO
    """Baselines that forecast with the model, by weights that they earn at cutoffs before the test
    set, or an empty list; `seasonal_linear` is a ridge regression for each step of the season, with
    the known covariates. `auto`: all baselines, and `seasonal_linear` where series with dates have
    100 seasons, but none with `training.loss: quantile` (`bigru`: none)."""

    @property
    def num_members(self) -> int:
        """Return the number of networks and linear maps; with `auto`, the fewest there can be."""
        contexts = 1
        if self.context_lengths != AUTO:
            contexts = max(1, len(self.context_lengths))
        each = 1
        if self.seeds != AUTO:
            each = self.seeds
        if self.linear not in (AUTO, "none"):
            each += 1
        return contexts * each

    @model_validator(mode="after")
    def _check_members(self) -> EnsembleConfig:
        if self.seeds == 0 and self.linear in ("none", "residual"):
            raise ValueError(
                f"seeds is 0 and linear is {self.linear!r}: nothing would forecast; set linear: "
                f"member, or seeds: 1"
            )
        return self
