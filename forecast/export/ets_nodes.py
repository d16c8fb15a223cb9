"""Exponential smoothing in operations of an export; see `baselines.smoothing`.

The parameters of the series of training are a table in the file. Those of a new series are found
in the graph from its history, by the same grid, and only if there is one among the windows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from forecast.axes import FloatArray
from forecast.baselines.lengths import smoothed_rows
from forecast.baselines.recursion import FORMS, Form
from forecast.baselines.smoothing import Smoothing
from forecast.export.operations import Operations, Value
from forecast.export.recursion_nodes import Recursion, StateNodes, first_states
from forecast.export.series_rows import SeriesRows, Task
from forecast.inference.layer_forms import UnknownFormError

LEAST_SQUARE = 1e-290
"""Least mean square whose logarithm is taken: runtimes may take smaller numbers for 0."""


def ets_nodes(task: Task) -> Value:
    """Write the (B, H, D) forecast of exponential smoothing.

    Raises:
        UnknownFormError: the model is of an earlier version, without smoothing.
    """
    if task.smoothing is None:
        raise UnknownFormError("its exponential smoothing was not stored with it")
    season_length = task.smoothing.season_length
    rows = task.rows(smoothed_rows(season_length))
    forms = [form for form in FORMS if season_length > 1 or not form.has_season]
    nodes = _Smoothing(rows, tuple(forms), season_length, task.steps.horizon)
    return task.forecast_of(nodes.forecast(_facts(task, task.smoothing, nodes)))


def _facts(task: Task, smoothing: Smoothing, nodes: _Smoothing) -> Value:
    """Return (S, F, 5) alpha, beta, gamma, damping and criterion of every series."""
    ops = task.ops
    table = smoothing_table(smoothing, nodes.forms)
    zero = ops.constant(np.int64(0))
    place = ops.binary("maximum", task.series, zero)
    shape = (-1, len(nodes.forms), 5)
    known = ops.reshape(ops.rows(ops.constant(table), place), shape)
    is_new = ops.expand(ops.binary("less", task.series, zero), 1)  # (B, 1)
    targets = ops.constant(np.ones((1, task.num_targets)))
    of_series = ops.reshape(ops.cast(is_new, "float64") * targets, (-1, 1, 1))
    any_new = ops.binary("greater", ops.reduce("max", of_series, 0), nodes.rows.number(0.0))

    def fitted() -> list[Value]:
        is_so = ops.binary("greater", of_series, nodes.rows.number(0.0))
        return [ops.where(is_so, nodes.fitted(), known)]

    return ops.choose(ops.reshape(any_new, (1,)), fitted, lambda: [known])[0]


def smoothing_table(smoothing: Smoothing, forms: tuple[Form, ...]) -> FloatArray:
    """Return the (N, D, F, 5) parameters and criterion of some forms."""
    numbers = [FORMS.index(form) for form in forms]
    parts = [smoothing.parameters, smoothing.criteria[..., None]]
    return np.concatenate(parts, axis=-1)[:, :, numbers]


@dataclass(frozen=True, eq=False)
class _Smoothing:
    """Exponential smoothing that is being written.

    Attributes:
        rows: the series.
        forms: those that the season allows.
        season_length: m.
        horizon: H.
    """

    rows: SeriesRows
    forms: tuple[Form, ...]
    season_length: int
    horizon: int

    @property
    def ops(self) -> Operations:
        """Writes the graph."""
        return self.rows.ops

    def forecast(self, facts: Value) -> Value:
        """Return (S, H) forecasts: the forms by their Akaike weights.

        Args:
            facts: (S, F, 5) parameters and criterion.
        """
        ops = self.ops
        columns = [ops.squeeze(ops.slice(facts, 2, place, place + 1), 2) for place in range(5)]
        *parameters, criteria = columns
        states = self._states(parameters)
        made = self._gone_on(states, parameters[3])  # (S, F, H)
        weights = ops.expand(self._weights(criteria), 2)
        is_read = ops.binary("greater", weights, self.rows.number(0.0))
        made = ops.where(is_read, made, self.rows.number(0.0))
        return ops.squeeze(ops.reduce("sum", made * weights, 1), 1)

    def fitted(self) -> Value:
        """Return (S, F, 5) parameters and criterion that suit the rows; see `Smoothing.fit`."""
        ops = self.ops
        found = []
        for form in self.forms:
            criteria = self._criteria(form)
            best = ops.argmin(criteria, 1)
            none = self.rows.zeros(len(form.grid))
            columns = [none + ops.constant(column[None].copy()) for column in form.grid.T]
            chosen = [ops.pick(column, best) for column in (*columns, criteria)]
            found.append(ops.expand(ops.concat(chosen, 1), 1))
        return ops.concat(found, 1)

    def _states(self, parameters: list[Value]) -> StateNodes:
        """Return the states of all forms after the last row."""
        ops = self.ops
        shown = [self._shown(form) for form in self.forms]
        firsts = [
            first_states(rows, form, self.season_length)
            for rows, form in zip(shown, self.forms, strict=True)
        ]
        values = ops.concat([rows.by_row()[0] for rows in shown], 2)
        level = ops.concat([first.level for first in firsts], 1)
        trend = ops.concat([first.trend for first in firsts], 1)
        recursion = Recursion(self.rows, values, parameters)
        if self.season_length == 1:
            has_trend = np.array([float(form.has_trend) for form in self.forms])
            return recursion.from_best_start(StateNodes(level, trend), has_trend)[0]
        none = self.rows.zeros(self.season_length)
        seasons = [none if first.season is None else first.season for first in firsts]
        season = ops.concat([ops.expand(part, 1) for part in seasons], 1)
        return recursion.from_rows(StateNodes(level, trend, season))[0]

    def _gone_on(self, states: StateNodes, damping: Value) -> Value:
        """Return the (S, F, H) forecasts of all forms."""
        ops = self.ops
        steps = np.arange(1, self.horizon + 1, dtype=np.float64)
        powers = ops.binary("power", ops.expand(damping, 2), ops.constant(steps.reshape(1, 1, -1)))
        growth = ops.cumsum(powers, 2)
        made = ops.expand(states.level, 2) + growth * ops.expand(states.trend, 2)
        if states.season is not None:
            places = (np.arange(self.horizon) % self.season_length).tolist()
            made = made + ops.take(states.season, places, 2)
        most = ops.binary("minimum", made, self.rows.number(700.0))
        is_logarithm = np.array([form.is_logarithm for form in self.forms]).reshape(1, -1, 1)
        return ops.where(ops.constant(is_logarithm), ops.unary("exp", most), made)

    def _weights(self, criteria: Value) -> Value:
        """Return (S, F) Akaike weights, 0 of forms that do not suit a series."""
        ops = self.ops
        infinite = self.rows.number(np.inf)
        available = ops.concat([self._is_possible(form) for form in self.forms], 1)
        distance = ops.where(available, criteria, infinite)
        is_read = ops.binary("less", distance, infinite)
        least = ops.reduce("min", distance, 1)
        beyond = ops.binary("minimum", distance - least, self.rows.number(1e3))
        power = ops.unary("exp", beyond * self.rows.number(-0.5))
        weights = ops.where(is_read, power, self.rows.number(0.0))
        return weights / ops.reduce("sum", weights, 1)

    def _is_possible(self, form: Form) -> Value:
        """Return (S, 1) whether the rows suit a form."""
        is_long = self.rows.at_least(2 * self.season_length if form.has_season else 1)
        if form.is_logarithm:
            return self.ops.binary("and", is_long, self.rows.all_positive)
        return is_long

    def _shown(self, form: Form) -> SeriesRows:
        """Return what a form follows."""
        if not form.is_logarithm:
            return self.rows
        ops = self.ops
        is_read = ops.binary("and", self.rows.is_known, self.rows.all_positive)
        shown = ops.where(is_read, self.rows.values, self.rows.number(1.0))
        return SeriesRows.of(ops, ops.unary("log", shown), self.rows.known)

    def _criteria(self, form: Form) -> Value:
        """Return (S, G) AICc of every set of a form's grid; infinite where the form cannot be."""
        ops = self.ops
        number = self.rows.number
        shown = self._shown(form)
        lengths = self.rows.lengths
        squares = self._squares(form, shown) / lengths
        power = ops.reduce("sum", shown.values * shown.values, 1) / lengths
        floored = ops.binary("maximum", squares + power * number(1e-12), number(LEAST_SQUARE))
        density = ops.unary("log", floored)
        if form.is_logarithm:
            mean = ops.reduce("sum", shown.values, 1) / lengths
            density = density + mean * number(2.0)  # densities of logarithms as those of values
        count = form.num_parameters(self.season_length)
        left = ops.binary("maximum", lengths - number(count + 1.0), number(1.0))
        penalty = number(2.0 * count * (count + 1)) / left + number(2.0 * count)
        criterion = lengths * density + penalty
        return ops.where(self._is_possible(form), criterion, number(np.inf))

    def _squares(self, form: Form, shown: SeriesRows) -> Value:
        """Return the (S, G) sums of squared errors of every set of a form's grid."""
        ops = self.ops
        first = first_states(shown, form, self.season_length)
        none = self.rows.zeros(len(form.grid))
        parameters = [ops.constant(column[None].copy()) for column in form.grid.T]
        recursion = Recursion(self.rows, shown.by_row()[0], parameters)
        start = StateNodes(first.level + none, first.trend + none)
        if self.season_length == 1:
            has_trend = np.full(len(form.grid), float(form.has_trend))
            return recursion.from_best_start(start, has_trend)[1]
        if first.season is not None:
            season = ops.expand(first.season, 1) + ops.expand(none, 2)
            start = StateNodes(start.level, start.trend, season)
        return recursion.from_rows(start)[1]
