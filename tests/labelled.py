"""Made-up tables of labelled sequences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def waves(
    num_sequences: int = 40, *, seed: int = 0, shortest: int = 6, longest: int = 14
) -> pd.DataFrame:
    """Sequences of different lengths: label `up` rises on the whole, `down` falls."""
    draw = np.random.default_rng(seed)
    rows: list[dict[str, Any]] = []
    for number in range(num_sequences):
        length = int(draw.integers(shortest, longest + 1))
        sign = 1 if number % 2 else -1
        values = sign * np.linspace(-1, 1, length) + 0.3 * draw.normal(size=length)
        for step, value in enumerate(values):
            rows.append(
                {
                    "id": f"run {number:03d}",
                    "step": step,
                    "x": value,
                    "noise": draw.normal(),
                    "label": "up" if number % 2 else "down",
                }
            )
    return pd.DataFrame(rows)


def reviews(num_documents: int = 60, *, seed: int = 0) -> pd.DataFrame:
    """Documents whose label is that of the one telling word in them."""
    draw = np.random.default_rng(seed)
    filler = ["the", "film", "was", "and", "story", "it", "actors", "scene"]
    rows = []
    for number in range(num_documents):
        words = list(draw.choice(filler, size=int(draw.integers(3, 9))))
        telling = "great" if number % 2 else "awful"
        words.insert(int(draw.integers(0, len(words) + 1)), telling)
        rows.append({"text": " ".join(words), "label": number % 2})
    return pd.DataFrame(rows)
