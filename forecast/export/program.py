"""The whole forecast in operations of an export: raw inputs to raw outputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from forecast.axes import FloatArray
from forecast.baselines.lengths import Steps
from forecast.baselines.seasonal_ridge import SEASONAL
from forecast.export.member_nodes import MEMBERS
from forecast.export.network_nodes import write_network
from forecast.export.operations import Operations, Value
from forecast.export.scaling_nodes import MappedTargets, map_targets, scaled, unmap_forecast
from forecast.export.series_rows import Task
from forecast.export.signature import (
    WEEKDAYS,
    Signature,
    calendar_names,
    facts_of,
    has_quantiles,
    reads_observed,
    reads_weekdays,
)
from forecast.forecasting.fitted import MODEL, Fitted
from forecast.inference.layer_forms import UnknownFormError
from forecast.transforms import Transform
from forecast.transforms.scaling import Scaler


def write_forecast(
    ops: Operations,
    fitted: Fitted,
    signature: Signature,
    steps: Steps,
    inputs: Mapping[str, Value],
) -> dict[str, Value]:
    """Write a whole forecast into a graph.

    Args:
        ops: writes the graph.
        fitted: the state, as it was trained.
        signature: its inputs and outputs.
        steps: lengths that its simple members read.
        inputs: by name.

    Returns:
        The outputs by name.

    Raises:
        UnknownFormError: a layer or a map cannot be written.
    """
    return _Program(ops, fitted, signature, steps, inputs).outputs()


@dataclass(frozen=True, eq=False)
class _Program:
    """A forecast that is being written; see `forecasting.predict.forecast_windows`."""

    ops: Operations
    fitted: Fitted
    signature: Signature
    steps: Steps
    inputs: Mapping[str, Value]

    def outputs(self) -> dict[str, Value]:
        """Return the outputs by name."""
        weights = self.fitted.weights
        if set(weights) == {MODEL}:
            return self._model_outputs()
        total = None
        for name, weight in weights.items():
            if not weight:
                continue
            part = self._member(name) * self.ops.constant(np.float64(weight))
            total = part if total is None else total + part
        return {"forecast": self._bounded(total)}

    def _model_outputs(self) -> dict[str, Value]:
        forecasts = self._of_model()
        if not has_quantiles(self.fitted):
            return {"forecast": forecasts[0]}
        middle = self.fitted.quantile_levels.index(0.5)
        expanded = [self.ops.expand(forecast, -1) for forecast in forecasts]
        return {"forecast": forecasts[middle], "quantiles": self.ops.concat(expanded, -1)}

    def _member(self, name: str) -> Value:
        """Return the (B, H, D) forecast of a member in the unit of the data."""
        if name == MODEL:
            levels = self.fitted.quantile_levels
            return self._of_model()[levels.index(0.5) if levels else 0]
        if name == SEASONAL:
            return self._of_season()
        task = Task(
            self.ops,
            self.inputs["history"],
            self.steps,
            self.fitted.linear,
            self.inputs["series"],
            self.fitted.smoothing,
        )
        return MEMBERS[name](task)

    def _of_model(self) -> list[Value]:
        """Return the (B, H, D) forecasts of the model, one for each quantile level."""
        ops = self.ops
        fitted = self.fitted
        if fitted.network.graph is None:
            raise UnknownFormError("its network has parts that Keras alone knows")
        output = write_network(
            ops, fitted.network.graph, fitted.network.weights, self._network_inputs
        )
        output = ops.cast(output, "float64")
        parts = [output]
        if fitted.quantile_levels:
            count = len(fitted.quantile_levels)
            parts = [ops.squeeze(ops.slice(output, 3, q, q + 1), 3) for q in range(count)]
        return [self._in_unit(part) for part in parts]

    def _in_unit(self, forecast: Value) -> Value:
        """Return a forecast of the network in the unit of the data."""
        ops = self.ops
        found = unmap_forecast(ops, self.fitted.feature_map.target, self._mapped, forecast)
        never_changed = self._fact("never changed (0 or 1)")
        is_constant = ops.binary("greater", never_changed, ops.constant(np.float64(0)))
        last = ops.slice(
            self.inputs["history"], 1, self.signature.num_rows - 1, self.signature.num_rows
        )
        return self._bounded(ops.where(is_constant, last, found))

    @cached_property
    def _facts(self) -> list[Value]:
        """(B, 1, D) each: the facts about the series of every window."""
        ops = self.ops
        has_closed = reads_weekdays(self.fitted)
        table = facts_of(self.fitted, has_closed=has_closed)  # (N, D, F)
        series = self.inputs["series"]
        zero = ops.constant(np.int64(0))
        place = ops.binary("maximum", series, zero)
        known = ops.rows(ops.constant(table), place)  # (B, D, F)
        is_new = ops.reshape(ops.binary("less", series, zero), (-1, 1, 1))
        chosen = ops.where(is_new, self.inputs["new_series"], known)
        parts = [ops.slice(chosen, 2, f, f + 1) for f in range(table.shape[2])]
        return [ops.transpose(part, (0, 2, 1)) for part in parts]

    def _fact(self, name: str) -> Value:
        return self._facts[self.signature.facts.index(name)]

    @cached_property
    def _mapped(self) -> MappedTargets:
        """The targets of the context on the scale of the network."""
        first = self.signature.num_rows - self.signature.context_rows
        rows = self.ops.slice(self.inputs["history"], 1, first, self.signature.num_rows)
        return map_targets(self.ops, self.fitted.feature_map.target, self._facts, rows)

    @cached_property
    def _network_inputs(self) -> dict[str, Value]:
        """The inputs of the network; see `WindowShape`."""
        ops = self.ops
        given = self.inputs
        length = self.fitted.shape.context_length
        parts = [ops.cast(self._mapped.values, "float32")]
        if "past" in given:
            parts.append(self._covariates(given["past"], first=0))
        if self.fitted.config.data.missing == "mask":
            parts.append(ops.cast(given["observed"], "float32"))
        found = {}
        if "known" in given:
            known = self._known()
            both = length + self.fitted.shape.horizon
            parts.append(ops.slice(known, 1, 0, length))
            found["known"] = ops.slice(known, 1, length, both)
        found["past"] = parts[0] if len(parts) == 1 else ops.concat(parts, 2)
        codes = [given[name] for name in ("past_codes",) if name in given]
        if "known_codes" in given:
            both = length + self.fitted.shape.horizon
            codes.append(ops.slice(given["known_codes"], 1, 0, length))
            found["known_categories"] = ops.slice(given["known_codes"], 1, length, both)
        if codes:
            found["past_categories"] = codes[0] if len(codes) == 1 else ops.concat(codes, 2)
        if "static" in given:
            found["static"] = self._static(given["static"])
        if "static_codes" in given:
            found["static_categories"] = given["static_codes"]
        return found

    def _known(self) -> Value:
        """Return known covariates, scaled, and the calendar, (B, L + H, K) float32."""
        ops = self.ops
        known = self.inputs["known"]
        total = ops.shape(known)[2] or 0
        num_numeric = total - len(calendar_names(self.fitted))
        parts = []
        if num_numeric:
            first = self._num_past
            numeric = ops.slice(known, 2, 0, num_numeric)
            parts.append(self._covariates(numeric, first=first))
        if num_numeric < total:
            parts.append(ops.cast(ops.slice(known, 2, num_numeric, total), "float32"))
        return parts[0] if len(parts) == 1 else ops.concat(parts, 2)

    @property
    def _num_past(self) -> int:
        """Number of numeric past covariates."""
        if "past" not in self.inputs:
            return 0
        return self.ops.shape(self.inputs["past"])[2] or 0

    def _covariates(self, numbers: Value, *, first: int) -> Value:
        """Return scaled covariates (B, ., C), of which the first is number `first` of all."""
        count = self.ops.shape(numbers)[2] or 0
        scales = _scales(self.fitted.feature_map.covariates)
        if scales is None:
            return self.ops.cast(numbers, "float32")
        centre, scale = (
            self.ops.constant(part[first : first + count].reshape(1, 1, -1)) for part in scales
        )
        return self.ops.cast(scaled(self.ops, numbers, centre, scale), "float32")

    def _static(self, numbers: Value) -> Value:
        scales = _scales(self.fitted.feature_map.static)
        if scales is not None:
            centre, scale = (self.ops.constant(part.reshape(1, -1)) for part in scales)
            numbers = scaled(self.ops, numbers, centre, scale)
        return self.ops.cast(numbers, "float32")

    def _of_season(self) -> Value:
        """Return the (B, H, D) forecast of `seasonal_linear`; see `forecasting.seasonal_member`."""
        ops = self.ops
        seasonal = self.fitted.seasonal
        if seasonal is None:
            raise UnknownFormError(f"it has no member {SEASONAL!r}")
        length = self.fitted.shape.context_length
        context = ops.transpose(ops.cast(self._mapped.values, "float32"), (0, 2, 1))  # (B, D, L)
        last = ops.slice(context, 2, length - 1, length)
        blocks = [ops.slice(context, 2, 0, length - 1) - last]
        targets = self.fitted.shape.num_targets
        for block in self._season_blocks():
            blocks.append(ops.take(ops.expand(block, 1), [0] * targets, 1))
        ones = ops.slice(context, 2, 0, 1)
        blocks.append(ones - ones + ops.constant(np.float32(1)))
        x = ops.cast(ops.concat(blocks, 2), "float64")
        num_regressors = ops.shape(x)[2] or 0
        x = ops.slice(x, 2, num_regressors - seasonal.weights.shape[1], num_regressors)
        maps = ops.rows(ops.constant(seasonal.weights), self.inputs["season_step"])  # (B, F, H)
        made = ops.matmul(x, maps) + ops.cast(last, "float64")  # (B, D, H)
        chain = self.fitted.feature_map.target
        return unmap_forecast(ops, chain, self._mapped, ops.transpose(made, (0, 2, 1)))

    def _season_blocks(self) -> list[Value]:
        """Return (B, .) covariates that `seasonal_linear` reads."""
        if "known" not in self.inputs:
            return []
        ops = self.ops
        known = self._network_inputs["known"]
        names = self.fitted.feature_map.input_names()["known"]
        horizon = self.fitted.shape.horizon
        of_waves = {name for name in calendar_names(self.fitted) if name.endswith(("_sin", "_cos"))}
        waves = [place for place, name in enumerate(names) if name in of_waves]
        others = [place for place, name in enumerate(names) if name not in of_waves]
        blocks = []
        if waves:
            first = ops.squeeze(ops.slice(known, 1, 0, 1), 1)
            blocks.append(ops.take(first, waves, 1))
        if not others:
            return blocks
        width = horizon * len(others)
        blocks.append(ops.reshape(ops.take(known, others, 2), (-1, width)))
        lag = -(-horizon // self.fitted.season_length) * self.fitted.season_length
        length = self.fitted.shape.context_length
        if lag <= length:
            past = self._network_inputs["past"]
            channels = (ops.shape(past)[2] or 0) - len(names) + np.array(others)
            earlier = ops.slice(past, 1, length - lag, length - lag + horizon)
            blocks.append(ops.reshape(ops.take(earlier, channels.tolist(), 2), (-1, width)))
        return blocks

    def _bounded(self, forecast: Value) -> Value:
        """Return a forecast that is 0 on closed weekdays, and not below 0 where 0 is a bound."""
        ops = self.ops
        zero = ops.constant(np.float64(0))
        never_below = ops.binary("greater", self._fact("never below 0 (0 or 1)"), zero)
        bounded = ops.where(never_below, ops.binary("maximum", forecast, zero), forecast)
        if not reads_weekdays(self.fitted):
            return bounded
        return ops.where(ops.binary("greater", self._closed_steps, zero), zero, bounded)

    @cached_property
    def _closed_steps(self) -> Value:
        """(B, H, D), above 0 for steps on closed weekdays."""
        ops = self.ops
        length = self.fitted.shape.context_length
        num_rows = self.signature.num_rows
        zero = ops.constant(np.float64(0))
        one = ops.constant(np.float64(1))
        context = ops.slice(self.inputs["history"], 1, num_rows - length, num_rows)
        sold = ops.where(ops.binary("equal", context, zero), zero, one)  # (B, L, D)
        if reads_observed(self.fitted):
            observed = ops.slice(self.inputs["observed"], 2, 0, self.fitted.shape.num_targets)
            sold = sold * ops.cast(observed, "float64")
        weekday = ops.expand(self.inputs["weekday"], 2)  # (B, L + H, 1)
        total = None
        for day, name in enumerate(WEEKDAYS):
            is_day = ops.cast(ops.binary("equal", weekday, ops.constant(np.int32(day))), "float64")
            of_context = ops.slice(is_day, 1, 0, length)
            opened = ops.reduce("max", sold * of_context, 1)  # (B, 1, D)
            closed = self._fact(f"closed on {name} (0 or 1)") * (one - opened)
            ahead = ops.slice(is_day, 1, length, length + self.fitted.shape.horizon)
            part = closed * ahead  # (B, H, D)
            total = part if total is None else total + part
        return total


def _scales(scaler: Transform | None) -> tuple[FloatArray, FloatArray] | None:
    """Return centre and scale of covariates; None where they are not scaled.

    Raises:
        UnknownFormError: they are mapped in another way.
    """
    if scaler is None:
        return None
    if not isinstance(scaler, Scaler):
        raise UnknownFormError(f"its map {type(scaler).__name__} cannot be written into a file")
    return scaler.centre, scaler.scale
