"""A search from the experiment to its folder: begun or gone on with, run by several processes, judged at the end.

journal.jsonl   the state: every trial, training and score, appended as they come
trials.csv      one row per trial
best.yaml       the best settings so far, as `forecast fit` takes them
*.png           score over trials, values that did well, settings that matter, what a score costs
training/       checkpoints of what is under way; gone at the end
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from forecast.data.panel import Panel
from forecast.errors import SearchError
from forecast.experiment.identity import PACKAGES, describe, differences
from forecast.experiment.prepare import prepare_panel
from forecast.experiment.settings import Experiment
from forecast.files.atomic import TEMPORARY
from forecast.files.outputs import Content, check_folder, check_writable, foreign_paths, remove_own
from forecast.search.journal import (
    DIGITS,
    LOOKS_AT_RESULTS,
    Journal,
    Outcome,
    State,
    Task,
    final_record,
    open_journal,
    search_record,
)
from forecast.search.results import (
    best_settings,
    closing_lines,
    draw_trials,
    heading,
    trial_line,
    write_hparams,
    write_results,
)
from forecast.search.space import check_space, search_of, with_values
from forecast.search.trial import CHECKPOINTS, TRAINING, Bench, drop_checkpoints, make_bench
from forecast.search.workers import Place, Resources, Runner, WorkerProcess

if TYPE_CHECKING:
    import pandas as pd

    from forecast.search.ordered import OrderedOracle


BAYESIAN_PACKAGES = ("scikit-learn", "scipy")


Say = Callable[[str], None]


JOURNAL = "journal.jsonl"


BEST, WRITTEN, AGAIN = "best", "written", "again"
"""What is trained after the trials: the best settings and those of the file on all rows before the
test part, and the best trial once more, to see whether its scores come out the same."""


@dataclass(frozen=True, eq=False)
class Search:
    """A search in its folder.

    Attributes:
        config: the experiment with its search.
        folder: holds everything it leaves.
        journal: its state.
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
        """What is known so far."""
        return self.oracle.state


def tune_run(
    config: Experiment,
    table: str | pd.DataFrame | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    resources: Resources | None = None,
    tensorboard: str | None = None,
    say: Say,
) -> Path:
    """Search, judge the best on rows no trial has seen, and write the folder of the search.

    Args:
        config: the experiment with its search.
        table: a file, `dataset:NAME` or a frame; `config.data.source` if left out.
        out: the folder; `runs/NAME-search` if left out.
        resume: go on with the search that is there.
        resources: processes, and what each may use.
        tensorboard: folder for TensorBoard's page of hyper-parameters.
        say: prints one line.

    Returns:
        The folder.

    Raises:
        ConfigError: a range does not fit its setting.
        OutputError: the folder holds something else, or cannot be written.
        SearchError: the folder holds another search, or another process is at it.
        FileError: the disk is full; the search goes on with `resume` once there is room.
    """
    if isinstance(table, str):
        config, table = config.with_source(table), None
    folder, resources = search_folder(config, out), resources or Resources()
    if tensorboard is not None:
        check_writable(tensorboard)
    check_space(config)
    bench = make_bench(config, table, folder)
    check_folds(bench)
    note_idle_workers(config, resources, say)
    with open_journal(folder / JOURNAL) as journal:
        search = begin(bench, journal, resume=resume, say=say)
        run_search(
            search,
            [
                WorkerProcess(Place(config, table, folder), resources)
                for _ in range(resources.workers)
            ],
        )
        present(search, tensorboard)
    return folder


def note_idle_workers(config: Experiment, resources: Resources, say: Say) -> None:
    """Say where some of the workers will have nothing to do."""
    search = search_of(config)
    waits = search.algorithm in LOOKS_AT_RESULTS or search.pruning == "median"
    if waits and resources.workers > search.in_flight:
        say(
            f"note: {search.in_flight} of {resources.workers} workers are used, as "
            f"search.in_flight says"
        )


def search_folder(config: Experiment, out: str | Path | None) -> Path:
    """Return the folder of a search, which is new, empty, or a search's.

    Raises:
        OutputError: it holds something else, or cannot be written.
    """
    folder = Path(out or Path("runs") / f"{config.name}-search")
    check_folder(folder, SEARCH, config.data.source)
    return folder


def _is_search(folder: Path) -> bool:
    """Whether a folder holds the journal of a search, or the trainings of a worker whose chief is elsewhere."""
    begin = b'{"event": "search"'
    try:
        with open(folder / JOURNAL, "rb") as file:
            head = file.read(DIGITS + 1 + len(begin))
    except FileNotFoundError:
        there = foreign_paths(folder, (f"{TRAINING}/*",))
        names = os.listdir(folder / TRAINING) if (folder / TRAINING).is_dir() else []
        return not there and all(
            CHECKPOINTS.fullmatch(name) or TEMPORARY.fullmatch(name) for name in names
        )
    except OSError as error:
        # on Windows a journal that another process has locked cannot be read
        return os.name == "nt" and isinstance(error, PermissionError)
    # A journal that was killed in its first record is torn.
    digest, space, record = head[:DIGITS], head[DIGITS : DIGITS + 1], head[DIGITS + 1 :]
    return (
        re.fullmatch(rb"[0-9a-f]*", digest) is not None
        and space in (b"", b" ")
        and begin.startswith(record)
    )


SEARCH = Content("search", "search", _is_search)
"""What a search writes into its folder."""


def check_folds(bench: Bench) -> None:
    """Take the settings as written through the smallest fold and the whole, so that a wrong table is said at once."""
    written = with_values(bench.config, {})
    prepare_panel(bench.folds.experiment(written), bench.folds.panels[0])
    prepare_panel(written, bench.panel)


def begin(
    bench: Bench, journal: Journal, *, resume: bool, say: Say, lease: float | None = None
) -> Search:
    """Begin a search, or take up the one a journal holds.

    Args:
        bench: the data and the settings.
        journal: of the folder.
        resume: whether to go on with what it holds.
        say: prints one line.
        lease: seconds a tuner elsewhere may be silent; None where all are in this process.

    Raises:
        SearchError: there is one and it was not asked for, or it is of other settings, data or
            packages.
    """
    from forecast.search.ordered import OrderedOracle

    folder, identity = bench.folder, identity_of(bench.config, bench.panel)
    if not journal.records:
        journal.append(search_record(identity))
    elif not resume:
        raise SearchError(
            f"{folder} holds a search: go on with it by --resume, or name another folder with --out"
        )
    else:
        check_same_search(folder, journal.records[0]["identity"], identity)
    oracle = OrderedOracle(bench.config, journal, lease=lease)
    if oracle.state.tasks:
        say(
            f"{len(oracle.state.ends)} trials are done and "
            f"{len(oracle.state.tasks) - len(oracle.state.ends)} begun"
        )
    search = Search(bench.config, folder, journal, oracle, say)
    oracle.listen, oracle.say = listener(search), say
    return search


def run_search(
    search: Search, runners: Sequence[Runner], *, elsewhere: Callable[[], None] | None = None
) -> None:
    """Run what is left of a search, and write its results.

    Args:
        search: what was begun.
        runners: one for each trial at a time.
        elsewhere: waits until all trials were run by others; left out, the runners run them.
    """

    def stop() -> None:
        search.oracle.halt()
        for one in runners:
            one.stop()

    try:
        here = [partial(_run_trials, search, one) for one in runners]
        _together(here if elsewhere is None else [elsewhere], stop)
        best = search.state.best(search_of(search.config).objective)
        if best is None:
            reasons = [end.reason for end in search.state.ends.values()]
            raise SearchError(
                f"none of {len(reasons)} trials has a score; the first failed because {reasons[0]}"
            )
        waiting = _finals_left(search)
        _together([partial(_run_finals, search, one, waiting) for one in runners], stop)
    finally:
        for one in runners:
            one.close()
    write_results(search.folder, search.config, search.state)
    remove_own(search.folder / TRAINING, CHECKPOINTS)
    for line in closing_lines(search.config, search.state, search.folder):
        search.say(line)


def present(search: Search, tensorboard: str | None) -> None:
    """Draw the pictures of a search that is over, and write logs for TensorBoard where a folder for them is named."""
    draw_trials(search.folder, search.config)
    if tensorboard is not None:
        write_hparams(tensorboard, search.config, search.state)


def listener(search: Search) -> Callable[[State], None]:
    """Write the results after every trial and say a line of a table, with the time left at the pace so far."""
    begun, said, start = len(search.state.ends), len(search.state.ends), time.monotonic()

    def listen(state: State) -> None:
        nonlocal said
        if len(state.ends) <= said:
            return
        if said == begun:
            search.say(heading(search.config))
        said = len(state.ends)
        write_results(search.folder, search.config, state)
        left = (
            (time.monotonic() - start)
            / (said - begun)
            * (search_of(search.config).max_trials - said)
        )
        search.say(trial_line(search.config, state, list(state.ends)[-1], left=left))

    return listen


def _run_trials(search: Search, runner: Runner) -> None:
    from forecast.search.tuner import HaltedError, SearchTuner

    objective, tell = search_of(search.config).objective, search.oracle.record_fold
    try:
        SearchTuner(search.oracle, runner, search.folder, objective=objective, tell=tell).search()
    except HaltedError as error:
        raise error.cause from error


def _finals_left(search: Search) -> SimpleQueue[str]:
    """Those of the trainings after the trials that are still missing; several threads take from it."""
    waiting: SimpleQueue[str] = SimpleQueue()
    for name in (AGAIN, BEST, WRITTEN):
        if name not in search.state.finals and (
            name == AGAIN or search.config.evaluation.test_size != 0
        ):
            waiting.put(name)
    return waiting


def _run_finals(search: Search, runner: Runner, waiting: SimpleQueue[str]) -> None:
    while (name := _next(waiting)) is not None:
        result = (
            _train_again(search, runner) if name == AGAIN else _judge_on_test(search, runner, name)
        )
        search.oracle.record(final_record(name, result))
        drop_checkpoints(search.folder, name if name != AGAIN else f"{result['trial']:04d}-*")


def _next(waiting: SimpleQueue[str]) -> str | None:
    try:
        return waiting.get_nowait()
    except Empty:
        return None


def _judge_on_test(search: Search, runner: Runner, name: str) -> dict[str, Any]:
    values = best_settings(search.config, search.state) if name == BEST else {}
    return runner.final(name, values)


def _train_again(search: Search, runner: Runner) -> dict[str, Any]:
    """Run the best trial from the start and compare its scores, bit for bit."""
    number = search.state.best(search_of(search.config).objective) or 0
    task = search.state.tasks[number]
    outcome: Outcome = runner.run(
        Task(number, task.proposal, task.values, task.epochs), (), lambda _: None
    )
    scores = [
        [one.scores for one in folds] for folds in (outcome.folds, search.state.ends[number].folds)
    ]
    return {"trial": number, "same": scores[0] == scores[1], "reason": outcome.reason}


def _together(jobs: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    """Run jobs in threads until all end; where one fails, or on a key press, `stop` is to end the others."""
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="tuner") as pool:
        running: list[Future[None]] = [pool.submit(job) for job in jobs]
        try:
            done, left = wait(running, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            done, left = set(), set(running)
            raise
        finally:
            if left:
                stop()
        failed = [one.exception() for one in done if one.exception()]
        if failed:
            raise failed[0]  # type: ignore[misc]


def identity_of(config: Experiment, panel: Panel) -> dict[str, str]:
    """Describe a search; see `experiment.identity.describe`.

    Args:
        config: the experiment with its search.
        panel: all rows.
    """
    bayesian = BAYESIAN_PACKAGES if config.search and config.search.algorithm == "bayesian" else ()
    return describe(
        config, panel, without=("backtest",), packages=(*PACKAGES, "keras-tuner", *bayesian)
    )


def check_same_search(folder: Path, stored: Mapping[str, str], current: Mapping[str, str]) -> None:
    """Raise unless the search in a folder is the one that wants to go on.

    Raises:
        SearchError: settings, data or packages differ; the message names the differences.
    """
    found = differences(stored, current)
    if found:
        raise SearchError(
            f"cannot go on with the search in {folder}: {found}: restore what it was, or search "
            f"anew in another folder"
        )
