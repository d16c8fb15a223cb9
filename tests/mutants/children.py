"""Tests in forked processes: packages are imported once, and the package under test anew in each.

Starting Python and importing pandas takes seconds, and a fork milliseconds.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ALWAYS = ("numpy", "pandas", "pyarrow.csv", "hypothesis.extra.numpy", "yaml", "pydantic")

WORDS = (
    *("-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-m", "not slow and not proof"),
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
)
"""Of pytest; hypothesis is imported before it could rewrite its assertions."""

TIME_IS_UP = -1


def warm_up(names: Sequence[str]) -> None:
    """Import packages, none of which imports the package under test."""
    for name in (*ALWAYS, *names):
        import_module(name)
    if "forecast" in sys.modules:
        raise RuntimeError("the package under test is imported before it is changed")


def run_child(work: Callable[[], int], tree: Path, output: Path, seconds: float) -> int:
    """Run a function in a process of its own, with all that it has started ended afterwards.

    Args:
        work: returns the exit code.
        tree: the copy of the repository, in which it runs.
        output: file of what it prints.
        seconds: until it is ended.

    Returns:
        Its exit code, minus the signal that ended it, or `TIME_IS_UP`.
    """
    process = os.fork()
    if process == 0:
        _in_child(work, tree, output)
    end = time.monotonic() + seconds
    status = None
    while status is None and time.monotonic() < end:
        finished, found = os.waitpid(process, os.WNOHANG)
        if finished:
            status = found
        else:
            time.sleep(0.02)
    _end_group(process)
    if status is None:
        os.waitpid(process, 0)
        return TIME_IS_UP
    return os.waitstatus_to_exitcode(status)


def _in_child(work: Callable[[], int], tree: Path, output: Path) -> None:
    code = 70
    try:
        os.setsid()
        descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)
        here = str(Path(__file__).resolve().parents[2])
        sys.path[:] = [str(tree), *(name for name in sys.path if not name.startswith(here))]
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _end_group(process: int) -> None:
    """End a process and those that it has started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process, signal.SIGKILL)


class Measuring:
    """Plugin of pytest that finds the lines which each test runs, and the seconds it takes.

    Args:
        sources: files whose lines count.
    """

    def __init__(self, sources: Sequence[Path]) -> None:
        from coverage import Coverage

        self.sources = sources
        self.coverage = Coverage(data_file=None, include=[str(path) for path in sources])
        self.seconds: dict[str, float] = {}
        self.failed: list[str] = []

    def pytest_sessionstart(self) -> None:
        self.coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Any:
        self.coverage.switch_context(item.nodeid)
        start = time.monotonic()
        result = yield
        self.seconds[item.nodeid] = time.monotonic() - start
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.append(report.nodeid)

    def write(self, path: Path) -> None:
        """Write tests, and for each file and line the tests that run it."""
        self.coverage.stop()
        data = self.coverage.get_data()
        lines = {}
        for source in self.sources:
            by_line = data.contexts_by_lineno(str(source))
            lines[str(source)] = {
                str(line): sorted(set(names) & self.seconds.keys())
                for line, names in by_line.items()
            }
        found = {"seconds": self.seconds, "failed": self.failed, "lines": lines}
        path.write_text(json.dumps(found))


class Chosen:
    """Plugin of pytest that keeps some tests.

    Args:
        names: of the tests.
        output: file for the name of the first test that fails.
    """

    def __init__(self, names: Collection[str], output: Path) -> None:
        self.names = names
        self.output = output

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self.names]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.output.write_text(report.nodeid)


def measure(tests: Sequence[str], sources: Sequence[Path], target: Path) -> int:
    """Run tests and write what each of them runs."""
    plugin = Measuring(sources)
    code = pytest.main([*WORDS, *tests], plugins=[plugin])
    plugin.write(target)
    return int(code)


def run_tests(seconds: dict[str, float], first_failure: Path) -> int:
    """Run some tests, those of the quickest files first, until one fails."""
    of_files: dict[str, float] = {}
    for name, taken in seconds.items():
        file = name.partition("::")[0]
        of_files[file] = of_files.get(file, 0.0) + taken
    plugin = Chosen(seconds.keys(), first_failure)
    for file in sorted(of_files, key=lambda file: of_files[file]):
        code = pytest.main([*WORDS, "-x", file], plugins=[plugin])
        if code:
            return int(code)
    return 0
