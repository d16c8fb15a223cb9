"""What is searched, on what and with which packages, compared before a search goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from forecast.config import Experiment
from forecast.data.panel import Panel
from forecast.errors import SearchError
from forecast.identity import PACKAGES, describe, differences

BAYESIAN_PACKAGES = ("scikit-learn", "scipy")


def identity_of(config: Experiment, panel: Panel) -> dict[str, str]:
    """Describe a search; see `identity.describe`.

    Args:
        config: the experiment with its search.
        panel: all rows.
    """
    bayesian = BAYESIAN_PACKAGES if config.search and config.search.algorithm == "bayesian" else ()
    return describe(config, panel, without=("backtest",), packages=(*PACKAGES, "keras-tuner", *bayesian))


def check_same_search(folder: Path, stored: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Raise unless the search in a folder is the one that wants to go on.

    Raises:
        SearchError: settings, data or packages differ; the message names the differences.
    """
    found = differences(stored, current)
    if found:
        raise SearchError(
            f"cannot go on with the search in {folder}: {found}: restore what it was, or search anew in another folder"
        )
