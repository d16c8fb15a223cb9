"""Predictions of next symbols beside those that came, and what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray
from forecast.classification.evaluated import LEVEL, NETWORK, NUM_DRAWS

NUM_BLOCKS = 200
"""Stretches of neighbours that the bootstrap draws, at most: neighbours are not independent."""

NEGLIGIBLE = 0.001
"""Bits per symbol that do not count, however many symbols show them."""

LEAST_PROBABILITY = 1e-15
"""Probabilities are at least this in logarithms."""


@dataclass(frozen=True, eq=False)
class SymbolResult:
    """Predictions of symbols that are known.

    Attributes:
        of_truth: (R,) probability that each model gave the symbol that came, that of the model
            first, of its network where it is a part of it, then the baselines.
        hits: (R,) whether the most probable symbol of each model came.

    Example:
        >>> import numpy as np
        >>> from forecast import SymbolResult
        >>> shares = {"gru_next": np.array([0.5, 0.25]), "frequencies": np.array([0.25, 0.25])}
        >>> hits = {name: given > 0.4 for name, given in shares.items()}
        >>> SymbolResult(shares, hits).scores().loc["gru_next"].round(2).to_dict()
        {'accuracy': 0.5, 'nats': 1.04, 'bits': 1.5, 'perplexity': 2.83}
    """

    of_truth: Mapping[str, FloatArray]
    hits: Mapping[str, NDArray[np.bool_]]

    @property
    def name(self) -> str:
        """Name of the model."""
        return next(iter(self.of_truth))

    def losses(self, model: str) -> FloatArray:
        """Return the (R,) -log(probability of the symbol that came), in nats.

        Args:
            model: name of the model.
        """
        return -np.log(np.maximum(self.of_truth[model], LEAST_PROBABILITY))

    def scores(self) -> pd.DataFrame:
        """Return a row per model: `accuracy`, `nats` and `bits` per symbol, `perplexity`."""
        rows = {}
        for model in self.of_truth:
            loss = float(self.losses(model).mean())
            rows[model] = {
                "accuracy": float(np.mean(self.hits[model])),
                "nats": loss,
                "bits": loss / math.log(2),
                "perplexity": math.exp(loss),
            }
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.index.name = "model"
        return table

    def best_baseline(self) -> str:
        """Return the name of the baseline that needs fewest bits."""
        members = [name for name in (self.name, NETWORK) if name in self.of_truth]
        return str(self.scores()["bits"].drop(members).idxmin())

    def verdict(self) -> str:
        """Return one sentence: the model against its best baseline, in bits per symbol.

        Stretches of neighbours are drawn with replacement, both models on the same ones (Kuensch
        1989, "The jackknife and the bootstrap for general stationary observations").
        """
        other = self.best_baseline()
        bits = {name: self.losses(name) / math.log(2) for name in (self.name, other)}
        difference = bits[self.name] - bits[other]
        blocks = np.array_split(difference, min(NUM_BLOCKS, len(difference)))
        means = np.array([block.mean() for block in blocks])
        draw = np.random.default_rng(0)
        samples = means[draw.integers(0, len(means), size=(NUM_DRAWS, len(means)))].mean(axis=1)
        low, high = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        word = "cannot be told apart from"
        if high < -NEGLIGIBLE:
            word = "is better than"
        elif low > NEGLIGIBLE:
            word = "is worse than"
        return (
            f"{self.name} {word} the best baseline ({other}): {bits[self.name].mean():.3f} bits "
            f"per symbol against {bits[other].mean():.3f} on {len(difference):,} symbols, "
            f"difference {difference.mean():+.3f} ({100 * LEVEL:.0f} % interval {low:+.3f} to "
            f"{high:+.3f})."
        )
