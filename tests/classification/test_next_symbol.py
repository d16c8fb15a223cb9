"""`NextSymbol` on sources whose entropy is known, and its state carried over pieces."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import GRUNextConfig, NextSymbol, NextSymbolSettings
from forecast.classification.symbols.symbol_learning import (
    log_shares,
    nats,
    side_by_side,
    zero_states,
)
from forecast.classification.symbols.symbol_rows import (
    BOUNDARY,
    Symbols,
    read_symbols,
    split_symbols,
)
from forecast.classification.symbols.symbol_settings import SymbolData
from forecast.errors import ArtifactError, ConfigError, DataError, NotFittedError

QUICK = NextSymbolSettings(
    model={"units": 16, "embedding_width": 8, "dropout": 0.0},
    training={"epochs": 12, "batch_size": 8, "length": 16, "learning_rate": 0.01},
)
STAYS = 0.8
"""Chance that the chain goes on round its four states; otherwise it jumps to any of the others."""


def chain(num_steps: int = 6000, seed: int = 0) -> pd.DataFrame:
    """A Markov chain of four states with known entropy."""
    draw = np.random.default_rng(seed)
    jumps = np.where(draw.random(num_steps) < STAYS, 1, draw.integers(2, 5, num_steps))
    states = np.cumsum(jumps) % 4
    return pd.DataFrame({"id": "one", "symbol": np.array(["a", "b", "c", "d"])[states]})


ENTROPY = -(STAYS * np.log(STAYS) + (1 - STAYS) * np.log((1 - STAYS) / 3))
"""Nats per symbol of the chain; no prediction has less."""


@pytest.fixture(scope="module")
def fitted() -> NextSymbol:
    return NextSymbol(QUICK).fit(chain())


def test_a_chain_is_learned_up_to_its_entropy(fitted: NextSymbol) -> None:
    scores = fitted.scores(chain(3000, seed=7))
    assert abs(scores.loc["gru_next", "nats"] - ENTROPY) < 0.06
    assert abs(scores.loc["after the last 1", "nats"] - ENTROPY) < 0.06
    assert np.isclose(scores.loc["frequencies", "nats"], np.log(4), atol=0.02)
    assert np.isclose(scores.loc["gru_next", "perplexity"], np.exp(scores.loc["gru_next", "nats"]))
    assert abs(scores.loc["gru_next", "accuracy"] - STAYS) < 0.03
    assert scores.loc["the last once more", "accuracy"] < 0.15


def test_parts_side_by_side_are_judged_nearly_alike(fitted: NextSymbol) -> None:
    state = fitted.fitted
    stream = state.symbols.stream(read_symbols(chain(1003, seed=3), QUICK.data))
    exact = nats(log_shares(state.model, QUICK.model, stream)[0])
    assert np.isclose(side_by_side(state.model, QUICK.model, stream, 1), exact, rtol=1e-5)
    # the chain remembers its last state alone, which a part forgets once
    assert np.isclose(side_by_side(state.model, QUICK.model, stream, 8), exact, atol=0.02)
    # each part by itself: nothing is left out or counted twice
    parts = [stream[start : start + 127] for start in range(0, len(stream) - 1, 126)]
    alone = np.concatenate([log_shares(state.model, QUICK.model, part)[0] for part in parts])
    assert len(alone) == len(stream) - 1
    assert np.isclose(side_by_side(state.model, QUICK.model, stream, 8), nats(alone), rtol=1e-5)


def test_pieces_change_nothing(fitted: NextSymbol) -> None:
    state = fitted.fitted
    stream = state.symbols.stream(read_symbols(chain(70, seed=3), QUICK.data))
    shares, guesses = log_shares(state.model, QUICK.model, stream)
    # the whole stream in one piece
    from forecast.models.gru_next import build_gru_next

    whole = build_gru_next(QUICK.model, state.symbols.num_codes, len(stream) - 1)
    whole.set_weights(state.model.get_weights())
    logits, *_ = whole([stream[None, :-1], *zero_states(QUICK.model, 1)])
    logits = np.asarray(logits, np.float64)[0]
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, expected[np.arange(len(stream) - 1), stream[1:]], rtol=1e-4)
    assert (guesses == logits.argmax(axis=1)).all()


def test_later_symbols_change_nothing_before_them(fitted: NextSymbol) -> None:
    state = fitted.fitted
    stream = state.symbols.stream(read_symbols(chain(70, seed=3), QUICK.data))
    changed = stream.copy()
    changed[40:] = stream[40:][::-1]
    before = log_shares(state.model, QUICK.model, stream)[0]
    after = log_shares(state.model, QUICK.model, changed)[0]
    assert (before[:39] == after[:39]).all()
    assert (before[40:] != after[40:]).any()


def test_it_goes_on_from_a_prompt(fitted: NextSymbol) -> None:
    sure = fitted.generate(["a"], 8, temperature=0.0)
    assert sure == ["b", "c", "d", "a", "b", "c", "d", "a"]
    assert fitted.generate(["a"], 20, seed=1) == fitted.generate(["a"], 20, seed=1)
    assert fitted.generate(["a"], 20, seed=1) != fitted.generate(["a"], 20, seed=2)
    drawn = fitted.generate(["a"], 2000, seed=3)
    steps = np.diff(["abcd".index(symbol) for symbol in drawn]) % 4
    assert abs(np.mean(steps == 1) - STAYS) < 0.06


def test_saved_and_loaded_it_scores_the_same(fitted: NextSymbol, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    loaded = NextSymbol.load(tmp_path / "model")
    table = chain(200, seed=5)
    pd.testing.assert_frame_equal(loaded.scores(table), fitted.scores(table))
    assert loaded.generate(["a"], 9) == fitted.generate(["a"], 9)
    with pytest.raises(ConfigError, match="there are no validation symbols"):
        loaded.scores()


def test_a_damaged_model_is_refused(fitted: NextSymbol, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model")
    golden = tmp_path / "model" / "golden.safetensors"
    golden.write_bytes(golden.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(ArtifactError, match=r"golden\.safetensors"):
        NextSymbol.load(tmp_path / "model")


def test_a_text_is_split_at_its_end(tmp_path: Path) -> None:
    file = tmp_path / "play.txt"
    file.write_text("To be, or not to be" * 10)
    rows = read_symbols(file, SymbolData())
    assert "".join(rows.symbols) == file.read_text()
    training, validation = split_symbols(rows, 0.1, seed=0)
    assert "".join(training.symbols) + "".join(validation.symbols) == file.read_text()
    assert len(validation.symbols) == 19
    words = read_symbols(file, SymbolData(unit="words", lower_case=True))
    assert words.symbols[:3].tolist() == ["to", "be", ","]


def test_sequences_are_held_out_whole_and_have_ends() -> None:
    table = pd.DataFrame({"id": np.repeat(np.arange(10), 6), "symbol": list("abcdef") * 10})
    rows = read_symbols(table, SymbolData())
    training, validation = split_symbols(rows, 0.2, seed=0)
    assert sorted([*training.ids, *validation.ids]) == list(range(10))
    assert len(validation.ids) == 2
    symbols = Symbols.fit(training, 100)
    stream = symbols.stream(training)
    assert (stream == BOUNDARY).sum() == len(training.ids) + 1
    learned = NextSymbol(
        QUICK.model_copy(update={"training": QUICK.training.model_copy(update={"epochs": 60})})
    ).fit(table)
    assert "".join(learned.generate(["a"], 30, temperature=0.0)) == "bcdef"


@pytest.mark.parametrize("text", ["", "a"])
def test_too_short_a_text_is_one_line(tmp_path: Path, text: str) -> None:
    file = tmp_path / "short.txt"
    file.write_text(text)
    with pytest.raises(DataError) as caught:
        NextSymbol(QUICK).fit(file)
    assert "\n" not in str(caught.value)


def test_what_cannot_work_is_refused(fitted: NextSymbol) -> None:
    with pytest.raises(NotFittedError, match="call fit"):
        NextSymbol().generate("a", 1)
    with pytest.raises(ConfigError, match="temperature is -1; expected 0 or more"):
        fitted.generate(["a"], 1, temperature=-1)
    for temperature in (float("nan"), float("inf")):
        with pytest.raises(ConfigError, match=r"temperature is (nan|inf); expected 0 or more"):
            fitted.generate(["a"], 1, temperature=temperature)
    with pytest.raises(ConfigError, match="seed= is -1; expected a whole number of at least 0"):
        fitted.generate(["a"], 1, seed=-1)
    with pytest.raises(ConfigError, match="the prompt is empty"):
        fitted.generate([], 1)
    with pytest.raises(ConfigError, match="bidirectional is true; expected false"):
        GRUNextConfig(bidirectional=True)
