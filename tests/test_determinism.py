"""Same seed, same bits: in every process, with one thread and with two."""

from __future__ import annotations

import json
from typing import Any

import pytest
from test_resume import run_process


def bits_of(**options: Any) -> str:
    process = run_process(**options)
    output, _ = process.communicate(timeout=110)
    assert process.returncode == 0
    return output.split()[-1]


def test_processes_and_thread_counts_give_the_same_bits() -> None:
    assert bits_of(threads=1) == bits_of(threads=2)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "model",
    [
        {"units": 64, "num_layers": 2},
        {"units": 200, "attention": "dot"},
        {"cell": "lstm", "units": 33},
        {"cell": "rnn", "decoder": "direct", "units": 64},
    ],
    ids=json.dumps,
)
def test_other_models_give_the_same_bits(model: dict[str, Any]) -> None:
    assert len({bits_of(threads=threads, model=model) for threads in (1, 2, 4)}) == 1


def test_another_seed_gives_other_bits() -> None:
    """The hash is no constant: see that it moves."""
    assert bits_of(threads=1, model={"units": 23}) != bits_of(threads=1)
