"""The table of reversible maps, and chains of them: fitted in order, undone in reverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, Self, final

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.errors import ConfigError, ShapeError
from forecast.transforms.base import Rows, Scope, Transform, TransformKind
from forecast.transforms.differencing import Difference, Log1p
from forecast.transforms.scaling import MeanAbs, MinMax, Robust, Standard

TRANSFORMS: dict[str, TransformKind] = {
    "standard": TransformKind(Standard, is_scaler=True),
    "min_max": TransformKind(MinMax, is_scaler=True),
    "robust": TransformKind(Robust, is_scaler=True),
    "mean_abs": TransformKind(MeanAbs, is_scaler=True),
    "log1p": TransformKind(Log1p, must_come_first=True, is_logarithm=True),
    "difference": TransformKind(Difference, takes_lag=True),
}
"""Every map by the name that settings and saved models know it by."""


def scaler_names() -> list[str]:
    """Return the names in `TRANSFORMS` of all scalers."""
    return [name for name, kind in TRANSFORMS.items() if kind.is_scaler]


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
    """Maps applied in order; a chain has the methods of a single map.

    Attributes:
        stages: the fitted maps.
    """

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
        """Fit each map on the training rows as the maps before it transform them.

        Args:
            specs: the maps, in order.
            values: (R, D) training values.
            rows: their series and positions, series ascending.
            num_series: N.
            shared: a chain of the same maps whose global scales are taken over instead of fitted;
                needed for `align` where a per-series scale follows a global one.

        Raises:
            ConfigError: a map that must come first does not.
            DataError: a value cannot be mapped, or there is nothing to fit on.
        """
        _check_order(specs)

        stages: list[Transform] = []
        for number, spec in enumerate(specs):
            stage = None
            if shared is not None and not shared.stages[number].per_series:
                stage = shared.stages[number]
            # A map that must come first is fitted all the same: it refuses values of new series
            # that it cannot map.
            kind = TRANSFORMS[spec.name]
            if stage is None or kind.must_come_first:
                fresh = kind.fit(
                    values, rows, num_series=num_series, scope=spec.scope, lag=spec.lag
                )
                if stage is None:
                    stage = fresh
            stages.append(stage)

            is_last = number + 1 == len(specs)
            if not is_last:
                values = stage.apply(values, rows)
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

        Returns:
            (B, H, D) in the unit of the data, float64.

        Raises:
            ShapeError: the history is shorter than `lag`.
        """
        num_known = history.shape[1]
        if num_known < self.lag:
            raise ShapeError(
                f"history has {num_known} rows; the transforms need {self.lag} to be undone"
            )
        history = history[:, num_known - self.lag :]

        # Each stage is undone with the history as it read it.
        inputs = []
        for stage in self.stages:
            inputs.append(history)
            history = _apply_to_windows(stage, history, series)

        forecast = forecast.astype(np.float64)
        for stage, stage_input in zip(reversed(self.stages), reversed(inputs), strict=True):
            forecast = stage.invert(forecast, series=series, history=stage_input)
        return forecast

    def align(self, index: IntArray, fresh: Chain | None) -> Chain:
        """Return the chain for other series.

        Args:
            index: (N',) position of each series among those the chain was fitted on, or -1.
            fresh: the same maps fitted on the other series, with `shared=` this chain; None where
                all are known.
        """
        if fresh is None:
            return Chain(tuple(stage.align(index, None) for stage in self.stages))
        pairs = zip(self.stages, fresh.stages, strict=True)
        return Chain(tuple(stage.align(index, new) for stage, new in pairs))

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Return the fitted state of all stages, under `<number>.<name>`."""
        return {
            f"{number}.{name}": array
            for number, stage in enumerate(self.stages)
            for name, array in stage.to_state().items()
        }

    @classmethod
    def from_state(
        cls, specs: Sequence[TransformSpec], state: Mapping[str, NDArray[np.generic]]
    ) -> Self:
        """Return the chain of these maps that `to_state` was called on."""
        stages = []
        for number, spec in enumerate(specs):
            prefix = f"{number}."
            stage_state = {
                key.removeprefix(prefix): array
                for key, array in state.items()
                if key.startswith(prefix)
            }
            stages.append(TRANSFORMS[spec.name].transform.from_state(stage_state))
        return cls(tuple(stages))


def _apply_to_windows(stage: Transform, history: FloatArray, series: IntArray) -> FloatArray:
    """Map (B, M, D) values of windows whose rows are one step apart."""
    batch, steps, targets = history.shape
    rows = Rows(np.repeat(series, steps), np.tile(np.arange(steps), batch))
    return stage.apply(history.reshape(-1, targets), rows).reshape(history.shape)


def _check_order(specs: Sequence[TransformSpec]) -> None:
    for previous, spec in pairwise(specs):
        if TRANSFORMS[spec.name].must_come_first:
            raise ConfigError(
                f"transforms have {previous.name} before {spec.name}, which reads values in the "
                f"unit of the data: put {spec.name} first"
            )
