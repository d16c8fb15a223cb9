"""The fitted state of a classifier: all that a prediction needs, frozen after training."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.choices_of_classes import choose_settings
from forecast.classification.class_baselines import ClassBaselines, fit_baselines
from forecast.classification.class_settings import Classification
from forecast.classification.encoding import EncodedRows, Encoding
from forecast.classification.evaluated import NETWORK, ClassifierResult
from forecast.classification.label_sets.label_cells import shown_sets
from forecast.classification.label_sets.set_result import LabelSetResult
from forecast.classification.learn import (
    LearningSet,
    learn,
    network_maker,
    probabilities_of,
)
from forecast.classification.sequence_split import (
    SequenceSplit,
    known_sequences,
    split_sequences,
    stratified_folds,
)
from forecast.classification.sharpness import best_power, cautious_losses, sharpened
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.learned_sequences import reading_learned
from forecast.classification.tables.sequence_table import COUNTED, read_sequences
from forecast.data.formats.readers import Source
from forecast.models.bigru_classifier import SequenceShape
from forecast.models.sequence_network import SequenceNetwork
from forecast.section import AUTO

if TYPE_CHECKING:
    import keras

LEAST_GAIN = 0.01
"""Log loss that counts, in nats: about a hundredth of a probability."""

NEGLIGIBLE = 0.001
"""Log loss that does not count, however many sequences show it."""

SHARES = np.linspace(0.0, 1.0, 21)
"""Weights of the network that are tried."""


@dataclass(frozen=True, eq=False)
class FittedClassifier:
    """A trained classifier.

    Attributes:
        config: the settings, without `auto`.
        encoding: scales, words and classes of the training set.
        length: steps of the longest sequence of training; longer ones are read whole.
        networks: whose probabilities are averaged.
        histories: losses of each network by epoch.
        baselines: the classifiers to beat.
        network_weight: weight of the mean of the networks; the regression has the rest.
        network_power: of the mean of the networks, see `sharpness`.
    """

    config: Classification
    encoding: Encoding
    length: int
    networks: tuple[SequenceNetwork, ...]
    histories: tuple[dict[str, list[float]], ...]
    baselines: ClassBaselines
    network_weight: float
    network_power: float = 1.0

    @property
    def models(self) -> tuple[keras.Model, ...]:
        """The networks as Keras models."""
        return tuple(network.in_keras(self.length) for network in self.networks)

    @property
    def weights(self) -> dict[str, float]:
        """Weight of each member by name."""
        return {
            NETWORK: self.network_weight,
            self.baselines.regression_name: 1.0 - self.network_weight,
        }

    def probabilities(self, sequences: Sequences) -> dict[str, FloatArray]:
        """Return the (N, K) probabilities of the classifier, its network, and the baselines."""
        rows = self.encoding.rows(sequences)
        network = self._mean_of_networks(rows)
        baselines = self.baselines.probabilities(self.encoding, sequences)
        regression = baselines[self.baselines.regression_name]
        both = self.network_weight * network + (1.0 - self.network_weight) * regression
        members = {}
        if self.network_weight < 1.0:
            members[NETWORK] = network
        return {self.config.alias: both, **members, **baselines}

    def _mean_of_networks(self, rows: EncodedRows) -> FloatArray:
        """Return the (N, K) mean probabilities of the networks, as sure as they may be."""
        length = max(self.length, int(rows.lengths.max()))
        parts = [probabilities_of(network, rows, length) for network in self.networks]
        mean: FloatArray = np.mean(parts, axis=0)
        are_sets = self.encoding.has_label_sets
        return sharpened(mean, self.network_power, are_sets=are_sets)

    def read(self, table: Source, *, has_labels: bool = False) -> Sequences:
        """Return the sequences of another table, with the columns of training.

        Args:
            table: as for the fit.
            has_labels: whether it must have the column of labels.
        """
        found: dict[str, str | None] = {"split_col": None, "group_col": None}
        if self.config.data.id_col == COUNTED:
            found["id_col"] = AUTO
        columns = self.config.data.model_copy(update=found)
        with reading_learned(columns):
            return read_sequences(table, columns, self.config.text, has_labels=has_labels)

    def predict(self, sequences: Sequences) -> pd.DataFrame:
        """Return a row per sequence: its id, the most probable class, the probability of each."""
        alias = self.config.alias
        probabilities = self.probabilities(sequences)[alias]
        classes = self.encoding.classes
        predicted = np.array(classes, dtype=object)[probabilities.argmax(axis=1)]
        if self.encoding.has_label_sets:
            predicted = shown_sets(probabilities, classes, self.config.data.shown_separator)
        columns = {sequences.columns.id_col: sequences.ids, alias: predicted}
        for place, name in enumerate(self.encoding.classes):
            columns[f"{alias}-p-{name}"] = probabilities[:, place]
        return pd.DataFrame(columns)

    def evaluate(self, sequences: Sequences) -> ClassifierResult | LabelSetResult:
        """Return the predictions beside the true labels.

        Args:
            sequences: with labels.

        Raises:
            DataError: a label is in none of the training sequences.
        """
        truth = self.encoding.targets(sequences)
        given = self.probabilities(sequences)
        if self.encoding.has_label_sets:
            separator = self.config.data.shown_separator
            return LabelSetResult(sequences.ids, self.encoding.classes, truth, given, separator)
        return ClassifierResult(sequences.ids, self.encoding.classes, truth, given)


def fit_classifier(
    config: Classification, sequences: Sequences
) -> tuple[FittedClassifier, SequenceSplit]:
    """Split, fit the encoding and the baselines on the training set, and train the networks.

    Where several networks are trained and no column names the validation set, each leaves out
    another fold to decide when it stops, so that together they learn from all sequences (Breiman
    1996, "Bagging predictors", with folds in place of draws). On the sequences that each has left
    out, and with a regression fitted without them, the weights of the two are chosen by log
    loss.

    Args:
        config: the settings.
        sequences: with labels.

    Raises:
        DataError: the training set has less than two labels.
    """
    learned = learn_from(config, sequences)
    config = learned.config
    split = learned.split
    known = learned.known
    encoding = learned.encoding
    rows = encoding.rows(known)
    truth = encoding.targets(known)
    shape = replace(encoding.shape, length=int(rows.lengths.max()))
    baselines = learned.baselines
    without = learned.without

    sets = _member_sets(config, known, learned.is_validation)
    models, histories, held_out = _train(config, encoding, shape, rows, truth, sets)
    is_judged = np.isfinite(held_out[:, 0])
    make = network_maker(config, encoding.shape)
    networks = tuple(SequenceNetwork.of(model, make) for model in models)
    weight = 1.0
    power = 1.0
    if is_judged.any():
        power = best_power(held_out[is_judged], truth[is_judged])
        are_sets = encoding.has_label_sets
        network = sharpened(held_out[is_judged], power, are_sets=are_sets)
        weight = network_weight(network, without[is_judged], truth[is_judged])
    fitted = FittedClassifier(
        config=config,
        encoding=encoding,
        length=int(rows.lengths.max()),
        networks=networks,
        histories=histories,
        baselines=baselines,
        network_weight=weight,
        network_power=power,
    )
    return fitted, split


@dataclass(frozen=True, eq=False)
class LearnedFrom:
    """Everything that is fitted before a network is trained.

    Attributes:
        config: the settings, without `auto`.
        split: the sets.
        known: sequences of training and validation set.
        is_validation: which of them are in the validation set.
        encoding: scales, words and classes.
        baselines: the classifiers to beat.
        without: (N, K) probabilities of the regression for each, fitted without it.
    """

    config: Classification
    split: SequenceSplit
    known: Sequences
    is_validation: NDArray[np.bool_]
    encoding: Encoding
    baselines: ClassBaselines
    without: FloatArray


def learn_from(config: Classification, sequences: Sequences) -> LearnedFrom:
    """Split, and fit the encoding and the baselines on training and validation set.

    Raises:
        DataError: the training set has less than two labels.
    """
    split = split_sequences(sequences, config.split)
    known = known_sequences(sequences, split)
    numbers = np.sort(np.concatenate([split.train, split.validation]))
    config = choose_settings(config, known)
    encoding = Encoding.fit(known, config.text, differences=config.inputs.differences is True)
    baselines, without = fit_baselines(encoding, known, encoding.targets(known))
    is_validation = np.isin(numbers, split.validation)
    return LearnedFrom(config, split, known, is_validation, encoding, baselines, without)


MemberSet = tuple[IntArray, IntArray]
"""Numbers to learn from, and those that decide when to stop."""


def _train(
    config: Classification,
    encoding: Encoding,
    shape: SequenceShape,
    rows: EncodedRows,
    truth: IntArray,
    sets: list[MemberSet],
) -> tuple[tuple[keras.Model, ...], tuple[dict[str, list[float]], ...], FloatArray]:
    """Train the networks.

    Returns:
        The networks, their losses, and the (N, K) mean probabilities of those networks that have
        not learned from a sequence; NaN where all have.
    """
    models = []
    histories = []
    total = np.zeros((len(truth), shape.num_classes))
    counts = np.zeros(len(truth))
    for member, (train, validation) in enumerate(sets):
        given = LearningSet(rows, truth, train, validation)
        seed = config.training.seed + 100 * member
        learned = learn(config, encoding, shape, given, seed=seed)
        models.append(learned.model)
        histories.append(learned.history)
        if len(validation):
            total[validation] += probabilities_of(learned.model, rows, shape.length)[validation]
            counts[validation] += 1
    with np.errstate(invalid="ignore"):
        held_out = total / counts[:, None]
    return tuple(models), tuple(histories), held_out


def network_weight(network: FloatArray, regression: FloatArray, truth: IntArray) -> float:
    """Return the weight of the network beside the regression.

    The largest one whose log loss, see `cautious_losses`, is the least but for `LEAST_GAIN`, or but
    for the standard error of the difference where that is smaller, as of many sequences, and for
    `NEGLIGIBLE` at least.

    Args:
        network: (N, K) probabilities of networks that have not learned from these sequences.
        regression: (N, K) those of regressions fitted without them.
        truth: (N,) places of the true classes, or (N, K) 1 for each that a sequence has.
    """
    losses = np.zeros((len(SHARES), len(truth)))
    for place, share in enumerate(SHARES):
        both = share * network + (1 - share) * regression
        losses[place] = cautious_losses(both, truth)
    more = losses - losses[np.argmin(losses.mean(axis=1))]
    error = more.std(axis=1) / np.sqrt(len(truth))
    is_as_good = more.mean(axis=1) <= np.clip(error, NEGLIGIBLE, LEAST_GAIN)
    return float(SHARES[is_as_good].max())


def _member_sets(
    config: Classification, known: Sequences, is_validation: NDArray[np.bool_]
) -> list[MemberSet]:
    """Return the sequences that each network learns from and stops by."""
    num_members = int(config.training.seeds)
    numbers = np.arange(known.num_sequences)
    fixed = (numbers[~is_validation], numbers[is_validation])
    is_named = known.sets is not None and "validation" in known.sets
    is_drawn = is_validation.any() and not is_named and config.split.by == "label"
    if num_members == 1 or not is_drawn:
        return [fixed] * num_members
    num_folds = max(2, round(1 / config.split.validation))
    folds = stratified_folds(known, numbers, num_folds, config.split.seed)
    sets = []
    for member in range(num_members):
        held_out = folds[member % num_folds]
        sets.append((np.setdiff1d(numbers, held_out), held_out))
    return sets
