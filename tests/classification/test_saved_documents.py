"""Saved models of sequences that were changed, with fitting hashes: refused in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from forecasting.attack_changes import Model
from forecasting.attacked_models import VICTIMS, use

from forecast.classification.counts.ngrams import NGrams
from forecast.classification.regressions.bag_of_words import as_terms
from forecast.classification.saved.stored_arrays import check_counts
from forecast.classification.saved.stored_classifier import load_classifier
from forecast.errors import ArtifactError

KERNELS = "class_kernels"
TEXTS = "characters"
PAIR = "category_ensemble"
SYMBOLS = "symbols"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of each kind; two of the classifiers."""
    folder = tmp_path_factory.mktemp("saved")
    for name in (KERNELS, TEXTS, PAIR, SYMBOLS):
        VICTIMS[name](folder / name)
    return folder


def meta(**values: Any) -> Callable[[Model], None]:
    return lambda model: model.document["meta"].update(values)


def config(section: str, **values: Any) -> Callable[[Model], None]:
    return lambda model: model.document["config"][section].update(values)


def state(name: str, change: Callable[[np.ndarray], Any]) -> Callable[[Model], None]:
    def act(model: Model) -> None:
        array = model.tensors["state"][name]
        model.tensors["state"][name] = np.asarray(change(array.copy()), array.dtype)

    return act


def with_item(array: np.ndarray, place: Any, value: Any) -> np.ndarray:
    array[place] = value
    return array


def renamed(path: tuple[Any, ...], name: str) -> Callable[[Model], None]:
    def act(model: Model) -> None:
        where = model.document["meta"]
        for key in path[:-1]:
            where = where[key]
        where[path[-1]] = name

    return act


def swapped(path: tuple[Any, ...]) -> Callable[[Model], None]:
    """Exchange the first two of some names."""

    def act(model: Model) -> None:
        names = model.document["meta"]
        for key in path:
            names = names[key]
        names[:2] = names[1::-1]

    return act


def added(file: str) -> Callable[[Model], None]:
    return lambda model: model.tensors[file].update(zz=np.zeros(3))


CHANGES: dict[str, tuple[str, Callable[[Model], None], str]] = {
    "a class twice": (KERNELS, meta(classes=["ok", "ok"]), "name twice"),
    "one class": (KERNELS, meta(classes=["ok"]), "at least 2"),
    "a class renamed": (KERNELS, renamed(("classes", 0), "good"), "another table"),
    "classes in another order": (KERNELS, swapped(("classes",)), "another table"),
    "a word renamed": (KERNELS, renamed(("vocabulary", 0, 1, 0), "w"), "differs"),
    "words in another order": (KERNELS, swapped(("vocabulary", 0, 1)), "differs"),
    "a column renamed": (KERNELS, renamed(("vocabulary", 0, 0), "made"), "do not fit"),
    "a length that nobody has": (KERNELS, meta(length=10**9), "input/"),
    "a length of 0": (KERNELS, meta(length=0), "length"),
    "a number for a text": (KERNELS, meta(terms=[1]), "terms"),
    "a further value": (KERNELS, meta(zz=1), "zz"),
    "a weight above 1": (KERNELS, meta(network_weight=1.5), "network_weight"),
    "a weight that is true": (KERNELS, meta(network_weight=True), "network_weight"),
    "a power of 0": (KERNELS, meta(network_power=0.0), "network_power"),
    "another power": (KERNELS, meta(network_power=3.7, network_weight=1.0), "differs"),
    "many networks": (KERNELS, meta(networks=[None] * 50_000), "50,000 networks"),
    "an unknown kind": (KERNELS, meta(kind="x" * 100_000), "does not know"),
    "a step of 0": (KERNELS, state("encoding/spread", lambda a: 0 * a), "not above 0"),
    "another mean": (KERNELS, state("encoding/mean", lambda a: a + 1), "differs"),
    "a mean of more channels": (
        KERNELS,
        state("encoding/mean", lambda a: np.append(a, 0.0)),
        "encoding/spread",
    ),
    "a far dilation": (KERNELS, state("kernels/dilations", lambda a: a * 10**9), "dilation"),
    "channels of others": (KERNELS, state("kernels/channels", lambda a: a[..., :1]), "channels"),
    "other thresholds": (KERNELS, state("kernels/thresholds", lambda a: a + 0.3), "differs"),
    "frequencies": (KERNELS, state("frequencies", lambda a: 0.4 * a), "the sum 1"),
    "a further array": (KERNELS, added("state"), "'zz' is unknown"),
    "another rarity": (TEXTS, state("words/rarity", lambda a: 2 * a[::-1]), "differs"),
    "terms out of order": (TEXTS, swapped(("terms",)), "ascending"),
    "a term renamed": (TEXTS, renamed(("terms", 0), ""), "differs"),
    "texts read otherwise": (TEXTS, config("text", unit="words"), "differs"),
    "texts in lower case": (TEXTS, config("text", lower_case=True), "differs"),
    "fewer steps of a text": (TEXTS, config("text", most_steps=2), "differs"),
    "a mixture of 2": (
        PAIR,
        lambda model: model.document["meta"]["weights"].update({"frequencies": 0.99}),
        "the sum",
    ),
    "a member without a name": (PAIR, meta(weights={}), "the weights are not those"),
    "a horizon that nobody has": (PAIR, config("windows", horizon=10**6), "golden output"),
    "a longer context": (PAIR, config("windows", context_length=10**6), "input/"),
    "another number of networks": (PAIR, config("training", seeds=3), "2 networks, and 3"),
    "counts out of order": (PAIR, state("ahead/000/ngrams/1/pairs", lambda a: a[::-1]), "order"),
    "other totals": (PAIR, state("ahead/001/ngrams/2/totals", lambda a: a + 1), "does not fit"),
    "a pair of no symbol": (
        PAIR,
        state("ahead/000/ngrams/0/pairs", lambda a: with_item(a, -1, 10**12)),
        "order or range",
    ),
    "a count below 0": (
        SYMBOLS,
        state("ngrams/3/pair_counts", lambda a: with_item(a, 0, -5)),
        "counts that are none",
    ),
    "symbols in another order": (SYMBOLS, swapped(("symbols",)), "not the stored ones"),
    "a symbol renamed": (SYMBOLS, renamed(("symbols", 1), "z"), "not the stored ones"),
    "a unit of symbols": (SYMBOLS, config("data", unit="words"), "not the stored ones"),
    "a longer piece": (SYMBOLS, meta(length=10**9), "golden piece"),
    "fewer units": (SYMBOLS, config("model", units=3), "do not fit"),
    "another cell": (SYMBOLS, config("model", cell="lstm"), "do not fit"),
    "a loss that is a text": (SYMBOLS, meta(loss=["1"]), "loss"),
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_a_changed_model_is_refused(name: str, saved: Path, tmp_path: Path) -> None:
    victim, change, words = CHANGES[name]
    model = Model.read(saved / victim)
    change(model)
    model.write(tmp_path / "model")
    with pytest.raises(ArtifactError) as caught:
        use(victim, tmp_path / "model")
    said = str(caught.value)
    assert words in said
    assert said.isprintable()
    assert len(said) < 1000


@pytest.mark.parametrize("victim", [KERNELS, TEXTS, PAIR, SYMBOLS])
def test_an_unchanged_model_predicts_the_same(victim: str, saved: Path, tmp_path: Path) -> None:
    Model.read(saved / victim).write(tmp_path / "model")
    assert use(victim, tmp_path / "model") == use(victim, saved / victim)


@pytest.mark.parametrize("victim", [KERNELS, TEXTS])
def test_a_model_of_an_earlier_version_has_no_trial(
    victim: str, saved: Path, tmp_path: Path
) -> None:
    model = Model.read(saved / victim)
    golden = model.tensors["golden"]
    trial = [name for name in golden if name.startswith("trial/")]
    assert len(trial) == 4
    for name in trial:
        del golden[name]
    model.write(tmp_path / "model")
    assert load_classifier(tmp_path / "model").length > 1


def test_counts_of_any_stream_are_counts() -> None:
    draw = np.random.default_rng(0)
    for num_codes in (2, 3, 7, 100):
        for length in (5, 30, 1000):
            check_counts(NGrams.fit(draw.integers(0, num_codes, length), num_codes))
            contexts = draw.integers(0, num_codes + 1, (length, 3))
            following = draw.integers(0, num_codes, length)
            check_counts(NGrams.fit_windows(contexts, following, num_codes))


def test_one_long_term_does_not_make_all_of_them_wide() -> None:
    few = ["a", "b" * 100]
    assert as_terms(few).dtype.kind == "U"
    many = sorted({*map(str, range(100_000)), "x" * 100_000})
    terms = as_terms(many)
    assert terms.dtype == object
    assert terms.nbytes < 2**20
    wanted = np.array(["77", "absent"])
    assert terms[np.searchsorted(terms, wanted)[0]] == "77"
