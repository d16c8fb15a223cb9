"""Files have the modes that the umask of the user says."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from operating import FIT, QUICK, forked, make_state

COMMANDS = {
    "fit": (*FIT, "--out=out"),
    "backtest": ("backtest", "sales.csv", "--horizon=3", *QUICK, "--out=out", "--num-windows=3"),
    "update": ("update", "run", "newer.csv"),
    "predict": ("predict", "run", "--output=out.csv"),
    "split": ("split", "sales.csv", "--parts=2", "--output=out"),
    "report": ("report", "run", "--out=out.html"),
}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return make_state(tmp_path / "state")


@pytest.mark.parametrize("mask", [0o077, 0o022, 0o000], ids=["077", "022", "000"])
def test_modes_are_those_of_the_umask(state: Path, mask: int) -> None:
    before = {path: path.stat().st_mtime_ns for path in state.rglob("*")}
    for name, words in COMMANDS.items():
        ended = forked(words, state, lambda: os.umask(mask) and None)
        assert ended.code == 0, f"{name}: {ended.said}"
        if name in ("fit", "backtest", "split"):
            (state / "out").rename(state / f"out-{name}")
    written = [path for path in state.rglob("*") if path.stat().st_mtime_ns != before.get(path)]
    assert len([path for path in written if path.is_file()]) > 30
    wrong = {}
    for path in written:
        if path.is_dir() and path in before:
            continue  # it was there, and has other files now
        usual = 0o777 if path.is_dir() else 0o666
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode != usual & ~mask:
            wrong[path.relative_to(state).as_posix()] = oct(mode)
    assert not wrong
