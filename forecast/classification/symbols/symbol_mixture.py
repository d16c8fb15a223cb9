"""The mixture of a network and counts that predicts the next symbol."""

from __future__ import annotations

import numpy as np

from forecast.classification.counts.mixture_weights import weights_of_tables, weights_with_network
from forecast.classification.counts.ngrams import LONGEST, NAMES, Codes, NGrams, contexts_in
from forecast.classification.evaluated import NETWORK
from forecast.classification.symbols.stored_symbols import FittedSymbols
from forecast.classification.symbols.symbol_result import SymbolResult
from forecast.classification.symbols.symbol_steps import read_stream
from forecast.models.gru_next import GRUNextConfig
from forecast.models.sequence_network import SequenceNetwork

MODEL = "gru_next"
"""Name of the model in scores."""

MOST_WEIGHED = 20_000
"""Symbols on which weights of the mixture are earned, at most."""


def judged(fitted: FittedSymbols, stream: Codes) -> SymbolResult:
    """Return predictions of a stream; the first symbols are context, and judged for none."""
    came = stream[LONGEST:]
    contexts = contexts_in(stream)
    of_truth = {name: np.empty(len(came)) for name in (MODEL, NETWORK)}
    hits = {name: np.empty(len(came), dtype=bool) for name in (MODEL, NETWORK)}
    for start, read in read_stream(fitted.network, fitted.settings.model, stream):
        first = start + 1 - LONGEST  # place of the symbol after the first that was read
        shares = read[max(0, -first) :]
        places = np.arange(max(0, first), max(0, first) + len(shares))
        given = {MODEL: fitted.mixed(shares, contexts[places]), NETWORK: shares}
        for name, each in given.items():
            of_truth[name][places] = each[np.arange(len(each)), came[places]]
            hits[name][places] = each.argmax(axis=1) == came[places]
    if fitted.weights[NETWORK] == 1.0:
        del of_truth[NETWORK], hits[NETWORK]
    counts = fitted.ngrams.of_truth(contexts, came)
    guesses = fitted.ngrams.guesses(contexts)
    of_truth |= dict(zip(NAMES, counts, strict=True))
    hits |= dict(zip(NAMES, guesses == came, strict=True))
    return SymbolResult(of_truth, hits)


def weights_of(
    network: SequenceNetwork,
    config: GRUNextConfig,
    ngrams: NGrams,
    training: Codes,
    validation: Codes,
) -> dict[str, float]:
    """Return the weights of the network and of each of `NAMES`.

    Those of the counts among each other are earned on training symbols, each left out of them,
    and on validation symbols, that of the network on validation symbols alone.

    Args:
        network: the network.
        config: its settings.
        ngrams: the counts.
        training: (R,) codes that were counted.
        validation: (R,) codes that were not.
    """
    training = training[-MOST_WEIGHED:]
    stream = validation[:MOST_WEIGHED]
    judged_on = []
    if len(training) > LONGEST:
        known = training[LONGEST:]
        judged_on.append(ngrams.of_truth(contexts_in(training), known, left_out=True))
    if len(stream) > LONGEST:
        judged_on.append(ngrams.of_truth(contexts_in(stream), stream[LONGEST:]))
    if not judged_on:
        return {NETWORK: 0.0} | dict.fromkeys(NAMES, 1.0 / len(NAMES))
    weights = weights_of_tables(np.concatenate(judged_on, axis=1))
    if len(stream) <= LONGEST:
        weights = np.array([0.0, *weights])
    else:
        parts = [
            shares[np.arange(len(shares)), stream[start + 1 : start + 1 + len(shares)]]
            for start, shares in read_stream(network, config, stream)
        ]
        of_truth = np.concatenate(parts)[LONGEST - 1 :]
        weights = weights_with_network(of_truth, judged_on[-1], weights)
    return dict(zip((NETWORK, *NAMES), map(float, weights), strict=True))
