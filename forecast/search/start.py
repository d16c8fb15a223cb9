"""Start a search in its folder, or resume the one that is there if it is the same."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import OutputError, SearchError
from forecast.experiment.identity import differences
from forecast.files.atomic import TEMPORARY
from forecast.files.outputs import (
    Content,
    check_folder,
    foreign_paths,
    free_name,
    remove_files,
    remove_own,
)
from forecast.files.traces import clean_start
from forecast.layers.runtime import start_quietly
from forecast.report.plots.style import is_our_output
from forecast.search.bench import AnyBench
from forecast.search.journal import DIGITS, JOURNAL, Journal, open_journal
from forecast.search.kinds import Searched
from forecast.search.results import RESULTS
from forecast.search.state import State, missing_finals, search_record
from forecast.search.trial import CHECKPOINTS, TRAINING
from forecast.training.voice import Say

if TYPE_CHECKING:
    from forecast.search.ordered import OrderedOracle


@dataclass(frozen=True, eq=False)
class Search:
    """A search in its folder.

    Attributes:
        config: settings with their search.
        has_test_set: whether something is held out to judge the best settings on.
        folder: of all outputs.
        journal: of its records.
        oracle: gives out trials.
        say: prints one line.
    """

    config: Searched
    has_test_set: bool
    folder: Path
    journal: Journal
    oracle: OrderedOracle
    say: Say

    @property
    def state(self) -> State:
        """The trials, scores and ends so far."""
        return self.oracle.state


_FIRST_RECORD = b'{"event": "search"'
"""Beginning of the first record of every journal."""


def search_folder(name: str, source: str | None, out: str | Path | None) -> Path:
    """Return the folder of a search, which is new, empty, or a search's.

    Args:
        name: of what is searched; the default folder is `runs/NAME-search`.
        source: the file of the table, which the folder must not hold; None: there is none.
        out: the folder; None for the default.

    Raises:
        OutputError: it holds something else, or cannot be written.
    """
    folder = Path(out or Path("runs") / f"{name}-search")
    check_folder(folder, SEARCH, source)
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


@contextmanager
def open_search(folder: Path) -> Iterator[Journal]:
    """Open the journal of a folder; a new one with nothing to resume goes where the block fails.

    Args:
        folder: as `search_folder` returned it.

    Raises:
        SearchError: another process has it open, or a record is damaged.
    """
    with clean_start(folder) as on_failure, open_journal(folder / JOURNAL) as journal:
        on_failure(partial(_remove_start, folder, journal))
        yield journal


def _remove_start(folder: Path, journal: Journal) -> None:
    """Remove the journal of a search without a result or a checkpoint."""
    is_begun = any(record["event"] not in ("search", "start") for record in journal.records)
    training = folder / TRAINING
    if is_begun or (training.is_dir() and os.listdir(training)):
        return
    remove_own(training, CHECKPOINTS)
    with suppress(OSError):  # on Windows an open file stays
        (folder / JOURNAL).unlink(missing_ok=True)


def _allow(
    bench: AnyBench, journal: Journal, identity: Mapping[str, str], *, resume: bool, replace: bool
) -> None:
    """Compare the search in a journal with the one that begins, and clear it if it is replaced.

    Raises:
        SearchError: settings, data or packages differ from those to be resumed.
        OutputError: they differ, and the search is not to be replaced.
    """
    if not journal.records:
        return
    stored = journal.records[0]["identity"]
    difference = differences(stored, identity)
    if replace and (difference or not resume):
        _remove_results(bench.folder)
        journal.clear()
    elif difference and not resume:
        raise OutputError(
            f"{bench.folder} contains a search of other work ({difference}): replace it with "
            f"`replace=true`, or name another folder with `out=`, such as "
            f"{free_name(bench.folder)}"
        )
    else:
        check_same_search(bench.folder, stored, identity)


def _remove_results(folder: Path) -> None:
    """Remove the files of a search other than its journal."""
    remove_own(folder / TRAINING, CHECKPOINTS)
    remove_files(folder, RESULTS, is_our_output)


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
    bench: AnyBench,
    journal: Journal,
    *,
    resume: bool,
    replace: bool = False,
    say: Say,
    lease: float | None = None,
) -> Search:
    """Start a search, or resume the one in a journal.

    Args:
        bench: data and settings.
        journal: of the folder.
        resume: whether to continue the search in the journal; a finished one is continued anyway.
        replace: whether to begin again where there is a search, also one of other work.
        say: prints one line.
        lease: seconds without a heartbeat after which a worker elsewhere counts as lost; None where
            all are in this process.

    Raises:
        SearchError: the journal holds an unfinished search that is not to be resumed, or one of
            other settings, data or packages that is.
        OutputError: it holds one of those, which is not to be replaced.
    """
    start_quietly()  # the identity and keras-tuner load TensorFlow
    folder = bench.folder
    identity = bench.identity()
    _allow(bench, journal, identity, resume=resume, replace=replace)
    from forecast.search.ordered import OrderedOracle

    is_new = not journal.records
    if is_new:
        journal.append(search_record(identity))

    oracle = OrderedOracle(bench.config, journal, lease=lease)
    search = Search(bench.config, bench.has_test_set, folder, journal, oracle, say)
    missing = missing_finals(oracle.state, has_test_set=bench.has_test_set)
    is_finished = oracle.is_over and not missing
    if not (is_new or resume or is_finished):
        raise SearchError(
            f"{folder} holds an unfinished search: resume it with `resume=true`, begin again with "
            f"`replace=true`, or name another folder with `out=`"
        )
    num_ended = len(oracle.state.ends)
    num_unfinished = len(oracle.state.tasks) - num_ended
    if oracle.state.tasks:
        say(f"resuming: {num_ended} trials have ended, {num_unfinished} are unfinished")

    for complaint in oracle.complaints:
        say(f"note: {complaint}")
    oracle.say = say
    return search
