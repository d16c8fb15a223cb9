"""Checks of the arrays of saved models of sequences: names, axes, types and ranges."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from forecast.classification.class_baselines import ClassBaselines
from forecast.classification.counts.ngrams import LONGEST, NGrams
from forecast.classification.encoding import Encoding
from forecast.classification.regressions.bag_of_words import BagOfWords
from forecast.classification.regressions.kernel_features import (
    KERNELS,
    LEVELS,
    MOST_DILATIONS,
    KernelFeatures,
)
from forecast.classification.regressions.logistic_classifier import LogisticClassifier
from forecast.classification.regressions.ridge_classifier import RidgeClassifier
from forecast.models.bigru_classifier import SequenceShape

MOST_COUNTED = 2**40
"""Sum of counts, at most: no product of keys and counts leaves the range of whole numbers."""

SUM_TOLERANCE = 1e-6

Array = NDArray[np.generic]


def check_names(found: Mapping[str, object], expected: set[str], where: str) -> None:
    """Raise unless arrays have the expected names.

    Raises:
        ValueError: one is missing or unknown.
    """
    different = sorted(expected ^ set(found))
    if different:
        state = "missing" if different[0] in expected else "unknown"
        raise ValueError(f"{where}: {different[0][:60]!r} is {state}")


def check_array(name: str, array: Array, shape: tuple[int, ...], dtype: str = "float64") -> None:
    """Raise unless an array has a shape and a type.

    Raises:
        ValueError: it has others.
    """
    if array.shape != shape or array.dtype.name != dtype:
        raise ValueError(f"{name} is {array.dtype} {array.shape}; expected {dtype} {shape}")


def check_encoding(encoding: Encoding) -> None:
    """Raise unless the arrays of an encoding are of one number of channels, and scales positive.

    Raises:
        ValueError: they are not.
    """
    (num_channels,) = encoding.mean.shape
    check_array("encoding/mean", encoding.mean, (num_channels,))
    check_array("encoding/spread", encoding.spread, (num_channels,))
    check_array("encoding/masked", encoding.masked, (num_channels,), "bool")
    scales = [encoding.spread]
    if encoding.change is not None:
        check_array("encoding/change", encoding.change, (num_channels,))
        scales.append(encoding.change)
    for scale in scales:
        if not (scale > 0).all():
            raise ValueError("a scale of the encoding is not above 0")


def check_baselines(baselines: ClassBaselines, encoding: Encoding, length: int) -> None:
    """Raise unless the arrays of the classifiers to beat are of these classes and channels.

    Args:
        baselines: as stored.
        encoding: of the same model, which was checked.
        length: steps of the longest sequence of training.

    Raises:
        ValueError: they are not.
    """
    num_classes = len(encoding.classes)
    check_array("frequencies", baselines.frequencies, (num_classes,))
    if ((baselines.frequencies < 0) | (baselines.frequencies > 1)).any():
        raise ValueError("a frequency of a class is no share")
    if not encoding.has_label_sets and abs(baselines.frequencies.sum() - 1.0) > SUM_TOLERANCE:
        raise ValueError("the frequencies of the classes do not have the sum 1")
    if isinstance(baselines.regression, LogisticClassifier):
        _check_logistic(baselines.regression, baselines.words, num_classes)
    else:
        _check_ridge(baselines.regression, num_classes)
    if baselines.kernels is not None:
        num_channels = len(encoding.mean) + int(encoding.masked.sum())
        _check_kernels(baselines.kernels, num_channels, length)


def _check_ridge(ridge: RidgeClassifier, num_classes: int) -> None:
    (num_features,) = ridge.mean.shape
    check_array("ridge/mean", ridge.mean, (num_features,))
    check_array("ridge/spread", ridge.spread, (num_features,))
    check_array("ridge/weights", ridge.weights, (num_features + 1, num_classes))
    if not (ridge.spread > 0).all() or not ridge.sharpness > 0:
        raise ValueError("a scale of the ridge regression is not above 0")


def _check_logistic(
    logistic: LogisticClassifier, words: BagOfWords | None, num_classes: int
) -> None:
    if words is None:
        raise ValueError("there is a logistic regression, and there are no terms that it reads")
    num_terms = len(words.terms)
    num_columns = num_classes
    if num_classes == 2 and not logistic.has_label_sets:
        num_columns = 1
    check_array("logistic/weights", logistic.weights, (num_terms + 1, num_columns))
    check_array("words/rarity", words.rarity, (num_terms,))
    if not (words.rarity > 0).all():
        raise ValueError("the rarity of a term is not above 0")


def _check_kernels(kernels: KernelFeatures, num_channels: int, length: int) -> None:
    """Raise unless kernels are of these channels, and none reaches beyond all sequences."""
    (num_dilations,) = kernels.dilations.shape
    if not 1 <= num_dilations <= MOST_DILATIONS:
        raise ValueError(f"there are {num_dilations} dilations; expected 1 to {MOST_DILATIONS}")
    check_array("kernels/dilations", kernels.dilations, (num_dilations,), "int64")
    size = (num_dilations, len(KERNELS))
    check_array("kernels/channels", kernels.channels, (*size, num_channels))
    check_array("kernels/thresholds", kernels.thresholds, (*size, LEVELS))
    if ((kernels.dilations < 1) | (kernels.dilations > length)).any():
        raise ValueError(f"a dilation is not between 1 and the length, {length}")
    if not np.isin(kernels.channels, (0.0, 1.0)).all():
        raise ValueError("channels of a kernel are read or not: expected 0 or 1")


def check_counts(counts: NGrams) -> None:
    """Raise unless counts are those of some stream of symbols.

    Raises:
        ValueError: keys are not in order or out of range, or sums differ from what they are of.
    """
    num_codes = counts.num_codes
    if (num_codes + 1) ** LONGEST * num_codes >= 2**62:
        raise ValueError(f"there are {num_codes:,} symbols, too many for the counts after others")
    for length, order in enumerate(counts.orders):
        for name, array in vars(order).items():
            check_array(f"ngrams/{length}/{name}", array, (array.size,), "int64")
        if not len(order.pairs) or len(order.pairs) != len(order.pair_counts):
            raise ValueError(f"ngrams/{length} counts nothing, or other pairs")
        highest = num_codes
        if length:
            highest = (num_codes + 1) ** length * num_codes
        if order.pairs[0] < 0 or order.pairs[-1] >= highest or (np.diff(order.pairs) <= 0).any():
            raise ValueError(f"the pairs of ngrams/{length} are out of order or range")
        is_counted = (order.pair_counts > 0) & (order.pair_counts < MOST_COUNTED)
        if not is_counted.all() or order.pair_counts.astype(np.float64).sum() > MOST_COUNTED:
            raise ValueError(f"ngrams/{length} has counts that are none")
        contexts, first = np.unique(order.pairs // num_codes, return_index=True)
        expected = {
            "contexts": contexts,
            "totals": np.add.reduceat(order.pair_counts, first),
            "kinds": np.diff(np.append(first, len(order.pairs))),
        }
        for name, array in expected.items():
            if not np.array_equal(getattr(order, name), array):
                raise ValueError(f"ngrams/{length}/{name} does not fit its pairs")


def check_golden_batch(golden: Mapping[str, Array], shape: SequenceShape, size: int) -> None:
    """Raise unless the golden batch is of a shape: its bytes are in a file, so no size is made up.

    Args:
        golden: the stored arrays.
        shape: of the inputs, with its length.
        size: sequences of the batch.

    Raises:
        ValueError: an input is missing or unknown, of other axes or another type, or out of range.
    """
    assert shape.length is not None
    expected: dict[str, tuple[tuple[int, ...], str]] = {"input/lengths": ((size,), "int32")}
    if shape.num_numbers:
        expected["input/numbers"] = ((size, shape.length, shape.num_numbers), "float32")
    if shape.num_codes:
        expected["input/codes"] = ((size, shape.length, len(shape.num_codes)), "int32")
    if len(expected) == 1:
        raise ValueError("the sequences have no channel")
    given = {name: array for name, array in golden.items() if name.startswith("input/")}
    check_names(given, set(expected), "golden.safetensors")
    for name, (axes, dtype) in expected.items():
        check_array(name, given[name], axes, dtype)
    lengths = np.asarray(given["input/lengths"], np.int64)
    if ((lengths < 1) | (lengths > shape.length)).any():
        raise ValueError("the golden batch has sequences of other lengths")
    if shape.num_codes:
        codes = np.asarray(given["input/codes"], np.int64)
        if ((codes < 0) | (codes >= np.array(shape.num_codes))).any():
            raise ValueError("the golden batch has codes out of range")
