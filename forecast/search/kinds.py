"""Kinds of settings that can be searched, and what differs between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from forecast.classification.categories.category_settings import CategorySettings
from forecast.classification.class_settings import Classification
from forecast.experiment.settings import Experiment

Searched = Experiment | Classification | CategorySettings
"""Settings with a section `search`."""


AnySettings = TypeVar("AnySettings", bound=Searched)


@dataclass(frozen=True)
class Kind:
    """An entry of `KINDS`.

    Attributes:
        fit: the command that takes the best settings.
        judged: name of the things that are counted in the test set.
        no_test_set: the setting by which there is none.
        plural: of what is told, in the name of a folder; empty: the folder is named otherwise.
        not_searched: first characters of settings that are not searched, and why.
        exceptions: settings that are searched although `not_searched` matches.
    """

    fit: str
    judged: str
    no_test_set: str
    plural: str
    not_searched: Mapping[str, str]
    exceptions: frozenset[str] = frozenset()


_SEARCH_ITSELF = "it is a setting of the search itself"

_NO_OTHER_DATA = "trials on other data cannot be compared"

_OTHER_STEPS = "trials that forecast other steps cannot be compared"

_ONE_NETWORK = "a trial trains one network, with a seed from search.seed"

KINDS: dict[type, Kind] = {
    Experiment: Kind(
        fit="forecast fit",
        judged="windows",
        no_test_set="evaluation.test_size: 0",
        plural="",
        not_searched={
            "name": "it is only a name",
            "data.": _NO_OTHER_DATA,
            "windows.horizon": _OTHER_STEPS,
            "evaluation.": "trials that are evaluated on other rows cannot be compared",
            "search.": _SEARCH_ITSELF,
            "training.refit": "no trial is refitted",
            "training.seed": "every training has its own seed, from search.seed",
        },
        exceptions=frozenset({"data.calendar"}),
    ),
    Classification: Kind(
        fit="forecast classify fit",
        judged="sequences",
        no_test_set="split.test: 0",
        plural="classes",
        not_searched={
            "alias": "it is only a name",
            "data.": _NO_OTHER_DATA,
            "split.": "trials that are evaluated on other sequences cannot be compared",
            "search.": _SEARCH_ITSELF,
            "training.seed": _ONE_NETWORK,
        },
    ),
    CategorySettings: Kind(
        fit="forecast categories fit",
        judged="windows",
        no_test_set="split.test: 0",
        plural="categories",
        not_searched={
            "alias": "it is only a name",
            "data.": _NO_OTHER_DATA,
            "windows.horizon": _OTHER_STEPS,
            "split.": "trials that are evaluated on other rows cannot be compared",
            "search.": _SEARCH_ITSELF,
            "training.seed": _ONE_NETWORK,
        },
    ),
}
"""Everything that can be searched, by the class of its settings."""


def kind_of(settings: Searched) -> Kind:
    """Return the kind of some settings."""
    return KINDS[type(settings)]
