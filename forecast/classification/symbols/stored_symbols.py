"""The fitted state of a model of the next symbol, as a saved model and back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.counts.ngrams import LONGEST, NAMES, NGrams
from forecast.classification.evaluated import NETWORK
from forecast.classification.saved.sequence_meta import StoredSymbols, stored_meta
from forecast.classification.saved.sequence_networks import network_in
from forecast.classification.saved.stored_arrays import check_array, check_counts, check_names
from forecast.classification.saved.trial_sequences import as_bytes
from forecast.classification.symbols.symbol_rows import Symbols, symbols_of
from forecast.classification.symbols.symbol_settings import NextSymbolSettings
from forecast.classification.symbols.symbol_steps import first_states, read_on, softmax
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.saved.golden import rebuild_checked
from forecast.forecasting.saved_kinds import NEXT_SYMBOL, require_kind
from forecast.models.gru_next import GRUNextConfig, build_gru_next
from forecast.models.sequence_network import SequenceNetwork
from forecast.section import section_from

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[Any]]

TRIAL = "trial"
"""Name of the stored symbols of the golden piece, and of those in `SAMPLE`."""

SAMPLE = "It isn't Good!"
"""A text that shows how texts become symbols."""

GOLDEN_TOLERANCE = 1e-3
"""Of logits and probabilities; other processors round differently, a wrong weight moves more."""


@dataclass(frozen=True, eq=False)
class FittedSymbols:
    """A trained network for the next symbol.

    Attributes:
        settings: the settings.
        symbols: what the codes stand for.
        network: the network.
        length: steps of a piece of training.
        loss: training loss of each pass, in nats per symbol.
        val_loss: validation loss of each pass.
        ngrams: counts, from which the predictions to beat are made.
        weights: of the network and of each of these in the prediction, by name.
    """

    settings: NextSymbolSettings
    symbols: Symbols
    network: SequenceNetwork
    length: int
    loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    ngrams: NGrams
    weights: dict[str, float]

    @property
    def table_weights(self) -> FloatArray:
        """(B,) weight of each of `NAMES`."""
        return np.array([self.weights[name] for name in NAMES])

    def mixed(self, network: FloatArray, contexts: IntArray) -> FloatArray:
        """Return the (N, V) probabilities of the next symbol.

        Args:
            network: (N, V) those of the network.
            contexts: (N, LONGEST) codes before each; V where there is none.
        """
        tables = self.ngrams.mixed(contexts, self.table_weights)
        both: FloatArray = self.weights[NETWORK] * network + tables
        return both

    @property
    def model(self) -> keras.Model:
        """The network as a Keras model, for pieces of `length` steps."""
        return self.network.in_keras(self.length)


def symbol_maker(config: GRUNextConfig, num_codes: int) -> Callable[[int], keras.Model]:
    """Return a function that builds the network for a number of steps."""

    def make(length: int) -> keras.Model:
        from forecast.layers.runtime import build_apart

        return build_apart(partial(build_gru_next, config, num_codes, length), seed=0)

    return make


def save_symbols(fitted: FittedSymbols, path: Path) -> None:
    """Write a trained model to a folder, atomically.

    Raises:
        OutputError: the folder has files other than those of a saved model.
    """
    network = fitted.network
    inputs = _golden_piece(fitted.symbols.num_codes, fitted.length)
    meta = {
        "kind": NEXT_SYMBOL,
        "symbols": list(fitted.symbols.names),
        "length": fitted.length,
        "network": network.graph and network.graph.model_dump(mode="json"),
        "loss": list(fitted.loss),
        "val_loss": list(fitted.val_loss),
        "weights": fitted.weights,
    }
    logits = _logits(fitted, inputs)
    golden: Arrays = {"input": inputs, "output": logits}
    golden["mixed"] = _golden_mixture(fitted, inputs, logits)
    golden[TRIAL] = as_bytes(_trial(fitted, inputs[0]))
    config = fitted.settings.model_dump(mode="json")
    state = fitted.ngrams.to_state()
    save_artifact(path, Artifact(config, meta, dict(network.weights), state, golden))


def load_symbols(path: Path) -> FittedSymbols:
    """Rebuild a trained model from a folder.

    Raises:
        ArtifactError: the folder is damaged, of another version, or of another kind.
    """
    artifact = load_artifact(path)
    require_kind(path, artifact, NEXT_SYMBOL)
    return rebuild_checked(path, artifact, _rebuilt, _golden_difference, GOLDEN_TOLERANCE)


def _golden_difference(fitted: FittedSymbols, artifact: Artifact) -> float:
    """Return the largest difference from the stored logits of the golden piece."""
    inputs = artifact.golden["input"]
    output = _logits(fitted, inputs, metered=True)
    found = {"output": output, "mixed": _golden_mixture(fitted, inputs, output)}
    differences = []
    for name, array in found.items():
        if array.shape != artifact.golden[name].shape:
            raise ValueError(f"{name} is {array.shape}, stored is {artifact.golden[name].shape}")
        differences.append(float(np.max(np.abs(array - artifact.golden[name]))))
    read_on_twice(fitted)
    trial = as_bytes(_trial(fitted, inputs[0]))
    if not np.array_equal(artifact.golden.get(TRIAL, trial), trial):
        raise ValueError("the symbols of the golden piece are not the stored ones")
    return max(differences)


def _trial(fitted: FittedSymbols, codes: NDArray[Any]) -> dict[str, list[str]]:
    """Return the texts of (T,) codes, and the symbols of a text."""
    names = ["", "", *fitted.symbols.names]  # the marks have no text
    data = fitted.settings.data
    return {"piece": [names[code] for code in codes], "sample": symbols_of(SAMPLE, data)}


def read_on_twice(fitted: FittedSymbols) -> None:
    """Read a symbol, and another from the states after it, as `generate` does.

    Raises:
        Exception: of any kind, where the network cannot.
    """
    config = fitted.settings.model
    states = first_states(config)
    for _ in range(2):
        _, states = read_on(fitted.network, config, np.zeros(1, np.int32), states, metered=True)


def _golden_mixture(fitted: FittedSymbols, symbols: NDArray[Any], logits: FloatArray) -> FloatArray:
    """Return the (T, V) probabilities after each symbol of a (1, T) piece."""
    none = np.full(LONGEST - 1, fitted.symbols.num_codes)
    before = sliding_window_view(np.concatenate([none, symbols[0]]), LONGEST)
    return fitted.mixed(softmax(logits), before)


def _rebuilt(artifact: Artifact) -> FittedSymbols:
    """Return the fitted state of a saved model."""
    meta = stored_meta(StoredSymbols, artifact.meta)
    settings = section_from(NextSymbolSettings, artifact.config)
    symbols = Symbols(tuple(meta.symbols))
    piece = artifact.golden["input"]
    check_array("the golden piece", piece, (1, meta.length), "int32")
    if ((piece < 0) | (piece >= symbols.num_codes)).any():
        raise ValueError("the golden piece has symbols out of range")
    ngrams = NGrams.from_state(symbols.num_codes, artifact.state)
    check_counts(ngrams)
    check_names(artifact.state, set(ngrams.to_state()), "state.safetensors")
    make = symbol_maker(settings.model, symbols.num_codes)
    return FittedSymbols(
        settings=settings,
        symbols=symbols,
        network=network_in(meta.network, artifact.weights, make),
        length=meta.length,
        loss=tuple(meta.loss),
        val_loss=tuple(meta.val_loss),
        ngrams=ngrams,
        weights=meta.weights,
    )


def _golden_piece(num_codes: int, length: int) -> NDArray[np.int32]:
    """Return (1, T) seeded random symbols."""
    draw = np.random.default_rng(20140603)
    return draw.integers(0, num_codes, (1, length)).astype(np.int32)


def _logits(fitted: FittedSymbols, symbols: NDArray[Any], *, metered: bool = False) -> FloatArray:
    """Return the (T, V) logits of a (1, T) piece after the first state."""
    config = fitted.settings.model
    states = first_states(config)
    return read_on(fitted.network, config, symbols[0], states, metered=metered)[0]
