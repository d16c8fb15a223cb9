"""`Classifier`: fit on a table of labelled sequences, predict, evaluate, save, load."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from forecast.classification.attended_steps import attention_frame
from forecast.classification.check_sequences import checked_split, learned_and_test
from forecast.classification.class_settings import Classification
from forecast.classification.evaluated import ClassifierResult
from forecast.classification.fitted_classifier import FittedClassifier, fit_classifier
from forecast.classification.label_sets.set_result import LabelSetResult
from forecast.classification.same_contents import twice_in_sets
from forecast.classification.saved.stored_classifier import load_classifier, save_classifier
from forecast.classification.tables.labelled_sequences import Sequences
from forecast.classification.tables.sequence_table import read_sequences
from forecast.classification.texts.word_vectors import read_vectors
from forecast.data.formats.readers import Source
from forecast.errors import ConfigError, NotFittedError, check_kind
from forecast.forecasting.saved_kinds import refuse_pickle
from forecast.layers.runtime import start_quietly

if TYPE_CHECKING:
    import pandas as pd


class Classifier:
    """A bidirectional GRU that gives whole sequences one label each, or any number of labels.

    Args:
        config: the settings; default: `Classification()`.

    Attributes:
        notes: of the last table that was read, a sentence each: how, and what was odd in it.

    Example:
        >>> import numpy as np
        >>> import pandas as pd
        >>> from forecast import Classification, Classifier
        >>> draw = np.random.default_rng(0)
        >>> rows = [
        ...     {"id": number, "step": step, "x": draw.normal() + number % 2, "label": number % 2}
        ...     for number in range(30)
        ...     for step in range(8)
        ... ]
        >>> settings = {"model": {"units": 4}, "training": {"epochs": 2, "seeds": 1}}
        >>> classifier = Classifier(Classification(**settings)).fit(pd.DataFrame(rows))
        >>> classifier
        Classifier('bigru', fitted on 2 classes)
        >>> list(classifier.predict(pd.DataFrame(rows)))
        ['id', 'bigru', 'bigru-p-0', 'bigru-p-1']
        >>> classifier.save("model")
        >>> Classifier.load("model").classes
        ('0', '1')
    """

    def __init__(self, config: Classification | None = None) -> None:
        if config is None:
            config = Classification()
        check_kind("config", config, Classification, "a Classification")
        self.config = config
        self.notes: tuple[str, ...] = ()
        self._fitted: FittedClassifier | None = None
        self._test: Sequences | None = None

    def __repr__(self) -> str:
        state = "not fitted"
        if self._fitted is not None:
            state = f"fitted on {len(self.classes)} classes"
        return f"Classifier({self.config.alias!r}, {state})"

    @property
    def fitted(self) -> FittedClassifier:
        """The fitted state.

        Raises:
            NotFittedError: neither `fit` nor `load` has run.
        """
        if self._fitted is None:
            raise NotFittedError("this classifier is not fitted: call fit(table) first, or load")
        return self._fitted

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that it knows, in order."""
        return self.fitted.encoding.classes

    @property
    def has_test_set(self) -> bool:
        """Whether `fit` has held out sequences to judge it on."""
        return self._test is not None

    @property
    def test_set(self) -> Sequences:
        """The sequences that `fit` has held out.

        Raises:
            ConfigError: it has held out none.
        """
        if self._test is None:
            raise ConfigError(
                "there is no test set; expected a table of sequences with labels, or a share in "
                "`split.test` when the classifier is fitted"
            )
        return self._test

    def fit(self, table: Source) -> Classifier:
        """Train on the sequences of a table.

        Args:
            table: one row per sequence and step, or per document, in one of the forms that
                `load_panel` takes.

        Returns:
            The classifier itself.

        Raises:
            DataError: the table cannot be read, or has less than two labels.
        """
        start_quietly()
        sequences = read_sequences(table, self.config.data, self.config.text)
        checked_split(sequences, self.config.split)
        fitted, split = fit_classifier(
            self.config.model_copy(update={"data": sequences.columns}), sequences
        )
        self._fitted = fitted
        self._test = sequences.take(split.test) if len(split.test) else None
        doubles = twice_in_sets(sequences, learned_and_test(split))
        self.notes = (*sequences.notes, *doubles, *_coverage(fitted))
        return self

    def predict(self, table: Source) -> pd.DataFrame:
        """Return a row per sequence: its id, the most probable class, the probability of each.

        Args:
            table: as for `fit`; it needs no labels.

        Raises:
            DataError: the table cannot be read.
        """
        return self.fitted.predict(self._read(table, has_labels=False))

    def evaluate(self, table: Source | None = None) -> ClassifierResult | LabelSetResult:
        """Compare predictions with true labels, beside the baselines.

        Args:
            table: sequences that it was not trained on; default: the test set of `fit`.

        Returns:
            Probabilities of all models, from which come scores, confusion matrix and verdict; a
            `LabelSetResult` where a sequence has any number of labels.

        Raises:
            ConfigError: there is no table, and `fit` has held out no test set.
            DataError: the table cannot be read, or has a label that training did not have.
        """
        if table is not None:
            return self.fitted.evaluate(self._read(table, has_labels=True))
        return self.fitted.evaluate(self.test_set)

    def attention(self, table: Source) -> pd.DataFrame:
        """Return the weight of each step in what the network reads of its sequence.

        The mean over the networks of the weights by which `model.pooling: attention` averages
        their outputs; over the steps of a sequence they have sum 1. The ridge regression, which
        may have a part in the answer, is not in it.

        Args:
            table: as for `predict`.

        Returns:
            A row per sequence and step: id, `step`, of a text its `word`, and `weight`.

        Raises:
            ConfigError: `model.pooling` is not `attention`.
            DataError: the table cannot be read.

        Example:
            >>> import pandas as pd
            >>> from forecast import Classification, Classifier
            >>> texts = pd.DataFrame({"text": ["so good", "so bad"] * 9, "label": [1, 0] * 9})
            >>> settings = {"data": {"text_col": "text"}, "model": {"pooling": "attention"}}
            >>> quick = {"training": {"epochs": 1, "seeds": 1}}
            >>> classifier = Classifier(Classification(**settings, **quick)).fit(texts)
            >>> classifier.attention(texts).head(2)["word"].tolist()
            ['so', 'good']
        """
        return attention_frame(self.fitted, self._read(table, has_labels=False))

    def _read(self, table: Source, *, has_labels: bool) -> Sequences:
        """Return the sequences of another table, with the columns of training."""
        sequences = self.fitted.read(table, has_labels=has_labels)
        self.notes = sequences.notes
        return sequences

    def save(self, path: str | Path) -> None:
        """Write the fitted classifier to a folder, atomically.

        Args:
            path: the folder.

        Raises:
            OutputError: the folder has files other than those of a saved model.
        """
        save_classifier(self.fitted, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Classifier:
        """Read a classifier that `save` has written.

        Args:
            path: the folder.

        Raises:
            ArtifactError: the folder is damaged, of another version, or holds a forecaster.
        """
        fitted = load_classifier(Path(path))
        classifier = cls(fitted.config)
        classifier._fitted = fitted
        return classifier

    def __getstate__(self) -> dict[str, Any]:
        """Refuse to be pickled: a saved model is a folder."""
        refuse_pickle(self)


def _coverage(fitted: FittedClassifier) -> tuple[str, ...]:
    """Say how many words of the training documents have a pretrained vector, if there are any."""
    path = fitted.config.text.vectors
    if path is None or fitted.config.data.text_col is None:
        return ()
    (words,) = fitted.encoding.vocabulary.values()
    return (f"{path}: {read_vectors(path, words).sentence}",)
