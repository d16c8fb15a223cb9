"""`forecast symbols`: from a text or a table to a run folder, and on from a prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from forecast import NextSymbol, SymbolResult
from forecast.classification.counts.ngrams import NGrams, contexts_in
from forecast.cli.entry import main
from forecast.runs.symbol_run import SYMBOL_RUN

QUICK = ["--set", "training.epochs=3", "--set", "model.units=8", "--set", "training.length=16"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a text, a table of symbols, and the run of the text."""
    folder = tmp_path_factory.mktemp("symbols")
    (folder / "poem.txt").write_text("the rose is red, the violet blue\n" * 60)
    states = pd.DataFrame({"id": 1, "symbol": ["run", "run", "idle"] * 100})
    states.to_csv(folder / "states.csv", index=False)
    run = str(folder / "run")
    assert main(["symbols", "fit", str(folder / "poem.txt"), "--out", run, *QUICK]) == 0
    return folder


def test_a_run_has_its_files_and_every_baseline(place: Path) -> None:
    found = {str(path.relative_to(place / "run")) for path in (place / "run").rglob("*")}
    assert set(SYMBOL_RUN.files) - {"model.sig"} <= found
    scores = pd.read_csv(place / "run" / "scores.csv", index_col="model")
    names = ["gru_next", *(f"after the last {n}" for n in (3, 2, 1)), "frequencies"]
    assert scores.drop(index="network").index.tolist() == [*names, "the last once more"]
    assert scores.notna().all(axis=None)
    np.testing.assert_allclose(scores["perplexity"], 2 ** scores["bits"])
    page = (place / "run" / "report.html").read_text("utf-8")
    assert "bits per symbol" in page
    assert str(place) not in page


def test_it_is_evaluated_and_goes_on(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main(["symbols", "evaluate", str(place / "run"), str(place / "poem.txt")]) == 0
    assert "the best baseline (after the last" in capsys.readouterr().out
    command = ["symbols", "generate", str(place / "run"), "--prompt", "the ", "--length", "9"]
    assert main([*command, "--temperature", "0"]) == 0
    printed = capsys.readouterr().out
    expected = NextSymbol.load(place / "run" / "model").generate("the ", 9, temperature=0.0)
    assert printed.rstrip("\n") == ("the " + "".join(expected)).rstrip("\n")


def test_states_are_symbols_too(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(place / "states")
    assert main(["symbols", "fit", str(place / "states.csv"), "--out", out, *QUICK]) == 0
    capsys.readouterr()
    command = ["symbols", "generate", out, "--symbols", "run", "run", "--length", "2"]
    assert main(command) == 0
    words = capsys.readouterr().out.split()
    assert words[:2] == ["run", "run"]
    assert len(words) == 4


def test_the_last_once_more_has_probabilities() -> None:
    draw = np.random.default_rng(0)
    stays = draw.random(4000) < 0.7
    states = np.zeros(4000, int)
    for step in range(1, 4000):
        states[step] = states[step - 1] if stays[step] else draw.integers(0, 3)
    stream = (states + 2).astype(np.int32)
    shares = NGrams.fit(stream, 5).of_truth(contexts_in(stream), stream[3:])[-1]
    assert len(shares) == len(stream) - 3
    # a stay has 0.8 of the symbols; each of two others about half of the rest
    same = stream[3:] == stream[2:-1]
    assert np.unique(shares[same]).round(2).tolist() == [0.8]
    assert np.abs(shares[~same] - 0.1).max() < 0.02


def test_the_verdict_knows_what_is_better() -> None:
    draw = np.random.default_rng(0)
    good = np.clip(draw.normal(0.6, 0.1, 2000), 0.1, 0.9)
    hits = dict.fromkeys(("gru_next", "frequencies"), good > 0.5)
    better = SymbolResult({"gru_next": good, "frequencies": good / 2}, hits)
    assert "gru_next is better than the best baseline (frequencies)" in better.verdict()
    worse = SymbolResult({"gru_next": good / 2, "frequencies": good}, hits)
    assert "is worse than" in worse.verdict()
    as_good = SymbolResult({"gru_next": 0.9999 * good, "frequencies": good}, hits)
    assert "cannot be told apart from" in as_good.verdict()
    noise = SymbolResult({"gru_next": good, "frequencies": draw.permutation(good)}, hits)
    assert "cannot be told apart from" in noise.verdict()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["generate", "RUN", "--prompt", ""], "the prompt is empty"),
        (["generate", "RUN", "--prompt", "ЖЖ"], "training had none of it"),
        (["generate", "RUN", "--prompt", "a", "--temperature", "-1"], "temperature is -1.0"),
        (["evaluate", "RUN", "missing.txt"], "cannot be read"),
        (["fit", "POEM", "--symbol", "x", "--set", "training.epochs=0"], "training.epochs is 0"),
        (["fit", "STATES", "--symbol", "x"], "there is no column 'x' for the symbols"),
        (["generate", ".", "--prompt", "a"], "has no saved model"),
    ],
)
def test_what_is_wrong_is_one_line(
    words: list[str], message: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"RUN": "run", "POEM": "poem.txt", "STATES": "states.csv"}
    named = [str(place / names[word]) if word in names else word for word in words]
    out = place / "nothing"
    if words[0] == "fit":
        named += ["--out", str(out)]
    assert main(["symbols", *named]) == 2
    printed = capsys.readouterr().err.strip()
    assert message in printed
    assert "\n" not in printed
    assert not out.exists()
