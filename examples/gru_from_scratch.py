"""A gated recurrent unit from scratch: equations, training, and the use of a second direction.

An essay in code, to be read from top to bottom. It writes the equations of the GRU in NumPy and
holds them against the layer of the package, trains that layer on a simulated sequence, and then
asks when it pays to read backwards as well.

.venv/bin/python examples/gru_from_scratch.py [FOLDER]

The pictures go to FOLDER, `runs/gru` if left out. It takes some twenty seconds on two cores.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from forecast import make_windows
from forecast.report.plots import save_figure
from forecast.report.plots.style import (
    ACCENT,
    BASELINES,
    INK,
    MODEL,
    MUTED,
    dress,
    label_ends,
    new_figure,
    write_finding,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Array = NDArray[Any]
Windows = tuple[Array, Array]
Errors = dict[str, list[tuple[float, float]]]

# %% 1. The equations
#
# A recurrent network reads a sequence step by step and carries a state h from one step to the next.
# A simple one replaces the whole state at every step, so that what it read long ago is soon washed
# out. The gated recurrent unit of Cho et al. (2014, arXiv 1406.1078, equations 5 to 8) decides for
# every unit how much of it to replace:
#
#     z = sigmoid(x W_z + h U_z + b_z)            update gate: 1 keeps the old state, 0 takes the
# candidate
#     r = sigmoid(x W_r + h U_r + b_r)            reset gate: 0 lets the candidate forget the old
# state
#     candidate = tanh(x W + (r * h) U + b)
#     h_new = z * h + (1 - z) * candidate
#
# Where z stays near 1 a unit keeps its value for as long as it likes, and the gradient flows back
# through the same product without shrinking. That is all the memory there is.
#
# cuDNN, and with it Keras, moved one thing: the reset gate acts after the product with U, not
# before it,
#
#     candidate = tanh(x W + b + r * (h U + c)),
#
# so that all three products with h are one. It costs a second bias c. Both are below. The columns
# of the kernels stand in the order z, r, candidate, as Keras stores them.


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)), from tanh, which never overflows."""
    return 0.5 * (1.0 + np.tanh(0.5 * x))


def gru_as_published(sequence: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """The GRU of Cho et al. 2014.

    Args:
        sequence: (B, L, C).
        kernel: (C, 3U), W.
        recurrent: (U, 3U), U.
        bias: (3U,), b.

    Returns:
        (B, U), the state after the last step; the one before the first step is 0.
    """
    units = len(recurrent)
    h = np.zeros((len(sequence), units))
    for x in np.moveaxis(sequence, 1, 0):
        from_x = x @ kernel + bias
        gates = sigmoid(from_x[:, : 2 * units] + h @ recurrent[:, : 2 * units])
        z, r = gates[:, :units], gates[:, units:]
        candidate = np.tanh(from_x[:, 2 * units :] + (r * h) @ recurrent[:, 2 * units :])
        h = z * h + (1 - z) * candidate
    return h


def gru_reset_after(sequence: Array, kernel: Array, recurrent: Array, bias: Array) -> Array:
    """GRU of cuDNN and Keras: as `gru_as_published`, with the bias (2, 3U), the rows b and c."""
    h = np.zeros((len(sequence), len(recurrent)))
    for x in np.moveaxis(sequence, 1, 0):
        x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3, axis=1)
        h_z, h_r, h_h = np.split(h @ recurrent + bias[1], 3, axis=1)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        candidate = np.tanh(x_h + r * h_h)
        h = z * h + (1 - z) * candidate
    return h


# The proof: the layer of the package and the lines above are given the same weights and the same
# sequences. The biases of a new layer are 0, which would hide a bias that is added in the wrong
# place, so all weights are drawn at random. The layer works in float32, NumPy here in float64; what
# remains between them is rounding.


def largest_difference(*, reset_after: bool, units: int = 16, seed: int = 0) -> float:
    """Largest absolute difference between the layer's last state and that of the equations."""
    from forecast.layers.recurrent import GRU

    generator = np.random.default_rng(seed)
    sequence = generator.normal(size=(8, 50, 3)).astype(np.float32)
    layer = GRU(units, reset_after=reset_after)
    layer.build(sequence.shape)
    weights = [
        generator.normal(0, 0.4, weight.shape).astype(np.float32) for weight in layer.get_weights()
    ]
    layer.set_weights(weights)
    equations = gru_reset_after if reset_after else gru_as_published
    return float(np.abs(np.asarray(layer(sequence)) - equations(sequence, *weights)).max())


# %% 2. A sequence, and windows of it
#
# Two sine waves, of 24 and of 57 steps, with noise of standard deviation 0.2 on top. Nobody can
# forecast the noise, so the mean squared error of the best possible forecast is 0.04; that is the
# floor. A forecast that repeats the last value is the bar: a network that does not pass it has
# learned nothing.
#
# A network learns from windows: 48 steps to read, 12 to forecast. The sequence is cut in time
# before the windows are made, so that no window of the later part shares a step with one of the
# earlier part.

NOISE, CONTEXT, HORIZON = 0.2, 48, 12


def waves(steps: Array) -> Array:
    """The predictable component of the sequence."""
    return np.sin(2 * np.pi * steps / 24) + 0.6 * np.sin(2 * np.pi * steps / 57 + 1)


def sequence_parts(seed: int = 0) -> tuple[Array, Array]:
    """Return a sequence of 1,600 steps: (1200, 1) to train on and (400, 1) to test on."""
    steps = np.arange(1600)
    noise = np.random.default_rng(seed).normal(0, NOISE, len(steps))
    values = (waves(steps) + noise)[:, None].astype(np.float32)
    return values[:1200], values[1200:]


# %% 3. Training
#
# The last state of the GRU has read the whole window; one dense layer turns it into twelve numbers.
# Adam follows the gradient of the squared error. The windows are shuffled anew in every epoch.


def windows_of(values: Array) -> Windows:
    """Return all windows of a set: past (B, L, 1) and ahead (B, H)."""
    past, ahead = make_windows(values, context_length=CONTEXT, horizon=HORIZON)
    return past, ahead[:, :, 0]


def train(
    training: Windows, test: Windows, *, both: bool = False, epochs: int, seed: int = 0
) -> tuple[Any, list[float]]:
    """Train a GRU in one direction, or of as many weights in both directions.

    Args:
        training: windows to learn from.
        test: windows to evaluate on.
        both: whether it reads the windows backwards as well.
        epochs: passes over the windows.
        seed: of the first weights and of the order of the windows.

    Returns:
        The `keras.Model`, and its mean squared error on `test`: before training, and after every
        epoch.
    """
    import keras
    import tensorflow as tf

    from forecast.layers.recurrent import GRU, Bidirectional

    keras.utils.set_random_seed(seed)
    reader = Bidirectional(GRU(16)) if both else GRU(24)
    model = keras.Sequential(
        [keras.Input(training[0].shape[1:]), reader, keras.layers.Dense(training[1].shape[1])]
    )
    model.compile(keras.optimizers.Adam(5e-3), loss="mse", steps_per_execution=8)
    rows = tf.data.Dataset.from_tensor_slices(training)
    rows = rows.shuffle(len(training[0]), seed=seed).batch(32)
    before = model.evaluate(*test, batch_size=512, verbose=0)
    history = model.fit(
        rows,
        epochs=epochs,
        verbose=0,
        validation_data=test,
        validation_batch_size=512,
        shuffle=False,  # `rows` does that by itself
    )
    return model, [before, *history.history["val_loss"]]


def error_of_last_value(windows: Windows) -> float:
    """Mean squared error of the forecast that repeats the last value of the window."""
    past, ahead = windows
    return float(np.mean((ahead - past[:, -1]) ** 2))


def draw_loss(losses: list[float], bar: float) -> Figure:
    """The error after every epoch, beside the bar and the floor."""
    figure = new_figure((8.0, 4.2))
    write_finding(figure, "The GRU leaves the last value far behind")
    axes = figure.add_subplot()
    epochs = np.arange(len(losses))
    axes.plot(epochs, losses, color=MODEL, linewidth=1.8, marker="o", markersize=3)
    axes.axhline(bar, color=BASELINES["last_value"], linewidth=1.4)
    axes.axhline(NOISE**2, color=MUTED, linewidth=1.4, linestyle=(0, (4, 2)))
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter("{x:g}")
    dress(axes, x="epoch", y="mean squared error on steps not learned from")
    axes.set_xlim(0, len(losses) - 1)
    ends = [
        ("GRU", losses[-1], MODEL),
        ("last value", bar, BASELINES["last_value"]),
        ("noise", NOISE**2, MUTED),
    ]
    label_ends(axes, len(losses) - 1, ends, bold="GRU")
    return figure


def draw_forecasts(model: Any, values: Array, shown: int = 240) -> Figure:
    """Draw forecasts of 12 steps, made every 12 steps, over the actual values."""
    past, _ = windows_of(values)
    forecasts = model.predict(past[:shown:HORIZON], verbose=0)
    steps = CONTEXT + np.arange(shown)
    figure = new_figure((9.0, 4.2))
    write_finding(
        figure,
        f"{len(forecasts)} forecasts of {HORIZON} steps, one after another, on steps not learned "
        f"from",
    )
    axes = figure.add_subplot()
    axes.plot(steps, values[steps, 0], ".", color=MUTED, markersize=4, label="observed")
    axes.plot(steps, waves(1200 + steps), color=INK, linewidth=1.0, label="without the noise")
    for place, forecast in enumerate(forecasts):
        own = steps[HORIZON * place : HORIZON * (place + 1)]
        axes.plot(own, forecast, color=MODEL, linewidth=2.0, label="" if place else "GRU")
    dress(axes, x="step of the test set", y="value")
    axes.legend(
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        ncols=3,
        loc="upper left",
        bbox_to_anchor=(0, 1.1),
    )
    return figure


# %% 4. One direction or two
#
# A bidirectional network (Schuster, Paliwal 1997) reads the window twice, from the oldest step to
# the newest and back, and joins both last states. It looks into no future: all it reads is in the
# window. What it gains is another end. The state that reads forward has the newest steps fresh in
# mind, the one that reads backwards the oldest.
#
# So it should help where the oldest steps decide, and cost something where the newest do: with as
# many weights in all, each direction has fewer units. Two tasks show both ends. A window holds 32
# independent random numbers, and the four steps to forecast repeat
#
#   - its last four: as where today is like yesterday;
#   - its first four: as where a season is exactly as long as the window.
#
# To forecast the first four a forward GRU must carry them through 28 steps of noise, and learn that
# from a gradient which at first hardly reaches them. Read backwards, the task is the other one.
# Sutskever et al. (2014, arXiv 1409.3215) found the same in translation: turned round, the source
# sentence has its first words near the output.
#
# The third task is the sequence of above, where both ends of the window tell of the same waves.


def echoes(of: str, count: int, seed: int) -> Windows:
    """Windows of 32 random numbers, and the first or the last four of them again."""
    past = np.random.default_rng(seed).normal(size=(count, 32, 1)).astype(np.float32)
    return past, past[:, :4, 0] if of == "oldest" else past[:, -4:, 0]


def compare_directions(of: str, seed: int) -> tuple[float, float]:
    """Return the test error (MSE) with one direction and with two; that of the mean is 1."""
    training = echoes(of, 3200, seed)
    test = echoes(of, 1000, 1000 + seed)
    errors = []
    for both in (False, True):
        _, losses = train(training, test, both=both, epochs=4, seed=seed)
        errors.append(losses[-1])
    return errors[0], errors[1]


def draw_directions(errors: Errors) -> Figure:
    """One row per task: the errors with one direction and with two."""
    figure = new_figure((8.6, 3.4))
    write_finding(figure, "Reading backwards helps where the oldest steps of the window decide")
    axes = figure.add_subplot()
    for row, pairs in enumerate(errors.values()):
        for column, (name, colour) in enumerate(
            (("one direction", MUTED), ("two directions", ACCENT))
        ):
            values, label = [pair[column] for pair in pairs], "" if row else name
            axes.plot(
                values,
                [-row] * len(values),
                "o",
                color=colour,
                markersize=7,
                alpha=0.85,
                label=label,
            )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    dress(axes, x="mean squared error on windows not learned from, one dot per seed")
    axes.set_yticks([-row for row in range(len(errors))], list(errors))
    axes.set_ylim(0.5 - len(errors), 0.5)
    axes.legend(
        frameon=False,
        fontsize=9,
        labelcolor=INK,
        ncols=2,
        loc="upper left",
        bbox_to_anchor=(0, 1.14),
    )
    return figure


# %% 5. All together
#
# What comes out: the layer does what the equations say. The GRU passes the bar by far. Where the
# oldest steps decide, one direction has learned nothing in four epochs and two have learned nearly
# all; where the newest do, two are somewhat worse. On the waves, in so short a training, two
# directions get further.
#
# Made-up tasks show what is possible, not what is usual. On real series, at equal numbers of
# weights, the second direction has brought nothing so far: docs/cells.md has the measurements.
# `model.bidirectional` is one setting, and the validation rows of your own data know the answer.


def main(folder: str = "runs/gru") -> Errors:
    """Run all of it: print the figures, write the pictures."""
    for reset_after, name in ((False, "as published"), (True, "reset after, as in cuDNN")):
        print(
            f"largest difference to the layer, {name}: "
            f"{largest_difference(reset_after=reset_after):.0e}"
        )
    training, test = sequence_parts()
    training_windows = windows_of(training)
    test_windows = windows_of(test)
    model, losses = train(training_windows, test_windows, epochs=15)
    bar = error_of_last_value(test_windows)
    print(
        f"waves: mean squared error {losses[-1]:.3f}; last value {bar:.3f}; noise alone "
        f"{NOISE**2:.3f}"
    )
    save_figure(draw_loss(losses, bar), Path(folder, "loss.png"))
    save_figure(draw_forecasts(model, test), Path(folder, "forecasts.png"))

    errors = {
        f"the {of} steps decide": [compare_directions(of, seed) for seed in (0, 1)]
        for of in ("newest", "oldest")
    }
    errors["waves, at both ends"] = [
        (losses[-1], train(training_windows, test_windows, both=True, epochs=15)[1][-1])
    ]
    for task, pairs in errors.items():
        shown = "; ".join(f"{one:.4f} with one direction, {two:.4f} with two" for one, two in pairs)
        print(f"{task}: {shown}")
    save_figure(draw_directions(errors), Path(folder, "directions.png"))
    return errors


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit("usage: examples/gru_from_scratch.py [FOLDER]")
    main(*sys.argv[1:])
