"""Networks of an ensemble in other processes: the bits of a training in one process."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cluster.cluster_kills import ENSEMBLE, run_files
from cluster.ray_cluster import local_cluster
from cluster.stations import daily
from cluster.workers_here import in_this_process

from forecast.cli import main
from forecast.cluster.ensemble_members import MemberStation, members_with
from forecast.errors import TrainingError
from forecast.experiment.keywords import with_keywords
from forecast.experiment.settings import Experiment
from forecast.forecasting.forecaster import Forecaster
from forecast.search.processes import LocalProcesses, Unanswered
from forecast.training.events import Ended, EpochDone, Event, Started, StepDone
from forecast.training.members import training_elsewhere

SETTINGS: dict[str, Any] = {
    "id": "store",
    "time": "day",
    "target": "sales",
    "horizon": 4,
    "model": "bigru",
    "units": 4,
    "epochs": 2,
    "seeds": 2,
    "simple": [],
    "context_lengths": [7, 14],
    "linear": "residual",
}
CONFIG = with_keywords(Experiment(), SETTINGS)


@pytest.fixture(scope="module")
def forecaster() -> Forecaster:
    """Four networks on two linear maps, trained in this process and once more on all rows."""
    return Forecaster(CONFIG).fit(table())


def table() -> Any:
    return daily(4, 70).drop(columns="promo")


@pytest.fixture
def passing_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Answer in this process, with requests and answers that went through bytes."""
    in_this_process(monkeypatch)
    answer = MemberStation.answer

    def copied(self: MemberStation, kind: str, content: Any, tell: Any) -> Any:
        station = pickle.loads(pickle.dumps(self))
        given = pickle.loads(pickle.dumps(content))
        told = lambda event: tell(pickle.loads(pickle.dumps(event)))  # noqa: E731
        return pickle.loads(pickle.dumps(answer(station, kind, given, told)))

    monkeypatch.setattr(MemberStation, "answer", copied)


def assert_same(one: Forecaster, other: Forecaster) -> None:
    assert one.fitted.training.weights == other.fitted.training.weights
    weights = [each.fitted.model.get_weights() for each in (one, other)]
    for own, theirs in zip(*weights, strict=True):
        np.testing.assert_array_equal(own, theirs)
    losses = [
        {
            name: (history.loss, history.val_loss)
            for name, history in each.fitted.training.histories.items()
        }
        for each in (one, other)
    ]
    assert losses[0] == losses[1]


@pytest.mark.usefixtures("passing_by_bytes")
def test_workers_give_the_bits_of_one_process(forecaster: Forecaster) -> None:
    events: list[Event] = []
    with training_elsewhere(members_with(LocalProcesses(2), CONFIG)):
        other = Forecaster(CONFIG).fit(table(), reporter=events.append)
    assert_same(forecaster, other)

    # two epochs of each network, and one of each that is trained once more
    names = set(forecaster.fitted.training.histories)
    assert {event.name for event in events if isinstance(event, EpochDone)} == names
    assert sum(isinstance(event, Started) for event in events) == sum(
        isinstance(event, Ended) for event in events
    )
    assert not any(isinstance(event, StepDone) for event in events)


def test_a_training_that_fails_is_told_as_in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)

    def fail(*_: Any, **__: Any) -> Any:
        raise TrainingError("the loss of epoch 1 is not finite")

    monkeypatch.setattr("forecast.cluster.ensemble_members.train", fail)
    with (
        training_elsewhere(members_with(LocalProcesses(2), CONFIG)),
        pytest.raises(TrainingError, match=r"^the loss of epoch 1 is not finite$"),
    ):
        Forecaster(CONFIG).fit(table())


def test_a_network_whose_workers_are_lost_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    lost = Unanswered("its process was ended by SIGKILL")
    monkeypatch.setattr(MemberStation, "answer", lambda *_: lost)
    with (
        training_elsewhere(members_with(LocalProcesses(2), CONFIG)),
        pytest.raises(TrainingError, match=r"training of context \d+, seed \d .*SIGKILL.*--resume"),
    ):
        Forecaster(CONFIG).fit(table())


def test_callbacks_see_the_network_of_this_process() -> None:
    import keras

    seen = []

    class Watching(keras.callbacks.Callback):
        def on_epoch_end(self, *_: Any) -> None:
            seen.append(self.model.count_params())

    def refuse(*_: Any) -> Any:
        raise AssertionError("a network was trained elsewhere")

    config = with_keywords(CONFIG, {"training.refit": False})
    with training_elsewhere(refuse):
        Forecaster(config).fit(table(), callbacks=[Watching()])
    assert seen


def test_one_network_is_refused_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table().to_csv("t.csv", index=False)
    for seeds in (0, 1):
        words = ["fit", "t.csv", "--horizon=4", f"--set=ensemble.seeds={seeds}", "--ray"]
        assert main([*words, "--set=ensemble.context_lengths=[14]"]) == 2
        error = capsys.readouterr().err
        assert "Keras 3 cannot train one network over several machines" in error
        assert f"ensemble.seeds is {seeds}" in error
        assert error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_actors_give_the_bits_of_one_process(forecaster: Forecaster) -> None:
    pytest.importorskip("ray")
    with local_cluster(2) as executor, training_elsewhere(members_with(executor, CONFIG)):
        other = Forecaster(CONFIG).fit(table())
    assert_same(forecaster, other)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_command_writes_the_bytes_of_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    table().to_csv("t.csv", index=False)
    assert main(["fit", "t.csv", *ENSEMBLE, "--out=alone"]) == 0
    assert main(["fit", "t.csv", *ENSEMBLE, "--out=spread", "--ray", "--workers=2"]) == 0
    assert run_files(Path("alone")) == run_files(Path("spread"))
