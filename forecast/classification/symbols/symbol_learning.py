"""Training of a network for the next symbol, on all positions at once."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

import numpy as np
from numpy.typing import NDArray

from forecast.axes import IntArray
from forecast.classification.symbols.symbol_settings import NextSymbolSettings, SymbolTraining
from forecast.models.gru_next import GRUNextConfig, build_gru_next, state_widths

if TYPE_CHECKING:
    import keras

Codes = NDArray[np.int32]

SMALLEST_RATE = 0.01
"""Last learning rate, as a fraction of the first."""

LEAST_PROBABILITY = 1e-15
"""Probabilities are at least this in logarithms."""


@dataclass(frozen=True, eq=False)
class LearnedSymbols:
    """A trained network.

    Attributes:
        model: with the weights of its best pass, for pieces of `SymbolTraining.length` steps.
        loss: training loss of each pass, in nats per symbol.
        val_loss: validation loss of each pass.
    """

    model: keras.Model
    loss: tuple[float, ...]
    val_loss: tuple[float, ...]


def learn_symbols(
    settings: NextSymbolSettings, training: Codes, validation: Codes, num_codes: int
) -> LearnedSymbols:
    """Train.

    The stream of symbols is cut into `batch_size` parts that are read side by side, piece by piece;
    the state at the end of a piece is where the next begins.

    Args:
        settings: the settings.
        training: (R,) codes.
        validation: (R,) codes.
        num_codes: V.
    """
    import keras

    from forecast.layers.runtime import build_apart

    given = _fitting(settings.training, len(training))
    make = partial(build_gru_next, settings.model, num_codes, given.length)
    model = build_apart(make, seed=given.seed)
    optimizer = keras.optimizers.Adam(given.learning_rate, global_clipnorm=given.clip_norm)
    step = _make_step(model, optimizer)
    clock = _Clock(given, given.epochs * _pieces_in(len(training), given))

    losses: list[float] = []
    val_losses: list[float] = []
    best = model.get_weights()
    for epoch in range(given.epochs):
        states = zero_states(settings.model, given.batch_size)
        sums = []
        for piece in _pieces(training, given, epoch):
            optimizer.learning_rate.assign(given.learning_rate * clock.fall())
            loss, *states = step(piece, *states)
            sums.append(loss)
            clock.steps += 1
            if clock.is_over:
                break
        losses.append(float(np.mean([float(loss) for loss in sums])))
        val_losses.append(side_by_side(model, settings.model, validation, given.batch_size))
        if val_losses[-1] == min(val_losses):
            best = model.get_weights()
        late = epoch - int(np.argmin(val_losses))
        if clock.is_over or (given.patience is not None and late >= given.patience):
            break
    model.set_weights(best)
    return LearnedSymbols(model, tuple(losses), tuple(val_losses))


@dataclass
class _Clock:
    """Progress of a training, by its steps or by its time.

    Attributes:
        given: the settings.
        num_steps: of all epochs.
        steps: taken so far.
    """

    given: SymbolTraining
    num_steps: int
    steps: int = 0

    def __post_init__(self) -> None:
        """Begin now."""
        self._started = time.monotonic()

    @property
    def spent(self) -> float:
        """Share of the steps, or of the time where that is larger."""
        share = self.steps / self.num_steps
        if self.given.seconds is not None:
            share = max(share, (time.monotonic() - self._started) / self.given.seconds)
        return share

    @property
    def is_over(self) -> bool:
        """Whether the time is over."""
        return self.given.seconds is not None and self.spent >= 1.0

    def fall(self) -> float:
        """Return the factor of the learning rate: half a cosine from 1 to `SMALLEST_RATE`."""
        half = 0.5 * (1 + math.cos(math.pi * min(1.0, self.spent)))
        return SMALLEST_RATE + (1 - SMALLEST_RATE) * half


def _fitting(given: SymbolTraining, num_symbols: int) -> SymbolTraining:
    """Return the settings with shorter and fewer pieces where there are few symbols."""
    length = min(given.length, num_symbols - 1)
    batch_size = max(1, min(given.batch_size, (num_symbols - 1) // length))
    return given.model_copy(update={"length": length, "batch_size": batch_size})


def _pieces_in(num_symbols: int, given: SymbolTraining) -> int:
    """Return the number of pieces of a pass."""
    return max(1, (num_symbols - 1) // (given.batch_size * given.length))


def _pieces(stream: Codes, given: SymbolTraining, epoch: int) -> Iterator[Codes]:
    """Yield (B, T + 1) pieces: T symbols to read, and their next ones.

    Each pass begins at another symbol, so that pieces are cut elsewhere.
    """
    number = _pieces_in(len(stream), given)
    used = number * given.batch_size * given.length
    room = len(stream) - 1 - used
    start = int(np.random.default_rng([given.seed, epoch]).integers(0, room + 1))
    per_part = number * given.length
    starts = start + per_part * np.arange(given.batch_size)
    for piece in range(number):
        at = starts[:, None] + piece * given.length + np.arange(given.length + 1)
        yield stream[at]


def _make_step(model: keras.Model, optimizer: keras.Optimizer) -> Callable[..., Any]:
    """Return the traced step: (piece, *states) -> loss in nats, states."""
    import tensorflow as tf

    @tf.function
    def step(piece: Any, *states: Any) -> Any:
        with tf.GradientTape() as tape:
            logits, *after = model([piece[:, :-1], *states], training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(piece[:, 1:], logits)
            loss = tf.reduce_mean(losses)
            total = tf.add_n([loss, *model.losses])  # with the penalties of `model.l2`
        gradients = tape.gradient(total, model.trainable_variables)
        optimizer.apply(gradients, model.trainable_variables)
        return [loss, *after]

    return step


def zero_states(config: GRUNextConfig, batch_size: int) -> list[NDArray[np.float32]]:
    """Return the (B, U) states before the first symbol."""
    return [np.zeros((batch_size, units), np.float32) for units in state_widths(config)]


def nats(of_truth: NDArray[np.float64]) -> float:
    """Return the mean of -log(probability of the symbol that came)."""
    return float(-np.mean(np.log(np.maximum(of_truth, LEAST_PROBABILITY))))


def side_by_side(model: keras.Model, config: GRUNextConfig, stream: Codes, num_parts: int) -> float:
    """Return the loss in nats per symbol of a stream that is read in parts side by side.

    Each part begins with the state zero: many times quicker than one symbol after another, and a
    little too high.

    Args:
        model: of `build_gru_next`.
        config: its settings.
        stream: (R,) codes.
        num_parts: at most.
    """
    length = model.inputs[0].shape[1]
    num_steps = len(stream) - 1
    num_parts = max(1, min(num_parts, num_steps // length))
    per_part = math.ceil(num_steps / num_parts)
    states: list[Any] = list(zero_states(config, num_parts))
    shares = []
    for start in range(0, per_part, length):
        steps = np.arange(start, start + length)
        at = per_part * np.arange(num_parts)[:, None] + steps  # (parts, T)
        read = stream[np.minimum(at, num_steps - 1)]
        logits, *states = _forward(model)(read, *states)
        is_inside = (at < num_steps) & (steps < per_part)
        rows = np.asarray(logits, np.float64)[is_inside]
        shares.append(_share_of(rows, stream[at[is_inside] + 1]))
    return nats(np.concatenate(shares))


def _share_of(logits: NDArray[np.float64], codes: Codes) -> NDArray[np.float64]:
    """Return the (R,) probability of each code after (R, V) logits."""
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = raised[np.arange(len(codes)), codes] / raised.sum(axis=1)
    return shares


def log_shares(
    model: keras.Model, config: GRUNextConfig, stream: Codes
) -> tuple[NDArray[np.float64], IntArray]:
    """Return probability of each symbol but the first, and the most probable one in its place."""
    length = model.inputs[0].shape[1]
    states: list[Any] = list(zero_states(config, 1))
    shares = []
    guesses = []
    for start in range(0, len(stream) - 1, length):
        piece = stream[start : start + length + 1]
        num = len(piece) - 1
        read = np.zeros((1, length), np.int32)
        read[0, :num] = piece[:-1]
        logits, *states = _forward(model)(read, *states)
        rows = np.asarray(logits, np.float64)[0, :num]
        shares.append(_share_of(rows, piece[1:]))
        guesses.append(rows.argmax(axis=1))
    return np.concatenate(shares), np.concatenate(guesses).astype(np.int64)


def _forward(model: keras.Model) -> Callable[..., Any]:
    """Return the traced network, without dropout."""
    import tensorflow as tf

    if model not in _TRACED:
        own: Callable[[], Any] = ref(model)

        @tf.function
        def run(symbols: Any, *states: Any) -> Any:
            return own()([symbols, *states], training=False)

        _TRACED[model] = run
    return _TRACED[model]


_TRACED: WeakKeyDictionary[keras.Model, Callable[..., Any]] = WeakKeyDictionary()
"""Traced networks; each lives as long as its model."""
