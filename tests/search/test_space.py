"""Ranges are refused where they fit no setting; keras-tuner and settings translate exactly."""

from __future__ import annotations

from typing import Any

import pytest

from forecast.errors import ConfigError
from forecast.experiment.file import parse_experiment
from forecast.search.space import (
    check_space,
    hyper_parameters,
    rounded,
    search_of,
    values_of,
    with_values,
)

HEAD = """\
model: {name: bigru, units: 8}
training: {epochs: 9}
search:
  algorithm: ALGORITHM
  space:
"""


def config(*lines: str, algorithm: str = "random") -> Any:
    return parse_experiment(
        HEAD.replace("ALGORITHM", algorithm) + "".join(f"    {line}\n" for line in lines)
    )


REFUSED = {
    "an unknown field": (
        ["model.unit: {choice: [3]}"],
        "model.unit is no setting; did you mean 'model.units'",
    ),
    "an unknown section": (
        ["modl.units: {choice: [3]}"],
        "modl.units is no setting; did you mean 'model.units'",
    ),
    "a section": (["model: {choice: [3]}"], "is no setting"),
    "a wrong type": (
        ["model.units: {choice: [a]}"],
        'model.units is "a"; expected a whole number from 1 to 4096',
    ),
    "one wrong of several": (
        ["model.cell: {choice: [gru, lstn]}"],
        "is \"lstn\"; expected 'gru', 'lstm' or 'rnn'",
    ),
    "a number out of range": (
        ["model.dropout: {float: [0, 1.5]}"],
        "model.dropout is 1.5; expected a number of at",
    ),
    "a fraction of a layer": (
        ["model.num_layers: {float: [1, 3]}"],
        "expected a whole number from 1 to 16",
    ),
    "the refit": (
        ["training.refit: {choice: [true, false]}"],
        "cannot be searched, because no trial is refitted",
    ),
    "the seed": (
        ["training.seed: {int: [0, 3]}"],
        "cannot be searched, because every training has its own seed",
    ),
    "the data": (
        ["data.freq: {choice: [h, D]}"],
        "trials on other data cannot be compared: remove it",
    ),
    "the horizon": (
        ["windows.horizon: {choice: [1, 2]}"],
        "that forecast other steps cannot be compared",
    ),
    "the test set": (
        ["evaluation.test_size: {choice: [1, 2]}"],
        "that are evaluated on other rows",
    ),
    "a setting that is not read": (
        ["training.weight_decay: {float: [0.1, 0.2]}"],
        "space.training.weight_decay: training.weight_decay is read by adamw only",
    ),
    "a condition on nothing": (
        [
            "model.dropout: {float: [0, 0.5], when: {model.cell: gru}}",
            "model.attention: {choice: [none, dot]}",
        ],
        "when.model.cell is not searched; expected one of the other ranges",
    ),
    "a condition never met": (
        [
            "model.dropout: {float: [0, 0.5], when: {model.cell: gro}}",
            "model.cell: {choice: [gru, rnn]}",
        ],
        "is \"gro\", which is not in its range; expected one of \\['gru', 'rnn'\\]",
    ),
    "a condition on a number": (
        ["model.dropout: {float: [0, 0.5], when: {model.l2: 0.1}}", "model.l2: {float: [0, 0.1]}"],
        "depends on a range without steps",
    ),
    "a circle": (
        [
            "model.cell: {choice: [gru, rnn], when: {model.attention: dot}}",
            "model.attention: {choice: [none, dot], when: {model.cell: gru}}",
        ],
        "model.cell and model.attention depend on each other",
    ),
}


@pytest.mark.parametrize(("lines", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_senseless_ranges_are_refused_before_anything_runs(lines: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words) as found:
        check_space(config(*lines))
    assert str(found.value).startswith("search.space")
    assert "\n" not in str(found.value)


def test_an_experiment_without_a_search_is_refused() -> None:
    with pytest.raises(ConfigError, match="there is no search section"):
        check_space(parse_experiment("name: a"))


def test_hyperband_gives_the_epochs_itself() -> None:
    with pytest.raises(ConfigError, match="which gives each trial its epochs"):
        check_space(config("training.epochs: {int: [1, 3]}", algorithm="hyperband"))


def test_hyperband_needs_the_most_epochs_of_a_trial() -> None:
    given = config("model.dropout: {choice: [0.1, 0.2]}", algorithm="hyperband")
    check_space(given)
    with pytest.raises(ConfigError, match=r"^training\.epochs is 'auto'; expected the most epochs"):
        check_space(given.with_settings({"training.epochs": "auto"}))


def test_auto_is_one_of_the_values_of_a_range() -> None:
    space = config("training.epochs: {choice: [3, auto]}", "model.units: {choice: [auto, 8]}")
    check_space(space)
    tried = with_values(space, {"training.epochs": "auto", "model.units": "auto"})
    assert (tried.training.epochs, tried.model.units) == ("auto", "auto")


EVERY_KIND = (
    "training.weight_decay: {float: [1e-4, 1e-2], log: true, when: {training.optimizer: adamw}}",
    "training.optimizer: {choice: [adam, adamw]}",
    "model.units: {choice: [32, [64]]}",
    "model.dropout: {float: [0, 0.5], step: 0.1}",
    "model.bidirectional: {choice: [true, false]}",
    "transforms.target: {choice: [[], [{name: robust}]]}",
    "windows.context_length: {int: [10, 1000], log: true}",
    "training.windows_per_epoch: {choice: [null, 100]}",
    "training.batch_size: {int: [8, 64], step: 8}",
)


@pytest.mark.parametrize("algorithm", ["random", "grid", "bayesian", "hyperband"])
def test_every_proposal_is_an_experiment(algorithm: str) -> None:
    experiment = config(*EVERY_KIND, algorithm=algorithm)
    check_space(experiment)
    search = search_of(experiment)
    space = hyper_parameters(search)
    for seed in range(40):
        drawn = hyper_parameters(search)
        drawn.values = {}
        for number, hyper in enumerate(space.space):
            if drawn.is_active(hyper):
                drawn.values[hyper.name] = hyper.random_sample(100 * seed + number)
        values = values_of(search, rounded(search, drawn.values))
        made = with_values(experiment, values)
        assert made.search is None
        for path, value in values.items():
            section, name = path.split(".")
            kept = made.model_dump(mode="json")[section][name]
            assert kept == value or path == "transforms.target"
            if path == "training.weight_decay":
                assert values["training.optimizer"] == "adamw"
                assert 1e-4 <= value <= 1e-2
                assert len(f"{value:.10e}".split("e")[0].rstrip("0").replace(".", "")) <= 4


def test_steps_end_where_they_should() -> None:
    listed = (
        search_of(config("model.dropout: {float: [0, 0.5], step: 0.1}"))
        .space["model.dropout"]
        .listed()
    )
    assert listed == [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], "keras-tuner leaves out the last of these"
    whole = (
        search_of(config("training.batch_size: {int: [8, 64], step: 8}"))
        .space["training.batch_size"]
        .listed()
    )
    assert whole == [8, 16, 24, 32, 40, 48, 56, 64]
