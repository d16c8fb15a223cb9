"""The predictions of the next symbol to beat: frequencies after the last few symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray

LONGEST = 3
"""Symbols before the next one that are looked at, at most."""

Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class _Order:
    """Counts after contexts of one length.

    Attributes:
        pairs: sorted keys of context and next symbol.
        pair_counts: how often each occurs.
        contexts: sorted keys of contexts.
        totals: how often each is followed by a symbol.
        kinds: how many different symbols follow it.
    """

    pairs: IntArray
    pair_counts: IntArray
    contexts: IntArray
    totals: IntArray
    kinds: IntArray


@dataclass(frozen=True, eq=False)
class NGrams:
    """Probability of the next symbol after the last 0, 1, 2 and 3 symbols.

    Each length falls back on the shorter one where it has seen little (Witten & Bell 1991): with c
    the count of a symbol after a context, n of all symbols and k of different ones after it,

        p = (c + k p_shorter) / (n + k)

    and the shortest falls back on equal probabilities.

    Attributes:
        num_codes: V.
        orders: counts by length of the context.
    """

    num_codes: int
    orders: tuple[_Order, ...]

    @classmethod
    def fit(cls, stream: Codes, num_codes: int) -> NGrams:
        """Count.

        Args:
            stream: (R,) codes of the training symbols.
            num_codes: V.
        """
        orders = []
        for length in range(LONGEST + 1):
            contexts = _keys(stream, length, num_codes)
            following = stream[length:].astype(np.int64)
            pairs, pair_counts = np.unique(contexts * num_codes + following, return_counts=True)
            named, first = np.unique(pairs // num_codes, return_index=True)
            kinds = np.diff(np.append(first, len(pairs)))
            totals = np.add.reduceat(pair_counts, first)
            orders.append(_Order(pairs, pair_counts, named, totals, kinds))
        return cls(num_codes, tuple(orders))

    def to_state(self) -> dict[str, IntArray]:
        """Return the counts as arrays by name."""
        return {
            f"ngrams/{length}/{name}": array
            for length, order in enumerate(self.orders)
            for name, array in vars(order).items()
        }

    @classmethod
    def from_state(cls, num_codes: int, state: Mapping[str, IntArray]) -> NGrams:
        """Rebuild from the arrays of `to_state`."""
        names = [field.name for field in fields(_Order)]
        orders = [
            _Order(**{name: state[f"ngrams/{length}/{name}"] for name in names})
            for length in range(LONGEST + 1)
        ]
        return cls(num_codes, tuple(orders))

    def of_truth(self, stream: Codes, length: int) -> FloatArray:
        """Return the (R - LONGEST,) probability of each symbol from the one at `LONGEST` on.

        Args:
            stream: (R,) codes.
            length: symbols of the context, at most `LONGEST`.
        """
        following = stream[LONGEST:].astype(np.int64)
        given = np.full(len(following), 1.0 / self.num_codes)
        for short, order in enumerate(self.orders[: length + 1]):
            contexts = _keys(stream[LONGEST - short :], short, self.num_codes)
            totals = _found(order.contexts, order.totals, contexts)
            kinds = _found(order.contexts, order.kinds, contexts)
            counts = _found(order.pairs, order.pair_counts, contexts * self.num_codes + following)
            given = np.where(
                totals > 0, (counts + kinds * given) / np.maximum(1, totals + kinds), given
            )
        return given

    def once_more(self, stream: Codes) -> FloatArray:
        """Return the probability of each symbol where the last one is forecast once more.

        The last one has the share of symbols that equal the one before, the others share the rest
        by their frequencies; see `of_truth`.
        """
        pairs = self.orders[1]
        is_same = pairs.pairs // self.num_codes == pairs.pairs % self.num_codes
        stays = (pairs.pair_counts[is_same].sum() + 1) / (pairs.pair_counts.sum() + 2)
        last = stream[LONGEST - 1 : -1]
        of_next = self.of_truth(stream, 0)
        # the frequency of the last symbol: that of the next one in a stream one step earlier
        of_last = self.of_truth(np.concatenate([stream[:LONGEST], last]), 0)
        changes = (1.0 - stays) * of_next / np.maximum(1e-12, 1.0 - of_last)
        return np.where(last == stream[LONGEST:], stays, changes)

    def guesses(self, stream: Codes, length: int) -> IntArray:
        """Return the most frequent next symbol after each context; see `of_truth`."""
        num = len(stream) - LONGEST
        guess = np.zeros(num, np.int64)
        for short, order in enumerate(self.orders[: length + 1]):
            # of each context the pair with the largest count; keys are sorted by context
            by_count = np.lexsort((-order.pair_counts, order.pairs // self.num_codes))
            first = np.searchsorted(order.pairs[by_count] // self.num_codes, order.contexts)
            best = order.pairs[by_count][first] % self.num_codes
            contexts = _keys(stream[LONGEST - short :], short, self.num_codes)
            place = np.minimum(np.searchsorted(order.contexts, contexts), len(best) - 1)
            is_known = order.contexts[place] == contexts
            guess = np.where(is_known, best[place], guess)
        return guess


def _keys(stream: Codes, length: int, num_codes: int) -> IntArray:
    """Return (R - length,) a number for each context of `length` symbols that a symbol follows."""
    num = len(stream) - length
    keys = np.zeros(num, np.int64)
    for back in range(length):
        keys = keys * num_codes + stream[back : back + num]
    return keys


def _found(keys: IntArray, values: IntArray, wanted: IntArray) -> IntArray:
    """Return the value of each wanted key, 0 where it is not among the sorted keys."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
