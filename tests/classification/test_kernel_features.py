"""Kernel features are those written out, and tell sequences apart that summaries cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from forecast import Classification, Classifier
from forecast.classification.encoding import EncodedRows
from forecast.classification.regressions.kernel_features import KERNELS, LEVELS, KernelFeatures

LENGTHS = np.array([30, 61, 44])


def rows(num_channels: int) -> EncodedRows:
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)])
    numbers = np.random.default_rng(0).normal(size=(offsets[-1], num_channels))
    return EncodedRows(numbers.astype(np.float32), np.zeros((len(numbers), 0), np.int32), offsets)


def test_values_are_those_written_out() -> None:
    given = rows(4)
    kernels = KernelFeatures.fit(given)
    values = kernels.values(given).reshape(3, len(kernels.dilations), 84, LEVELS)
    assert kernels.dilations.tolist() == [1, 2, 3, 4, 5]
    assert kernels.channels.any(axis=2).all()
    for number, dilation, kernel in ((0, 0, 3), (1, 4, 80), (2, 2, 41)):
        start, end = given.offsets[number : number + 2]
        steps = given.numbers[start:end].astype(np.float64) @ kernels.channels[dilation, kernel]
        found = []
        for step in range(len(steps)):
            total = 0.0
            for tap in range(9):
                at = step + (tap - 4) * kernels.dilations[dilation]
                weight = 2.0 if tap in KERNELS[kernel] else -1.0
                if 0 <= at < len(steps):
                    total += weight * steps[at]
            found.append(total)
        for level in range(LEVELS):
            share = np.mean(np.array(found) > kernels.thresholds[dilation, kernel, level])
            assert np.isclose(values[number, dilation, kernel, level], share, atol=1e-12)


def test_thresholds_are_quantiles_of_the_training_values() -> None:
    given = rows(1)
    weights = LENGTHS / LENGTHS.sum()
    shares = weights @ KernelFeatures.fit(given).values(given)
    levels = np.tile((np.arange(LEVELS) + 0.5) / LEVELS, len(shares) // LEVELS)
    np.testing.assert_allclose(shares, 1 - levels, atol=0.02)


def bumps(num_sequences: int, seed: int) -> pd.DataFrame:
    """One bump somewhere in noise: a step up and then down, or down and then up."""
    draw = np.random.default_rng(seed)
    parts = []
    for number in range(num_sequences):
        values = 0.3 * draw.normal(size=70)
        start = draw.integers(5, 55)
        sign = 1 if number % 2 else -1
        values[start : start + 4] += 2.0 * sign
        values[start + 4 : start + 8] -= 2.0 * sign
        parts.append(pd.DataFrame({"id": number, "step": range(70), "x": values, "label": sign}))
    return pd.concat(parts)


def test_they_stand_beside_long_sequences_and_are_stored(tmp_path: Path) -> None:
    quick = {"model": {"units": 4, "filters": 4}, "training": {"epochs": 1, "seeds": 1}}
    classifier = Classifier(Classification(**quick)).fit(bumps(40, 0))
    test = bumps(60, 1)
    scores = classifier.evaluate(test).scores()
    assert scores.loc["ridge on summaries and kernels", "accuracy"] > 0.95
    classifier.save(tmp_path / "model")
    again = Classifier.load(tmp_path / "model").predict(test)
    pd.testing.assert_frame_equal(again, classifier.predict(test))
