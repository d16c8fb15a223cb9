"""The fitted state of a model of the next symbol, as a saved model and back."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast.classification.ngrams import NGrams
from forecast.classification.symbol_learning import zero_states
from forecast.classification.symbol_rows import Symbols
from forecast.classification.symbol_settings import NextSymbolSettings
from forecast.forecasting.artifact import Artifact, load_artifact, save_artifact
from forecast.forecasting.golden import rebuild_checked
from forecast.forecasting.kinds import NEXT_SYMBOL, require_kind
from forecast.models.gru_next import build_gru_next
from forecast.section import section_from

if TYPE_CHECKING:
    import keras

Arrays = dict[str, NDArray[Any]]

GOLDEN_TOLERANCE = 1e-3
"""Of logits; other processors may round differently, a wrong weight moves them far more."""


@dataclass(frozen=True, eq=False)
class FittedSymbols:
    """A trained network for the next symbol.

    Attributes:
        settings: the settings.
        symbols: what the codes stand for.
        model: the network.
        loss: training loss of each pass, in nats per symbol.
        val_loss: validation loss of each pass.
        ngrams: the baselines.
    """

    settings: NextSymbolSettings
    symbols: Symbols
    model: keras.Model
    loss: tuple[float, ...]
    val_loss: tuple[float, ...]
    ngrams: NGrams


def save_symbols(fitted: FittedSymbols, path: Path) -> None:
    """Write a trained model to a folder, atomically.

    Raises:
        OutputError: the folder has files other than those of a saved model.
    """
    weights = {
        f"{number:03d}/{variable.path}": np.asarray(variable)
        for number, variable in enumerate(fitted.model.weights)
    }
    inputs = _golden_piece(fitted.symbols.num_codes, fitted.model.inputs[0].shape[1])
    meta = {
        "kind": NEXT_SYMBOL,
        "symbols": list(fitted.symbols.names),
        "length": int(fitted.model.inputs[0].shape[1]),
        "loss": list(fitted.loss),
        "val_loss": list(fitted.val_loss),
    }
    golden = {"input": inputs, "output": _logits(fitted.model, fitted.settings, inputs)}
    config = fitted.settings.model_dump(mode="json")
    state = fitted.ngrams.to_state()
    save_artifact(path, Artifact(config, meta, weights, state, golden))


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
    output = _logits(fitted.model, fitted.settings, artifact.golden["input"])
    return float(np.max(np.abs(output - artifact.golden["output"])))


def _rebuilt(artifact: Artifact) -> FittedSymbols:
    """Return the fitted state of a saved model."""
    from forecast.layers.runtime import build_apart

    settings = section_from(NextSymbolSettings, artifact.config)
    symbols = Symbols(tuple(artifact.meta["symbols"]))
    make = partial(build_gru_next, settings.model, symbols.num_codes, int(artifact.meta["length"]))
    model = build_apart(make, seed=0)
    names = [f"{number:03d}/{one.path}" for number, one in enumerate(model.weights)]
    model.set_weights([artifact.weights[name] for name in names])
    return FittedSymbols(
        settings=settings,
        symbols=symbols,
        model=model,
        loss=tuple(artifact.meta["loss"]),
        val_loss=tuple(artifact.meta["val_loss"]),
        ngrams=NGrams.from_state(symbols.num_codes, artifact.state),
    )


def _golden_piece(num_codes: int, length: int) -> NDArray[np.int32]:
    """Return (1, T) seeded random symbols."""
    draw = np.random.default_rng(20140603)
    return draw.integers(0, num_codes, (1, length)).astype(np.int32)


def _logits(
    model: keras.Model, settings: NextSymbolSettings, symbols: NDArray[Any]
) -> NDArray[np.float32]:
    """Return the (1, T, V) logits after the first state."""
    logits, *_ = model([symbols, *zero_states(settings.model, 1)], training=False)
    return np.asarray(logits)
