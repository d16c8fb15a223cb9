"""Training that was interrupted goes on as if nothing had happened, or says why it cannot."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import training_process
from safetensors.numpy import save
from training_process import bits, random_model, train_once

from forecast.errors import TrainingError
from forecast.training import EpochDone, StepDone
from forecast.training.checkpoint import load_checkpoint

SCRIPT = training_process.__file__
ROOT = Path(SCRIPT).parent.parent


class InterruptedTrainingError(Exception):
    """Stands for Ctrl-C."""


def interrupt_at(epoch: int, step: int | None) -> Any:
    """A listener that interrupts after a step, or after an epoch and before its checkpoint."""

    def listen(event: Any) -> None:
        here = (getattr(event, "epoch", None), event.step if isinstance(event, StepDone) else None)
        if here == (epoch, step):
            raise InterruptedTrainingError

    return listen


@pytest.fixture(scope="module")
def uninterrupted() -> str:
    model = random_model()
    return bits(model, train_once(model).history)


@pytest.fixture(scope="module")
def half_way(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint after two of four epochs."""
    path = tmp_path_factory.mktemp("half") / "checkpoint"
    with pytest.raises(InterruptedTrainingError):
        train_once(random_model(), checkpoint=path, reporter=interrupt_at(3, 1))
    return path


def test_interrupted_and_resumed_training_gives_the_same_bits(
    uninterrupted: str, tmp_path: Path
) -> None:
    path = tmp_path / "checkpoint"
    for epoch, step in (
        (1, 1),
        (2, 3),
        (3, None),
    ):  # before the first checkpoint, in an epoch, between two
        with pytest.raises(InterruptedTrainingError):
            train_once(
                random_model(), checkpoint=path, resume=True, reporter=interrupt_at(epoch, step)
            )
    model = random_model()
    heard: list[Any] = []
    result = train_once(model, checkpoint=path, resume=True, reporter=heard.append)
    assert [one.epoch for one in heard if isinstance(one, EpochDone)] == [3, 4]
    assert bits(model, result.history) == uninterrupted

    finished = random_model()
    result = train_once(finished, checkpoint=path, resume=True, reporter=heard.append)
    assert bits(finished, result.history) == uninterrupted
    assert [one.epoch for one in heard if isinstance(one, EpochDone)] == [3, 4]


def run_process(**options: Any) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, SCRIPT, json.dumps(options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )


def environment() -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


def kill_and_resume(path: Path, kills: int, seed: int) -> tuple[str, list[int]]:
    """Kill training at random moments after its start, then let it end; also the epochs each kill
    found done."""
    generator, found = random.Random(seed), []
    for _ in range(kills):
        process = run_process(checkpoint=str(path), resume=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        start = time.monotonic()
        done = found[-1] if found else 0
        # To the next checkpoint first, so that every kill loses an unfinished epoch and not the
        # start-up alone.
        while time.monotonic() - start < 60 and (
            not path.exists() or len(load_checkpoint(path).history.loss) <= done
        ):
            time.sleep(0.01)
        time.sleep(generator.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found.append(len(load_checkpoint(path).history.loss))
    process = run_process(checkpoint=str(path), resume=True)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    return output.split()[-1], found


@pytest.mark.proof
def test_killed_process_resumes_to_the_same_bits(uninterrupted: str, tmp_path: Path) -> None:
    result, found = kill_and_resume(tmp_path / "checkpoint", kills=1, seed=0)
    assert 1 <= found[0] <= 4
    assert result == uninterrupted


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(4))
def test_many_kills_resume_to_the_same_bits(uninterrupted: str, tmp_path: Path, seed: int) -> None:
    result, found = kill_and_resume(tmp_path / "checkpoint", kills=3, seed=seed)
    assert found == sorted(found)
    assert result == uninterrupted


def test_what_differs_is_named(half_way: Path) -> None:
    with pytest.raises(TrainingError, match=r"encoder_0\.dropout was 0\.2 and is 0\.3"):
        train_once(random_model(dropout=0.3), checkpoint=half_way, resume=True)
    with pytest.raises(TrainingError, match=r"operations of the model was \w+ and is \w+"):
        train_once(random_model(instance_norm="none"), checkpoint=half_way, resume=True)
    training, validation = training_process.sources()
    settings = training_process.TRAINING.model_copy(update={"seed": 4})
    with pytest.raises(
        TrainingError, match=r"training\.seed was 0 and is 4: restore what it was, or train again"
    ):
        training_process.train(
            random_model(), training, validation, settings, checkpoint=half_way, resume=True
        )
    training.target[17] += 1
    with pytest.raises(
        TrainingError, match=r"training windows was 100 windows, sha256 \w+ and is 100 windows"
    ):
        training_process.train(
            random_model(),
            training,
            validation,
            training_process.TRAINING,
            checkpoint=half_way,
            resume=True,
        )


def damaged_files(sound: bytes) -> dict[str, bytes]:
    generator = random.Random(0)
    files = {
        "empty": b"",
        "text": b"epoch: 3",
        "no metadata": save({"variable/0": np.zeros(3, np.float32)}),
    }
    files |= {
        f"cut at {length}": sound[:length]
        for length in (7, 9, 200, len(sound) // 2, len(sound) - 1)
    }
    files["longer"] = sound + b"x"
    for _ in range(40):
        place, flipped = generator.randrange(len(sound)), bytearray(sound)
        flipped[place] ^= 1 << generator.randrange(8)
        files[f"bit at {place}"] = bytes(flipped)
    header = 8 + int.from_bytes(sound[:8], "little")
    for place in range(8, header, 97):
        flipped = bytearray(sound)
        flipped[place] ^= 4
        files[f"header bit at {place}"] = bytes(flipped)
    return files


def test_a_damaged_checkpoint_is_one_clear_error(half_way: Path, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    for name, content in damaged_files(half_way.read_bytes()).items():
        path.write_bytes(content)
        with pytest.raises(
            TrainingError, match="is damaged or no checkpoint of this version"
        ) as raised:
            load_checkpoint(path)
        assert "\n" not in str(raised.value), name
    with pytest.raises(TrainingError, match="train again without resuming"):
        train_once(random_model(), checkpoint=path, resume=True)
