"""Start a search in its folder, or resume the one that is there if it is the same."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.data.panel import Panel
from forecast.errors import SearchError
from forecast.experiment.identity import PACKAGES, describe, differences
from forecast.experiment.settings import Experiment
from forecast.files.atomic import TEMPORARY
from forecast.files.outputs import Content, check_folder, foreign_paths
from forecast.search.journal import DIGITS, JOURNAL, Journal
from forecast.search.state import State, search_record
from forecast.search.trial import CHECKPOINTS, TRAINING, Bench

if TYPE_CHECKING:
    from forecast.search.ordered import OrderedOracle


Say = Callable[[str], None]
"""Prints one line."""


@dataclass(frozen=True, eq=False)
class Search:
    """A search in its folder.

    Attributes:
        config: the experiment with its search.
        folder: of all outputs.
        journal: of its records.
        oracle: gives out trials.
        say: prints one line.
    """

    config: Experiment
    folder: Path
    journal: Journal
    oracle: OrderedOracle
    say: Say

    @property
    def state(self) -> State:
        """The trials, scores and ends so far."""
        return self.oracle.state


_BAYESIAN_PACKAGES = ("scikit-learn", "scipy")


_FIRST_RECORD = b'{"event": "search"'
"""Beginning of the first record of every journal."""


def search_folder(config: Experiment, out: str | Path | None) -> Path:
    """Return the folder of a search, which is new, empty, or a search's.

    Raises:
        OutputError: it holds something else, or cannot be written.
    """
    folder = Path(out or Path("runs") / f"{config.folder_name}-search")
    check_folder(folder, SEARCH, config.data.source)
    return folder


def _is_search(folder: Path) -> bool:
    """Return whether a folder holds a journal, or the checkpoints of a worker without one."""
    length = DIGITS + 1 + len(_FIRST_RECORD)
    try:
        with open(folder / JOURNAL, "rb") as file:
            head = file.read(length)
    except FileNotFoundError:
        return _is_of_a_worker(folder)
    except OSError as error:
        # On Windows a journal that another process has locked cannot be read.
        return os.name == "nt" and isinstance(error, PermissionError)

    # A process that was killed in its first record leaves a torn one.
    digest = head[:DIGITS]
    space = head[DIGITS : DIGITS + 1]
    record = head[DIGITS + 1 :]
    is_digest = re.fullmatch(rb"[0-9a-f]*", digest) is not None
    return is_digest and space in (b"", b" ") and _FIRST_RECORD.startswith(record)


def _is_of_a_worker(folder: Path) -> bool:
    """Return whether a folder holds nothing but the checkpoints of a worker."""
    if foreign_paths(folder, (f"{TRAINING}/*",)):
        return False
    if not (folder / TRAINING).is_dir():
        return True
    names = os.listdir(folder / TRAINING)
    return all(CHECKPOINTS.fullmatch(name) or TEMPORARY.fullmatch(name) for name in names)


SEARCH = Content("search", "search", _is_search)
"""Content of the folder of a search."""


def identity_of(config: Experiment, panel: Panel) -> dict[str, str]:
    """Describe a search; see `experiment.identity.describe`.

    Args:
        config: the experiment with its search.
        panel: all rows.
    """
    packages = [*PACKAGES, "keras-tuner"]
    if config.search and config.search.algorithm == "bayesian":
        packages += _BAYESIAN_PACKAGES
    return describe(config, panel, without=("backtest",), packages=packages)


def check_same_search(folder: Path, stored: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Raise unless the search in a folder is the one that is to be resumed.

    Raises:
        SearchError: settings, data or packages differ; the message names the differences.
    """
    difference = differences(stored, current)
    if difference:
        raise SearchError(
            f"cannot resume the search in {folder}: {difference}: undo the change, or search in "
            f"another folder"
        )


def begin(
    bench: Bench, journal: Journal, *, resume: bool, say: Say, lease: float | None = None
) -> Search:
    """Start a search, or resume the one in a journal.

    Args:
        bench: data and settings.
        journal: of the folder.
        resume: whether to continue the search in the journal.
        say: prints one line.
        lease: seconds without a heartbeat after which a worker elsewhere counts as lost; None where
            all are in this process.

    Raises:
        SearchError: the journal holds a search that is not to be resumed, or one with other
            settings, data or packages.
    """
    from forecast.search.ordered import OrderedOracle

    folder = bench.folder
    identity = identity_of(bench.config, bench.panel)
    if not journal.records:
        journal.append(search_record(identity))
    elif not resume:
        raise SearchError(
            f"{folder} holds a search: resume it with --resume, or name another folder with --out"
        )
    else:
        check_same_search(folder, journal.records[0]["identity"], identity)

    oracle = OrderedOracle(bench.config, journal, lease=lease)
    num_ended = len(oracle.state.ends)
    num_unfinished = len(oracle.state.tasks) - num_ended
    if oracle.state.tasks:
        say(f"resuming: {num_ended} trials have ended, {num_unfinished} are unfinished")

    oracle.say = say
    return Search(bench.config, folder, journal, oracle, say)
