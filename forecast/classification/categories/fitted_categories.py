"""The fitted state of a forecast of categories, frozen after training."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from forecast.axes import FloatArray, IntArray
from forecast.classification.categories.category_baselines import CategoryTables, contexts_of
from forecast.classification.categories.category_learning import (
    CategoryExamples,
    category_maker,
    category_shares,
    learn_categories,
)
from forecast.classification.categories.category_result import CategoryResult, rows_ahead
from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.categories.category_table import read_series
from forecast.classification.categories.category_windows import (
    UNKNOWN,
    CategoryIndex,
    CategorySets,
    all_windows,
    divide,
    last_windows,
)
from forecast.classification.counts.mixture_weights import weights_of_tables, weights_with_network
from forecast.classification.counts.ngrams import NAMES
from forecast.classification.encoding import EncodedRows, Encoding
from forecast.classification.evaluated import NETWORK
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.learned_sequences import reading_learned
from forecast.classification.texts.documents import TextSettings
from forecast.data.findings import counted, listed
from forecast.data.formats.readers import Source
from forecast.data.names import sorted_names
from forecast.errors import DataError
from forecast.models.bigru_classifier import SequenceShape
from forecast.models.sequence_network import SequenceNetwork


@dataclass(frozen=True, eq=False)
class FittedCategories:
    """A trained forecast of categories.

    Attributes:
        settings: the settings, without `auto`.
        encoding: scales, words and classes of the training rows.
        networks: whose probabilities are averaged.
        histories: losses of each network by epoch.
        tables: counts, from which the forecasts to beat are made.
        weights: of the networks and of each of these in the forecast, by name.
        notes: of the fit, a sentence each.
    """

    settings: CategorySettings
    encoding: Encoding
    networks: tuple[SequenceNetwork, ...]
    histories: tuple[dict[str, list[float]], ...]
    tables: CategoryTables
    weights: dict[str, float]
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> SequenceShape:
        """Sizes of the networks."""
        return replace(self.encoding.shape, length=self.settings.windows.context_length)

    def probabilities(
        self, rows: EncodedRows, index: CategoryIndex, classes: IntArray
    ) -> dict[str, FloatArray]:
        """Return the (W, H, K) probabilities of the forecaster, its network and the baselines.

        Args:
            rows: encoded rows.
            index: the windows.
            classes: (R,) class of each row.
        """
        network = self.of_networks(rows, index)
        contexts = contexts_of(index, classes, len(self.encoding.classes))
        share = self.weights[NETWORK]
        both = share * network + self.tables.mixed(contexts, self.table_weights)
        members = {NETWORK: network} if share < 1.0 else {}
        return {self.settings.alias: both, **members, **self.tables.probabilities(contexts)}

    def of_networks(self, rows: EncodedRows, index: CategoryIndex) -> FloatArray:
        """Return the (W, H, K) mean probabilities of the networks."""
        return category_shares(self.networks, rows, index, self.settings.windows.context_length)

    @property
    def table_weights(self) -> FloatArray:
        """(B,) weight of each of `NAMES`."""
        return np.array([self.weights[name] for name in NAMES])

    def read(self, table: Source) -> Sequences:
        """Return the series of a table that it was not trained on."""
        data = self.settings.data
        with reading_learned(data):
            return read_series(table, data)

    def predict(self, sequences: Sequences) -> pd.DataFrame:
        """Return the steps after the last row of each series; see `rows_ahead`."""
        index = last_windows(sequences, self.settings.windows)
        classes = classes_of(sequences, self.settings, self.encoding.classes)
        given = self.probabilities(self.encoding.rows(sequences), index, classes)
        alias = self.settings.alias
        return rows_ahead(
            sequences.columns.id_col,
            sequences.ids,
            sequences.shown_steps(index.cutoffs),
            self.encoding.classes,
            alias,
            given[alias],
        )

    def evaluate(self, sequences: Sequences, index: CategoryIndex) -> CategoryResult:
        """Compare forecasts with what came.

        Args:
            sequences: the series.
            index: windows of them; those with an empty or unseen category ahead are left out.

        Raises:
            DataError: no window is left.
        """
        classes = classes_of(sequences, self.settings, self.encoding.classes)
        ahead = classes[index.ahead(self.settings.windows.horizon)]
        is_known = (ahead != UNKNOWN).all(axis=1)
        if not is_known.any():
            words = sequences.words[self.settings.data.target_col]
            unseen = sorted_names(set(words[classes == UNKNOWN]) - {""})
            found = f"; training did not have {listed(unseen)}" if unseen else ""
            raise DataError(
                f"none of {counted(len(index.starts), 'window')} can be judged{found}: expected "
                f"rows with the categories {listed(self.encoding.classes)}, and more than "
                f"{self.settings.windows.horizon} of each series"
            )
        index = index.take(is_known)
        given = self.probabilities(self.encoding.rows(sequences), index, classes)
        return CategoryResult(
            sequences.ids[index.series],
            sequences.shown_steps(index.cutoffs),
            self.encoding.classes,
            ahead[is_known],
            given,
        )


def classes_of(
    sequences: Sequences, settings: CategorySettings, classes: tuple[str, ...]
) -> IntArray:
    """Return the (R,) place of each row's category, `UNKNOWN` of one that is empty or unseen."""
    place = {name: number for number, name in enumerate(classes)}
    words, at = np.unique(
        sequences.words[settings.data.target_col].astype(str), return_inverse=True
    )
    return np.array([place.get(str(word), UNKNOWN) for word in words], np.int64)[at]


def fit_categories(
    settings: CategorySettings, sequences: Sequences
) -> tuple[FittedCategories, CategoryIndex]:
    """Divide the rows, and fit on those before the test set.

    Returns:
        The fitted state, and the windows of the test set.

    Raises:
        DataError: there are too few rows or categories to learn from.
    """
    horizon = settings.windows.horizon
    sets = divide(sequences, all_windows(sequences, settings.windows), horizon, settings.split)
    return fit_sets(settings, sequences, sets), sets.test


def fit_sets(
    settings: CategorySettings, sequences: Sequences, sets: CategorySets
) -> FittedCategories:
    """Fit the encoding on the training rows, and train.

    The forecast is a mixture of the networks and of the tables of counts, see `_with_tables`.

    Raises:
        DataError: there are too few rows or categories to learn from.
    """
    horizon = settings.windows.horizon
    target = settings.data.target_col
    names = tuple(sorted_names(set(sequences.words[target][sets.is_training]) - {""}))
    if len(names) < 2:
        raise DataError(
            f"the training rows of {target!r} have {counted(len(names), 'category')}; expected at "
            f"least two: give more rows, or lower `split.test` and `split.validation`"
        )
    encoding = Encoding.of_rows(_training_rows(sequences, sets.is_training), TextSettings(), names)
    classes = classes_of(sequences, settings, names)
    rows = encoding.rows(sequences)

    def known(index: CategoryIndex) -> CategoryExamples:
        ahead = classes[index.ahead(horizon)]
        is_known = (ahead != UNKNOWN).all(axis=1)
        return CategoryExamples(rows, index.take(is_known), ahead[is_known])

    train = known(sets.train)
    validation = known(sets.validation)
    if not len(train.truth):
        raise DataError(
            f"there is no window to learn from in {counted(len(rows.numbers), 'row')} of "
            f"{counted(sequences.num_sequences, 'series')}: give longer series, or lower "
            f"`windows.horizon`, `split.test` and `split.validation`"
        )
    shape = replace(encoding.shape, length=settings.windows.context_length)
    make = category_maker(settings, shape)
    networks = []
    histories = []
    for member in range(settings.training.seeds):
        seed = settings.training.seed + 100 * member
        model, history = learn_categories(settings, shape, train, validation, seed=seed)
        networks.append(SequenceNetwork.of(model, make))
        histories.append(history)
    fitted = FittedCategories(
        settings, encoding, tuple(networks), tuple(histories), CategoryTables(()), {}
    )
    fitted = _with_tables(fitted, train, validation, classes)
    return replace(fitted, notes=_notes(sets.test, classes, horizon))


def _training_rows(sequences: Sequences, is_training: NDArray[np.bool_]) -> Sequences:
    """Return the same series without the rows of the other sets."""
    lengths = np.add.reduceat(is_training.astype(np.int64), sequences.offsets[:-1])
    return replace(
        sequences,
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        numbers=sequences.numbers[is_training],
        words={name: words[is_training] for name, words in sequences.words.items()},
        steps=None,
    )


def _with_tables(
    fitted: FittedCategories,
    train: CategoryExamples,
    validation: CategoryExamples,
    classes: IntArray,
) -> FittedCategories:
    """Count, and find the weights of the networks and the tables.

    The tables earn their weights among each other on training windows, each left out of the counts,
    and on validation windows, the networks theirs on validation windows alone; without any, half is
    theirs. In the end both are counted.
    """
    num_classes = len(fitted.encoding.classes)
    contexts = contexts_of(train.index, classes, num_classes)
    tables = CategoryTables.fit(contexts, train.truth, num_classes)
    overlap = train.truth.shape[1]
    later = contexts_of(validation.index, classes, num_classes)
    of_tables = tables.of_truth(later, validation.truth)
    left_out = tables.of_truth(contexts, train.truth, left_out=True)
    known = np.concatenate([left_out, of_tables], axis=1)
    table_weights = weights_of_tables(known, overlap=overlap)
    weights = np.array([0.5, *(0.5 * table_weights)])
    if len(validation.truth):
        network = fitted.of_networks(validation.rows, validation.index)
        of_truth = np.take_along_axis(network, validation.truth[:, :, None], axis=2).reshape(-1)
        weights = weights_with_network(of_truth, of_tables, table_weights, overlap=overlap)
        ahead = np.concatenate([train.truth, validation.truth])
        tables = CategoryTables.fit(np.concatenate([contexts, later]), ahead, num_classes)
    named = dict(zip((NETWORK, *NAMES), map(float, weights), strict=True))
    return replace(fitted, tables=tables, weights=named)


def _notes(test: CategoryIndex, classes: IntArray, horizon: int) -> tuple[str, ...]:
    """Say how many test windows cannot be judged."""
    unknown = int((classes[test.ahead(horizon)] == UNKNOWN).any(axis=1).sum())
    if not unknown:
        return ()
    return (
        f"{counted(unknown, 'test window')} with an empty category, or one that training did not "
        f"have, {'is' if unknown == 1 else 'are'} left out",
    )
