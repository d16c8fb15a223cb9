"""The contract of a reversible map of the targets, its entry in the table, and its rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray

Scope = Literal["per_series", "global"]
"""Whether each series has its own scale, or all series share one."""


@dataclass(frozen=True, eq=False)
class Rows:
    """Series and grid position of each row of an array of values.

    Attributes:
        series: (R,) series of each row; ascending where something is fitted.
        positions: (R,) step of each row on the grid of the frequency.
    """

    series: IntArray
    positions: IntArray


class Transform(Protocol):
    """A fitted, frozen, reversible map of the target columns."""

    @classmethod
    def fit(cls, *args: Any, **settings: Any) -> Self:
        """Fit the map on (R, D) training values and their `Rows`.

        Called as `fit(values, rows, num_series=N)`, with `scope` for a scaler and with `lag` for a
        map that takes one; see `TransformKind`.
        """

    @property
    def lag(self) -> int:
        """Earlier rows needed before the first one that can be used; 0 for maps of single rows."""

    @property
    def per_series(self) -> bool:
        """Whether each series has its own fitted parameters."""

    def apply(self, values: FloatArray, rows: Rows) -> FloatArray:
        """Map (R, D) values to (R, D).

        NaN stays NaN, and a row whose earlier row is absent becomes NaN.
        """

    def invert(self, forecast: FloatArray, *, series: IntArray, history: FloatArray) -> FloatArray:
        """Map forecasts back.

        Args:
            forecast: (B, H, D) on the mapped scale.
            series: (B,) series of each forecast.
            history: (B, M, D) input of this map for the M >= `lag` rows before the forecast, the
                last one last; only the last `lag` are read.

        Returns:
            (B, H, D) on the scale of this map's input.
        """

    def align(self, index: IntArray, fresh: Self | None) -> Self:
        """Return the map for other series.

        Args:
            index: (N',) position of each series among those the map was fitted on, or -1 for a
                new series.
            fresh: the same map fitted on the other series, for those with -1 in `index`; None
                where there are none.
        """

    def to_state(self) -> dict[str, NDArray[np.generic]]:
        """Return the fitted state, as arrays."""

    @classmethod
    def from_state(cls, state: Mapping[str, NDArray[np.generic]]) -> Self:
        """Return the map `to_state` was called on."""


@dataclass(frozen=True)
class TransformKind:
    """An entry of `TRANSFORMS`: a map and its traits, from which all checks and settings follow.

    Attributes:
        transform: the class of the map.
        is_scaler: subtracts a centre and divides by a scale. It reads the setting `scope`, may
            scale covariates, and stands at most once among the maps of the targets.
        takes_lag: reads the setting `lag`, and needs that many earlier rows.
        must_come_first: defined on values in the unit of the data only, such as a logarithm, which
            needs values above -1.
        is_logarithm: log(1 + value): errors of forecasts are factors of the level.
    """

    transform: type[Transform]
    is_scaler: bool = False
    takes_lag: bool = False
    must_come_first: bool = False
    is_logarithm: bool = False

    def fit(
        self,
        values: FloatArray,
        rows: Rows,
        *,
        num_series: int,
        scope: Scope = "per_series",
        lag: int = 1,
    ) -> Transform:
        """Fit the map on training rows.

        Args:
            values: (R, D).
            rows: their series and positions, series ascending.
            num_series: N.
            scope: read by scalers.
            lag: steps; read by maps that take one.

        Raises:
            DataError: a value cannot be mapped, or there is nothing to fit on.
        """
        settings: dict[str, Any] = {}
        if self.is_scaler:
            settings["scope"] = scope
        if self.takes_lag:
            settings["lag"] = lag
        return self.transform.fit(values, rows, num_series=num_series, **settings)
