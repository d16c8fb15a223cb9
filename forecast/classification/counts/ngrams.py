"""The predictions of a symbol to beat: frequencies after the last few symbols, and the last one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray

LONGEST = 3
"""Symbols before the next one that are looked at, at most."""

NAMES = (
    *(f"after the last {length}" for length in range(LONGEST, 0, -1)),
    "frequencies",
    "the last once more",
)
"""The predictions from counts, B in all."""

Codes = NDArray[np.int32]

AnyCodes = NDArray[np.signedinteger]


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
    def fit(cls, stream: AnyCodes, num_codes: int) -> NGrams:
        """Count in a stream of symbols.

        Args:
            stream: (R,) codes of the training symbols.
            num_codes: V.
        """
        stream = stream.astype(np.int64)
        orders = []
        for length in range(LONGEST + 1):
            before = stream[:, None]
            if length:
                before = sliding_window_view(stream, length)[:-1]
            orders.append(_counted(_keys(before, length, num_codes), stream[length:], num_codes))
        return cls(num_codes, tuple(orders))

    @classmethod
    def fit_windows(cls, contexts: IntArray, following: IntArray, num_codes: int) -> NGrams:
        """Count what follows some contexts, perhaps not at once.

        Args:
            contexts: (N, LONGEST) codes before; V where there is none.
            following: (N,) codes after them.
            num_codes: V.
        """
        orders = [
            _counted(_keys(contexts, length, num_codes), following, num_codes)
            for length in range(LONGEST + 1)
        ]
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

    @property
    def stays(self) -> float:
        """Share of symbols that equal the one before."""
        pairs = self.orders[1]
        last = pairs.pairs // self.num_codes
        is_same = last == pairs.pairs % self.num_codes
        return float((pairs.pair_counts[is_same].sum() + 1) / (pairs.pair_counts.sum() + 2))

    def of_truth(
        self, contexts: IntArray, following: AnyCodes, *, left_out: bool = False
    ) -> FloatArray:
        """Return the (B, N) probability that each of `NAMES` gives to what came.

        Args:
            contexts: (N, LONGEST) codes before; V where there is none.
            following: (N,) codes after them.
            left_out: whether each of them was counted, and is left out of the counts: so counts
                can be judged on what they come from.
        """
        less = int(left_out)
        codes = following.astype(np.int64)
        given = np.full(len(codes), 1.0 / self.num_codes)
        found = []
        for length, order in enumerate(self.orders):
            keys = _keys(contexts, length, self.num_codes)
            counts = _found(order.pairs, order.pair_counts, keys * self.num_codes + codes)
            kinds = _found(order.contexts, order.kinds, keys) - less * (counts == 1)
            totals = _found(order.contexts, order.totals, keys) - less
            mixed = (counts - less + kinds * given) / np.maximum(1, totals + kinds)
            given = np.where(totals > 0, mixed, given)
            found.append(given)
        last = contexts[:, -1]
        frequency = _shares_of(self.orders[0], self.num_codes)
        of_last = np.append(frequency, 0.0)[last]
        changes = (1.0 - self.stays) * found[0] / np.maximum(1e-12, 1.0 - of_last)
        once_more = np.where(last == codes, self.stays, changes)
        once_more = np.where(last == self.num_codes, found[0], once_more)
        return np.stack([*found[::-1], once_more])

    def mixed(self, contexts: IntArray, weights: FloatArray) -> FloatArray:
        """Return the (N, V) weighted sum of the probabilities of each of `NAMES`.

        Args:
            contexts: (N, LONGEST) codes before; V where there is none.
            weights: (B,) weight of each.
        """
        num, num_codes = len(contexts), self.num_codes
        given = np.full((num, num_codes), 1.0 / num_codes)
        total = np.zeros((num, num_codes))
        for length, order in enumerate(self.orders):
            keys = _keys(contexts, length, num_codes)
            kinds = _found(order.contexts, order.kinds, keys)
            seen = np.maximum(1, _found(order.contexts, order.totals, keys) + kinds)
            given *= np.where(kinds > 0, kinds / seen, 1.0)[:, None]
            first = np.searchsorted(order.pairs, keys * num_codes)
            counts = np.searchsorted(order.pairs, (keys + 1) * num_codes) - first
            rows = np.repeat(np.arange(num), counts)
            places = np.arange(len(rows)) + np.repeat(first - np.cumsum(counts) + counts, counts)
            given[rows, order.pairs[places] % num_codes] += order.pair_counts[places] / seen[rows]
            weight = weights[LONGEST - length]
            if weight:
                total += weight * given
        if weights[-1]:
            total += weights[-1] * self._once_more(contexts[:, -1])
        return total

    def _once_more(self, last: IntArray) -> FloatArray:
        """Return the (N, V) probabilities where the last one is forecast once more.

        The last one has the share of symbols that equal the one before, the others share the rest
        by their frequencies.
        """
        frequency = _shares_of(self.orders[0], self.num_codes)
        shares = np.tile(frequency, (len(last), 1))
        rows = np.flatnonzero(last < self.num_codes)
        shares[rows] *= ((1.0 - self.stays) / np.maximum(1e-12, 1.0 - frequency[last[rows]]))[
            :, None
        ]
        shares[rows, last[rows]] = self.stays
        return shares

    def guesses(self, contexts: IntArray) -> IntArray:
        """Return the (B, N) most probable symbol of each of `NAMES`."""
        guess = np.zeros(len(contexts), np.int64)
        found = []
        for length, order in enumerate(self.orders):
            # of each context the pair with the largest count; keys are sorted by context
            by_count = np.lexsort((-order.pair_counts, order.pairs // self.num_codes))
            first = np.searchsorted(order.pairs[by_count] // self.num_codes, order.contexts)
            best = order.pairs[by_count][first] % self.num_codes
            keys = _keys(contexts, length, self.num_codes)
            place = np.minimum(np.searchsorted(order.contexts, keys), len(best) - 1)
            guess = np.where(order.contexts[place] == keys, best[place], guess)
            found.append(guess)
        last = contexts[:, -1]
        return np.stack([*found[::-1], np.where(last < self.num_codes, last, found[0])])


def contexts_in(stream: AnyCodes) -> IntArray:
    """Return the (R - LONGEST, LONGEST) codes before each symbol from the one at `LONGEST` on."""
    before: IntArray = sliding_window_view(stream, LONGEST)[:-1].astype(np.int64)
    return before


def _counted(contexts: IntArray, following: AnyCodes, num_codes: int) -> _Order:
    """Count what follows each context."""
    keys = contexts * num_codes + following.astype(np.int64)
    pairs, pair_counts = np.unique(keys, return_counts=True)
    named, first = np.unique(pairs // num_codes, return_index=True)
    kinds = np.diff(np.append(first, len(pairs)))
    return _Order(pairs, pair_counts, named, np.add.reduceat(pair_counts, first), kinds)


def _shares_of(order: _Order, num_codes: int) -> FloatArray:
    """Return the (V,) frequencies; those that fall back on equal probabilities."""
    kinds = int(order.kinds[0])
    shares = np.full(num_codes, kinds / num_codes)
    shares[order.pairs] += order.pair_counts
    frequencies: FloatArray = shares / (order.totals[0] + kinds)
    return frequencies


def _keys(contexts: IntArray, length: int, num_codes: int) -> IntArray:
    """Return the (N,) number of the last `length` codes of each context."""
    keys = np.zeros(len(contexts), np.int64)
    for back in range(length, 0, -1):
        keys = keys * (num_codes + 1) + contexts[:, -back]  # one more code for none
    return keys


def _found(keys: IntArray, values: IntArray, wanted: IntArray) -> IntArray:
    """Return the value of each wanted key, 0 where it is not among the sorted keys."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)
