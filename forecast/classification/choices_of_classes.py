"""Settings of a classifier that its training sequences decide, in the place of `auto`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from forecast.classification.class_settings import Classification
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.section import AUTO

FEW_SEQUENCES = 1_000
"""Training sequences below which five networks are trained; below five times as many, and
for texts, whose networks learn in seconds, three."""

FILTERS = 64

STEPS_LEFT = 50
"""Steps of the longest sequence that the mean over `stride` steps leaves, about."""

MIXUP = 0.3
"""Strength of the mixtures of small sets."""


@dataclass(frozen=True)
class Usual:
    """Settings that suit a kind of sequences.

    Attributes:
        units: width of each direction.
        batch_size: sequences per step.
        learning_rate: of Adam.
        most_epochs: passes over few sequences.
        least_epochs: passes over many.
        read: sequences that all passes together read, in between.
    """

    units: int
    batch_size: int
    learning_rate: float
    most_epochs: int
    least_epochs: int
    read: int

    def epochs(self, num_sequences: int) -> int:
        """Return the passes over so many sequences."""
        wanted = self.read // num_sequences
        return max(self.least_epochs, min(self.most_epochs, wanted))


OF_NUMBERS = Usual(64, 16, 5e-3, most_epochs=150, least_epochs=20, read=60_000)
OF_TEXTS = Usual(32, 32, 2e-3, most_epochs=15, least_epochs=4, read=36_000)


def choose_settings(config: Classification, known: Sequences) -> Classification:
    """Return the settings without `auto`.

    Args:
        config: the settings.
        known: the training and validation sequences.
    """
    has_numbers = known.numbers.shape[1] > 0
    are_few = known.num_sequences < FEW_SEQUENCES
    inputs = _filled(config.inputs, differences=has_numbers)
    is_text = config.data.text_col is not None
    usual = OF_TEXTS if is_text else OF_NUMBERS
    longest = int(known.lengths.max())
    filters = FILTERS if has_numbers and longest >= STEPS_LEFT else None
    model = _filled(config.model, filters=filters, units=usual.units)
    pooling = "mean" if model.filters is None else "max"
    model = _filled(model, pooling=pooling, stride=_stride(model.filters, longest))
    training = _filled(
        config.training,
        epochs=usual.epochs(known.num_sequences),
        batch_size=usual.batch_size,
        learning_rate=usual.learning_rate,
        seeds=_num_networks(known.num_sequences, is_text=is_text),
        keep="last" if has_numbers and are_few else "best",
        mixup=MIXUP if has_numbers and are_few else 0.0,
    )
    return config.model_copy(update={"inputs": inputs, "model": model, "training": training})


def _filled(section: Any, **values: Any) -> Any:
    """Return a section with these values where it has `auto`."""
    wanted = {name: value for name, value in values.items() if getattr(section, name) == AUTO}
    return section.model_copy(update=wanted)


def _stride(filters: int | None, longest: int) -> int:
    """Return the steps that become one."""
    return 1 if filters is None else max(1, longest // STEPS_LEFT)


def _num_networks(num_sequences: int, *, is_text: bool) -> int:
    """Return how many networks are trained."""
    if num_sequences < FEW_SEQUENCES:
        return 5
    return 3 if is_text or num_sequences < 5 * FEW_SEQUENCES else 1
