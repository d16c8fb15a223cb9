"""Leak check of a classification: labels, vocabularies, documents in two sets, columns that tell.

| stage       | identical whatever the test sequences contain                      |
|-------------|--------------------------------------------------------------------|
| `encoding`  | classes, scales and vocabularies                                   |
| `baselines` | class frequencies, terms of the bag of words, regression           |
| `network`   | with `train`: the weights of every network, and the network's share |

The cells and labels of the test sequences become missing, 1e6, new words, mirrored and shuffled.
Which sequences are in which set stays as it is. Three things are looked up in the table itself: the
same document or sequence in two sets, and columns or words from which the label can be read off.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from forecast.classification.class_settings import Classification
from forecast.classification.fitted_classifier import fit_classifier, learn_from
from forecast.classification.same_contents import twice_in_sets
from forecast.classification.sequence_split import SequenceSplit, split_sequences
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.data.formats.readers import Source
from forecast.errors import ConfigError
from forecast.layers.runtime import start_quietly
from forecast.leakage.digests import digests_of
from forecast.leakage.telling_columns import telling_columns

FAR = 1e6
"""Number that values of test sequences become."""

STRANGE = "of no training sequence"
"""Word that words of test sequences become."""


@dataclass(frozen=True)
class LabelLeakReport:
    """Result of a leak check of a classification.

    Attributes:
        compared: number of changed tables that each stage was compared on, by name.
        leaks: stages that depend on test sequences, and the change that shows it.
        findings: what the table itself gives away, a sentence each.
    """

    compared: dict[str, int]
    leaks: dict[str, str]
    findings: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether no stage depends on test sequences, and nothing in the table tells labels."""
        return not self.leaks and not self.findings

    def text(self) -> str:
        """Return the table of stages, the findings, and the verdict."""
        width = max(5, *map(len, self.compared))
        lines = [f"{'stage':{width}}  compared  verdict"]
        for name, count in self.compared.items():
            verdict = "ok"
            if name in self.leaks:
                verdict = f"depends on test sequences: change {self.leaks[name]!r}"
            lines.append(f"{name:{width}}  {count:8}  {verdict}")
        lines += [f"leak: {finding}" for finding in self.findings]
        if self.ok:
            lines.append("no stage depends on test sequences, and no column tells the label")
        return "\n".join(lines)


def check_labels(config: Classification, source: Source, *, train: bool = False) -> LabelLeakReport:
    """Check that nothing a classifier learns from depends on test sequences.

    Args:
        config: the settings.
        source: the table.
        train: whether to train on every changed table as well, and compare the networks.

    Returns:
        The stages that leak, and what the table gives away.

    Raises:
        DataError: the table is refused.
        ConfigError: no sequences are held out.
    """
    if train:
        start_quietly()
    sequences = read_sequences(source, config.data, config.text)
    config = config.model_copy(update={"data": sequences.columns})
    split = split_sequences(sequences, config.split)
    if not len(split.test):
        raise ConfigError(
            "split.test is 0, so no sequences are held out and nothing can leak: give it a share, "
            "or name a column of sets in data.split_col"
        )
    sets = {
        "training": split.train,
        "validation": split.validation,
        "test": split.test,
    }
    findings = (*twice_in_sets(sequences, sets), *telling_columns(sequences))
    fixed = replace(sequences, sets=_names_of(split, sequences.num_sequences))
    expected = digests_of(_stages(config, fixed, train=train))
    compared = dict.fromkeys(expected, 0)
    leaks: dict[str, str] = {}
    for change, changed in _changes(fixed, split):
        for stage, digest in digests_of(_stages(config, changed, train=train)).items():
            compared[stage] += 1
            if digest != expected[stage]:
                leaks.setdefault(stage, change)
    return LabelLeakReport(compared, leaks, findings)


def _names_of(split: SequenceSplit, num_sequences: int) -> Any:
    """Return the (N,) name of the set of each sequence."""
    names = np.full(num_sequences, "train", dtype=object)
    names[split.validation] = "validation"
    names[split.test] = "test"
    return names


def _stages(config: Classification, sequences: Sequences, *, train: bool) -> dict[str, Any]:
    """Return what is fitted, by stage."""
    learned = learn_from(config, sequences)
    encoding = learned.encoding
    baselines = learned.baselines
    terms: list[Any] = []
    if baselines.words is not None:
        terms = [baselines.words.terms.tolist(), baselines.words.rarity]
    stages: dict[str, Any] = {
        "encoding": [encoding.classes, encoding.mean, encoding.spread, encoding.vocabulary],
        "baselines": [baselines.frequencies, baselines.regression.weights, learned.without, *terms],
    }
    if train:
        fitted, _ = fit_classifier(config, sequences)
        weights = [list(network.weights.values()) for network in fitted.networks]
        stages["network"] = [fitted.network_weight, *weights]
    return stages


def _changes(sequences: Sequences, split: SequenceSplit) -> Iterator[tuple[str, Sequences]]:
    """Yield the sequences with other test sequences, by the name of the change."""
    is_test = np.zeros(sequences.num_sequences, dtype=bool)
    is_test[split.test] = True
    rows = np.flatnonzero(np.repeat(is_test, sequences.lengths))
    shuffled = np.random.default_rng(0).permutation(rows)
    for change, value, word in (("missing", np.nan, ""), ("1e6", FAR, STRANGE)):
        numbers = sequences.numbers.copy()
        numbers[rows] = value
        words = {name: of_column.copy() for name, of_column in sequences.words.items()}
        for of_column in words.values():
            of_column[rows] = word
        yield change, replace(sequences, numbers=numbers, words=words)
    for change, order in (("mirrored", rows[::-1]), ("shuffled", shuffled)):
        numbers = sequences.numbers.copy()
        numbers[rows] = sequences.numbers[order]
        words = {name: of_column.copy() for name, of_column in sequences.words.items()}
        for name, of_column in words.items():
            of_column[rows] = sequences.words[name][order]
        yield change, replace(sequences, numbers=numbers, words=words)
    assert sequences.labels is not None
    labels = sequences.labels.copy()
    labels[split.test] = STRANGE
    yield "labels", replace(sequences, labels=labels)
