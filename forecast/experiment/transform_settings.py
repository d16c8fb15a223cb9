"""Settings of the maps between the numbers of the table and those of the model."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import model_validator

from forecast.section import AUTO, Auto, OneOf, Section, Steps
from forecast.transforms import TRANSFORMS, scaler_names


class TransformConfig(Section):
    """One reversible map of the targets.

    Example:
        >>> from forecast import TransformConfig
        >>> TransformConfig(name="difference", lag=12)
        TransformConfig(name='difference', scope='per_series', lag=12)
    """

    name: Annotated[str, OneOf(lambda: TRANSFORMS)]
    """Which map."""
    scope: Literal["per_series", "global"] = "per_series"
    """Whether each series has its own scale; read by the four scalers."""
    lag: Steps = 1
    """Steps between the two values of a difference; the season length for a seasonal one."""

    @model_validator(mode="after")
    def _refuse_dead_settings(self) -> TransformConfig:
        kind = TRANSFORMS[self.name]
        if self.lag != 1 and not kind.takes_lag:
            readers = " and ".join(name for name, kind in TRANSFORMS.items() if kind.takes_lag)
            raise ValueError(f"lag is read by {readers} only, not by {self.name!r}: remove it")
        if self.scope != "per_series" and not kind.is_scaler:
            raise ValueError(f"scope is read by the scalers only, not by {self.name!r}: remove it")
        return self


class TransformsConfig(Section):
    """Maps of the numbers before the model, inverted after it.

    Example:
        >>> from forecast import TransformConfig, TransformsConfig
        >>> maps = TransformConfig(name="log1p"), TransformConfig(name="standard")
        >>> [each.name for each in TransformsConfig(target=maps).target]
        ['log1p', 'standard']
    """

    target: Auto | tuple[TransformConfig, ...] = AUTO
    """Maps of the targets, applied in this order and inverted in the reverse order; `auto`:
    standard, after log1p where the series grow by factors (`bigru`: standard)."""
    covariates: Annotated[str, OneOf(lambda: [*scaler_names(), "none"])] = "standard"
    """Scaler of the numeric covariates, fitted over all series together."""

    @property
    def have_logarithm(self) -> bool:
        """Whether one of the maps that are given is a logarithm."""
        if self.target == AUTO:
            return False
        return any(TRANSFORMS[spec.name].is_logarithm for spec in self.target)

    @model_validator(mode="after")
    def _check_order(self) -> TransformsConfig:
        if self.target == AUTO:
            return self
        scalers = [spec.name for spec in self.target if TRANSFORMS[spec.name].is_scaler]
        if len(scalers) > 1:
            raise ValueError(
                f"target has the scalers {' and '.join(scalers)}; expected one at most"
            )
        for previous, spec in pairwise(self.target):
            if TRANSFORMS[spec.name].must_come_first:
                raise ValueError(
                    f"target has {spec.name} after {previous.name}, but it reads values in the "
                    f"unit of the data; expected {spec.name} first and once"
                )
        return self
