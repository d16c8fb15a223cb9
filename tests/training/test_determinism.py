"""Same seed, same bits: in every process, with one thread and with two."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from training.test_resume import environment, run_process
from training_process import bits, random_model, train_once

from forecast.scores.history import History

FULL = {"cell": "gru", "bidirectional": True, "attention": "additive"}


def bits_of(**options: Any) -> str:
    process = run_process(**options)
    output, _ = process.communicate(timeout=110)
    assert process.returncode == 0
    return output.split()[-1]


@pytest.fixture(scope="module")
def here() -> str:
    """What training gives in this process."""
    model = random_model(**FULL)
    return bits(model, train_once(model).history)


def test_another_process_with_one_thread_gives_the_same_bits(here: str) -> None:
    assert here == bits_of(threads=1, model=FULL)
    assert here != bits(random_model(**FULL), History((), (), (), (), 0)), "not trained"


@pytest.mark.proof
def test_another_process_with_two_threads_gives_the_same_bits(here: str) -> None:
    assert here == bits_of(threads=2, model=FULL)


@pytest.mark.proof
def test_compiled_training_gives_the_same_bits_with_any_number_of_threads() -> None:
    model = {"cell": "gru", "bidirectional": True, "recurrent_dropout": 0.0}
    assert bits_of(threads=1, model=model, jit="on") == bits_of(threads=2, model=model, jit="on")


@pytest.mark.proof
def test_the_first_model_of_a_process_is_like_the_second() -> None:
    """Building the first one imports TensorFlow, which uses up random numbers."""
    code = (
        "from training_process import np, random_model;"
        "first, second = ([np.asarray(one) for one in random_model().variables] for _ in range(2));"
        "assert all(map(np.array_equal, first, second))"
    )
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True, timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "model",
    [
        {**FULL, "units": 64, "num_layers": 2, "decoder": "direct"},
        {**FULL, "units": 200, "attention": "dot"},
        {**FULL, "cell": "lstm", "units": 33},
        {"units": 64},
    ],
    ids=json.dumps,
)
def test_other_models_give_the_same_bits(model: dict[str, Any]) -> None:
    one, two, default = ({"threads": 1}, {"threads": 2}, {})
    for jit in ("on", "off"):
        assert (
            len(
                {
                    bits_of(model=model, jit=jit, **threads)
                    for threads in (one, two, default, default)
                }
            )
            == 1
        )
