"""Reversible maps one after another, fitted in order and undone in reverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, final

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.errors import ConfigError, ShapeError
from forecast.transforms.base import Rows, Transform
from forecast.transforms.differencing import Difference, Log1p
from forecast.transforms.scaling import SCALERS, MeanAbs, MinMax, Robust, Scope, Standard

TRANSFORMS: dict[str, type[Transform]] = {
    "standard": Standard,
    "min_max": MinMax,
    "robust": Robust,
    "mean_abs": MeanAbs,
    "log1p": Log1p,
    "difference": Difference,
}


class TransformSpec(Protocol):
    """The settings of one map."""

    @property
    def name(self) -> str:
        """Key of `TRANSFORMS`."""

    @property
    def scope(self) -> Scope:
        """Whether each series has its own scale."""

    @property
    def lag(self) -> int:
        """Steps between the two values of a difference."""


@final
@dataclass(frozen=True, eq=False)
class Chain:
    """Maps applied in order; the chain offers what a single map offers."""

    stages: tuple[Transform, ...] = ()

    @classmethod
    def fit(
        cls,
        specs: Sequence[TransformSpec],
        values: FloatArray,
        rows: Rows,
        *,
        num_series: int,
        shared: Chain | None = None,
    ) -> Chain:
        """Fit each map on what the ones before it make of the training rows.

        Args:
            specs: the maps, in order.
            values: (R, D) training values.
            rows: where they stand, series ascending.
            num_series: N.
            shared: a chain of the same maps whose global scales are taken over instead of fitted;
                what `align` needs where a per-series scale follows a global one.

        Raises:
            ConfigError: `log1p` follows a map that gives values below -1.
            DataError: a value cannot be mapped, or there is nothing to fit on.
        """
        _refuse_late_logarithm(specs)
        stages: list[Transform] = []
        for place, spec in enumerate(specs):
            kept = (
                None if shared is None or shared.stages[place].per_series else shared.stages[place]
            )
            if (
                kept is None or spec.name == "log1p"
            ):  # a logarithm refuses what it cannot map, of new series too
                own = _fit_stage(spec, values, rows, num_series)
            stages.append(own if kept is None else kept)
            if place + 1 < len(specs):
                values = stages[-1].apply(values, rows)
        return cls(tuple(stages))

    @property
    def lag(self) -> int:
        """Earlier rows needed before the first one that can be used."""
        return sum(stage.lag for stage in self.stages)

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:
        """Map (R, D) values through all stages; see `Transform.apply`."""
        for stage in self.stages:
            values = stage.apply(values, rows)
        return values

    def invert(self, forecast: FloatArray, *, series: IntArray, history: FloatArray) -> FloatArray:
        """Map forecasts back to the unit of the data.

        Args:
            forecast: (B, H, D) on the mapped scale.
            series: (B,) series of each forecast.
            history: (B, M, D) values in the unit of the data of the M >= `lag` steps before the
                forecast, without a gap, the last one last.

        Raises:
            ShapeError: the history is shorter than `lag`.
        """
        known = history.shape[1]
        if known < self.lag:
            raise ShapeError(
                f"history has {known} rows; the transforms need {self.lag} to be undone"
            )
        history = history[:, known - self.lag :]
        inputs = []
        for stage in self.stages:
            inputs.append(history)
            history = _apply_to_windows(stage, history, series)
        forecast = forecast.astype(np.float64)
        for stage, before in zip(reversed(self.stages), reversed(inputs), strict=True):
            forecast = stage.invert(forecast, series=series, history=before)
        return forecast

    def align(self, index: IntArray, fresh: Chain | None) -> Chain:
        """Return the chain for other series.

        Args:
            index: (N',) place of each series here, or -1.
            fresh: the same maps fitted on the other series, with `shared=` this chain; None where
                all are known.
        """
        maps = (None,) * len(self.stages) if fresh is None else fresh.stages
        return Chain(
            tuple(old.align(index, new) for old, new in zip(self.stages, maps, strict=True))
        )

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Everything fitted, under `<place>.<name>`."""
        return {
            f"{place}.{name}": array
            for place, stage in enumerate(self.stages)
            for name, array in stage.to_state().items()
        }

    @classmethod
    def from_state(
        cls, specs: Sequence[TransformSpec], state: Mapping[str, NDArray[np.generic]]
    ) -> Self:
        """Return the chain of these maps that `to_state` was called on."""
        stages = []
        for place, spec in enumerate(specs):
            prefix = f"{place}."
            own = {
                key.removeprefix(prefix): array
                for key, array in state.items()
                if key.startswith(prefix)
            }
            stages.append(TRANSFORMS[spec.name].from_state(own))
        return cls(tuple(stages))


def _fit_stage(spec: TransformSpec, values: FloatArray, rows: Rows, num_series: int) -> Transform:
    if spec.name == "log1p":
        return Log1p.fit(values, rows)
    if spec.name == "difference":
        return Difference(spec.lag)
    return SCALERS[spec.name].fit(values, rows, num_series=num_series, scope=spec.scope)


def _apply_to_windows(stage: Transform, history: FloatArray, series: IntArray) -> FloatArray:
    """Map (B, M, D) values of windows whose rows are one step apart."""
    batch, steps, targets = history.shape
    rows = Rows(np.repeat(series, steps), np.tile(np.arange(steps), batch))
    return stage.apply(history.reshape(-1, targets), rows).reshape(history.shape)


def _refuse_late_logarithm(specs: Sequence[TransformSpec]) -> None:
    names = [spec.name for spec in specs]
    before = names[: names.index("log1p")] if "log1p" in names else []
    for name in before:
        if name in ("standard", "robust", "difference"):
            raise ConfigError(
                f"transforms hold {name} before log1p, which needs values above -1: put log1p first"
            )
