"""A search from the experiment to its folder.

journal.jsonl   the state: every trial, training and score, appended as they come
trials.csv      one row per trial
best.yaml       the best settings so far, as `forecast fit` takes them
*.png           score over trials, parallel coordinates, importance of settings, cost of a score
training/       checkpoints of trainings under way; removed at the end
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import replace as with_changes
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from forecast.errors import SearchError
from forecast.experiment.settings import Experiment
from forecast.files.outputs import check_writable, remove_own
from forecast.search.bench import AnyBench, open_bench
from forecast.search.finals import finals_left, run_finals
from forecast.search.kinds import Searched, kind_of
from forecast.search.processes import LocalProcesses
from forecast.search.results import draw_trials, write_hparams, write_results
from forecast.search.space import check_space, looks_at_results, search_of
from forecast.search.start import Search, begin, open_search, search_folder
from forecast.search.state import State
from forecast.search.summary import closing_lines, fold_line, heading, opening, trial_line
from forecast.search.trial import CHECKPOINTS, TRAINING, Bench
from forecast.search.workers import BenchArguments, Resources, Runner, make_runners
from forecast.training.voice import Say, Voice

if TYPE_CHECKING:
    import pandas as pd


def tune_run(
    config: Searched,
    table: str | pd.DataFrame | None = None,
    *,
    out: str | Path | None = None,
    resume: bool = False,
    replace: bool = False,
    resources: Resources | None = None,
    voice: Voice,
) -> Path:
    """Search, evaluate the best settings on unseen rows, and write the folder of the search.

    Args:
        config: an experiment or a classification, with its search.
        table: a file, `dataset:NAME` or a frame; default: `config.data.source` of an experiment.
        out: the folder; default: `runs/NAME-search`, see `Experiment.folder_name`, or
            `runs/TABLE-classes-search` or `runs/TABLE-categories-search`.
        resume: whether to continue a search in the folder. A finished one of the same data and
            settings needs no permission: its results are written again.
        replace: whether to begin again in the folder of an earlier search, also one of other data
            or with other settings. Files of others stay.
        resources: where trials run, and limits of each; default: one process without limits.
        voice: where lines go, and the logs for TensorBoard's hyperparameter page.

    Returns:
        The folder.

    Raises:
        ConfigError: a range does not fit its setting.
        OutputError: the folder holds something else, or a search of other work that is not to be
            replaced, or cannot be written.
        SearchError: the folder holds an unfinished search, or another process works on it.
        FileError: the disk is full; `resume` continues once there is room.
    """
    if isinstance(config, Experiment):
        if isinstance(table, str):
            config = config.with_source(table)
            table = None
        folder = search_folder(config.folder_name, config.data.source, out)
    else:
        source = table if isinstance(table, str) else None
        folder = search_folder(
            f"{Path(source or 'table').stem}-{kind_of(config).plural}", source, out
        )
    resources = resources or Resources()
    executor = resources.executor or LocalProcesses(resources.workers)
    if voice.tensorboard is not None:
        check_writable(voice.tensorboard)
    check_space(config)

    bench = open_bench(config, table, folder)
    for line in opening(bench):
        voice.say(line)
    voice.wake()
    bench.check_folds()
    _note_idle_workers(config, executor.num_workers, voice.say)

    with open_search(folder) as journal:
        search = begin(bench, journal, resume=resume, replace=replace, say=voice.say)
        arguments = BenchArguments(config, table, folder.resolve(), reporter=voice.reporter)
        if resources.executor is not None:
            arguments = with_changes(arguments, bench=_for_others(bench))
        run_search(search, make_runners(executor, arguments, resources))
        present(search, voice.tensorboard)
    return folder


def _for_others(bench: AnyBench) -> AnyBench:
    """Return a bench without what belongs to this process."""
    if isinstance(bench, Bench):
        return with_changes(bench, reporter=None)
    return bench


def _note_idle_workers(config: Searched, num_workers: int, say: Say) -> None:
    """Print a note if some of the workers will have nothing to do."""
    search = search_of(config)
    if looks_at_results(search) and num_workers > search.in_flight:
        say(
            f"note: only {search.in_flight} of {num_workers} workers are used, because "
            f"search.in_flight is {search.in_flight}"
        )


def run_search(
    search: Search, runners: Sequence[Runner], *, elsewhere: Callable[[], None] | None = None
) -> None:
    """Run the remaining trials of a search, evaluate the best settings, and write the results.

    Args:
        search: a search that was started or resumed.
        runners: each runs one trial at a time.
        elsewhere: optional; waits until workers elsewhere have run all trials. Default: the runners
            run them.
    """

    def stop() -> None:
        search.oracle.halt()
        for runner in runners:
            runner.stop()

    search.oracle.on_record = _reporter(search)
    try:
        if elsewhere is None:
            _run_together([partial(_run_trials, search, runner) for runner in runners], stop)
        else:
            _run_together([elsewhere], stop)
        _require_a_score(search)
        waiting = finals_left(search)
        _run_together([partial(run_finals, search, runner, waiting) for runner in runners], stop)
    finally:
        for runner in runners:
            runner.close()

    write_results(search.folder, search.config, search.state)
    remove_own(search.folder / TRAINING, CHECKPOINTS)
    for line in closing_lines(search.config, search.state, search.folder):
        search.say(line)


def _require_a_score(search: Search) -> None:
    if search.state.best(search_of(search.config).objective) is not None:
        return
    reasons = [end.reason for end in search.state.ends.values()]
    raise SearchError(
        f"none of {len(reasons)} trials has a score; the first failed because {reasons[0]}"
    )


def present(search: Search, tensorboard: str | None) -> None:
    """Draw the figures of a finished search, and write TensorBoard logs if a folder is given."""
    draw_trials(search.folder, search.config)
    if tensorboard is not None:
        write_hparams(tensorboard, search.config, search.state)


def _reporter(search: Search) -> Callable[[State], None]:
    """Return a function that writes the results after every trial and prints its line."""
    max_trials = search_of(search.config).max_trials
    num_before = len(search.state.ends)
    num_printed = num_before
    start = time.monotonic()

    def report(state: State) -> None:
        nonlocal num_printed
        if not state.ends:  # until the first line of the table
            search.say(fold_line(search.config, state))
        num_ended = len(state.ends)
        if num_ended <= num_printed:
            return
        if num_printed == num_before:
            search.say(heading(search.config))
        num_printed = num_ended
        write_results(search.folder, search.config, state)

        seconds_per_trial = (time.monotonic() - start) / (num_ended - num_before)
        left = seconds_per_trial * (max_trials - num_ended)
        last = list(state.ends)[-1]
        search.say(trial_line(search.config, state, last, left=left))

    return report


def _run_trials(search: Search, runner: Runner) -> None:
    from forecast.search.tuner import HaltedError, SearchTuner

    tuner = SearchTuner(
        search.oracle,
        runner,
        search.folder,
        objective=search_of(search.config).objective,
        on_score=search.oracle.record_fold,
    )
    try:
        tuner.search()
    except HaltedError as error:
        raise error.cause from error


def _run_together(jobs: Sequence[Callable[[], None]], stop: Callable[[], None]) -> None:
    """Run jobs in threads; `stop` must end the others where one fails, or on Ctrl-C."""
    with ThreadPoolExecutor(len(jobs), thread_name_prefix="tuner") as pool:
        running: list[Future[None]] = [pool.submit(job) for job in jobs]
        try:
            done, left = wait(running, return_when=FIRST_EXCEPTION)
        except KeyboardInterrupt:
            stop()
            raise
        if left:
            stop()
        for job in done:
            error = job.exception()
            if error is not None:
                raise error
