"""Floating-point operations of the matrix products of a step: a lower bound for any program."""

from __future__ import annotations

Case = tuple[int, int, int, int]
"""batch, steps, features, units"""


def forward_operations(case: Case) -> int:
    """Multiplications and additions of all matrix products of one inference step.

    A GRU layer multiplies the input (B, C) by (C, 3U) and the state (B, U) by (U, 3U) at every
    step, in both directions; the second layer reads C = 2U. A dense layer makes one number of the
    last step's 2U.
    """
    batch, steps, features, units = case
    per_step = sum(2 * batch * (inputs + units) * 3 * units for inputs in (features, 2 * units))
    return 2 * steps * per_step + 2 * batch * 2 * units


def train_operations(case: Case) -> int:
    """Those of one train step.

    A product with a gradient for both factors costs three times its forward product. Nobody needs
    the gradients of the data and of the four initial states, so those products cost twice.
    """
    batch, steps, features, units = case
    of_data = 2 * steps * 2 * batch * features * 3 * units
    of_states = 4 * 2 * batch * units * 3 * units
    return 3 * forward_operations(case) - of_data - of_states


OPERATIONS = {"forward": forward_operations, "train": train_operations}


def floor_milliseconds(case: Case, mode: str, rate: float) -> float:
    """Return the time of the matrix products of a step, at `rate` 1e9 operations per second."""
    return OPERATIONS[mode](case) / rate / 1e6
