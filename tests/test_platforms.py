"""What the package does on Windows and macOS, as far as it can be seen elsewhere."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import types
from pathlib import Path

import pytest
from platform_calls import platform_calls

from forecast.cli import main
from forecast.errors import ConfigError, OutputError
from forecast.files import windows_rules
from forecast.files.atomic import write_file
from forecast.files.outputs import check_file, check_writable
from forecast.files.windows_rules import unusable_on_windows

SAME = "the same everywhere, but for the reasons of errors"
NATIVE = "not reached: compiled loops are for Linux and macOS, other systems use those of NumPy"

ELSEWHERE: dict[tuple[str, str], str] = {
    ("cli/ending.py", "hasattr(signal, setitimer)"): "missing on Windows: not told again",
    ("cli/ending.py", "signal.setitimer"): "not reached on Windows",
    ("cli/ending.py", "signal.SIGALRM"): "not reached on Windows",
    ("backtest/peers/worker.py", "ProcessPoolExecutor"): "spawns processes on Windows and macOS",
    ("backtest/peers/worker.py", "os.getppid"): "on Windows the process goes on to its end",
    ("baselines/compiled_recursions.py", "import ctypes"): NATIVE,
    ("cli/ending.py", "getattr(signal, NAME)"): "Windows has no SIGHUP, and SIGTERM is not sent",
    ("cli/ending.py", "signal.SIG_DFL"): SAME,
    ("cluster/part_files.py", "import resource"): "missing on Windows: no limit is raised",
    ("data/formats/standard_input.py", "hardlink_to"): "copied on disks without links",
    ("export/formats.py", "os.dup2"): SAME,
    ("files/atomic.py", "getattr(os, O_BINARY)"): "on Windows, so that line ends stay",
    ("files/atomic.py", "os.kill"): "not reached on Windows, where it would end the process",
    ("files/atomic.py", "os.name"): "on Windows no folder is synced, and no dead writer is found",
    ("files/atomic.py", "os.rename"): "on Windows tried again while another has the file open",
    ("files/atomic.py", "os.replace"): "on Windows tried again while another has the file open",
    ("files/libraries/build.py", "/proc/cpuinfo"): "missing on macOS: loops without its flags",
    ("files/libraries/build.py", "chmod"): NATIVE,
    ("files/libraries/build.py", "os.killpg"): NATIVE,
    ("files/libraries/build.py", "platform.system"): NATIVE,
    ("files/libraries/build.py", "signal.SIGKILL"): NATIVE,
    ("files/libraries/build.py", "start_new_session="): NATIVE,
    ("files/libraries/trust.py", "f_flag"): NATIVE,
    ("files/libraries/trust.py", "getattr(os, O_NOFOLLOW)"): NATIVE,
    ("files/libraries/trust.py", "getattr(os, O_NONBLOCK)"): NATIVE,
    ("files/libraries/trust.py", "getattr(os, ST_NOEXEC)"): NATIVE,
    ("files/libraries/trust.py", "os.geteuid"): NATIVE,
    ("files/libraries/trust.py", "os.statvfs"): NATIVE,
    ("files/libraries/trust.py", "st_uid"): NATIVE,
    ("files/lock.py", "getattr(os, O_BINARY)"): "on Windows, so that line ends stay",
    ("files/windows_rules.py", "os.name"): "the rules of Windows for names and open files",
    ("forecasting/artifact.py", "st_dev"): SAME,
    ("forecasting/artifact.py", "st_ino"): SAME,
    ("layers/machine.py", "/proc/meminfo"): "missing: memory does not limit parallel members",
    ("layers/machine.py", "hasattr(os, sched_getaffinity)"): "missing: all cores are counted",
    ("layers/machine.py", "os.sched_getaffinity"): "missing: all cores are counted",
    ("layers/native/library.py", "import ctypes"): NATIVE,
    ("layers/native/registered.py", "import ctypes"): NATIVE,
    ("layers/runtime.py", "os.dup2"): SAME,
    ("search/processes.py", "/proc/"): "missing: memory is 0, and --trial-memory is refused",
    ("search/processes.py", "get_context"): "spawn is the only way on Windows",
    ("search/processes.py", "getattr(signal, SIGKILL)"): "missing on Windows: codes in its place",
    ("search/lost_parent.py", "os.getppid"): "on Windows the handle of the parent is asked too",
    ("search/processes.py", "os.sysconf"): "not reached without /proc",
    ("search/processes.py", "signal.SIGINT"): SAME,
    ("search/processes.py", "signal.SIGTERM"): SAME,
    ("search/processes.py", "signal.SIG_IGN"): SAME,
    (
        "search/start.py",
        "os.name",
    ): "on Windows a locked journal cannot be read, and is taken for one",
    ("serving/served_models.py", "st_ctime_ns"): "the time of birth on Windows: st_mtime_ns too",
    ("serving/served_models.py", "st_ino"): SAME,
    ("serving/server.py", "getattr(socket, SO_EXCLUSIVEADDRUSE)"): "the option of Windows alone",
    ("serving/connection_shares.py", "get_context"): "spawn; asyncio on Windows accepts by itself, "
    "so that shares are not even there",
    ("serving/server.py", "import resource"): "missing on Windows: no limit is raised",
    ("serving/server.py", "socket.SO_REUSEADDR"): "not on Windows, where others could listen too",
    ("serving/worker_processes.py", "get_context"): "spawn is the only way on Windows",
    ("serving/worker_processes.py", "os.kill"): "on Windows ends the process at once",
    ("serving/worker_processes.py", "signal.SIGTERM"): "on Windows ends the process at once",
}
"""Module and call -> what is done on systems other than Linux."""


def test_every_call_that_differs_elsewhere_has_a_row() -> None:
    found = platform_calls()
    assert found - set(ELSEWHERE) == set(), "say in ELSEWHERE what Windows and macOS do there"
    assert set(ELSEWHERE) - found == set(), "rows of calls that are gone"
    assert not [call for _, call in found if call.endswith("without encoding")]


@pytest.mark.parametrize(
    "name",
    ["CON", "con.csv", "Lpt1.tar.gz", "nul ", "COM\u00b9", "a:b", "run.", "run ", "a?b", "a\x01"],
)
def test_names_that_windows_does_not_have(name: str) -> None:
    assert unusable_on_windows(name)


@pytest.mark.parametrize("name", ["run", "console", "com", "com10", ".", "..", ".run.old", "a.b c"])
def test_names_that_windows_has(name: str) -> None:
    assert unusable_on_windows(name) == ""


def test_on_windows_such_names_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    check_writable(tmp_path / "aux" / "run")
    monkeypatch.setattr(windows_rules, "WINDOWS", True)
    with pytest.raises(OutputError, match="'aux' is the name of a device"):
        check_writable(tmp_path / "aux" / "run")
    with pytest.raises(OutputError, match="cannot have ':'"):
        check_file(tmp_path / "a.csv:b", lambda _: True, "forecast")
    (tmp_path / "a.csv").write_text("ds,y\n2024-01-01,1\n2024-01-02,2\n")
    assert main(["fit", str(tmp_path / "a.csv"), "--out", str(tmp_path / "prn")]) == 2
    assert "give another name" in capsys.readouterr().err
    assert not (tmp_path / "prn").exists()


@pytest.mark.parametrize("refusals", [0, 1, 5])
def test_a_file_that_another_has_open_is_replaced_once_it_is_free(
    refusals: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = os.replace

    def busy(source: Path, target: Path) -> None:
        calls.append(target)
        if len(calls) <= refusals:
            raise PermissionError(13, "in use")
        real(source, target)

    write_file(tmp_path / "a", b"old")
    monkeypatch.setattr(windows_rules, "WINDOWS", True)
    monkeypatch.setattr(windows_rules, "TRY_SECONDS", 0.0)
    monkeypatch.setattr(os, "replace", busy)
    write_file(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert len(calls) == refusals + 1


def without(name: str, monkeypatch: pytest.MonkeyPatch, module: str) -> types.ModuleType:
    """Import a module of the package again on a system without something."""
    package, _, own = module.rpartition(".")
    importlib.import_module(module)
    # the import sets it; so it is set back afterwards
    monkeypatch.setattr(sys.modules[package], own, sys.modules[module])
    monkeypatch.delattr(name)
    monkeypatch.delitem(sys.modules, module)
    return importlib.import_module(module)


def test_workers_of_a_system_without_sigkill(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = without("signal.SIGKILL", monkeypatch, "forecast.search.processes")
    assert not hasattr(signal, "SIGKILL")
    assert signal.SIGTERM in processes._KILLS


def test_a_worker_whose_parent_is_gone_by_its_handle_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    from forecast.search import lost_parent

    handle = types.SimpleNamespace(is_alive=lambda: False)
    assert lost_parent.parent_is_running(os.getppid())
    monkeypatch.setattr(lost_parent.multiprocessing, "parent_process", lambda: handle)
    assert not lost_parent.parent_is_running(os.getppid())


def test_a_limit_that_cannot_be_kept_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from forecast.search import workers

    assert workers.Resources(memory=100.0).limits.memory == 100.0
    monkeypatch.setattr(workers, "used_memory", lambda _: 0.0)
    assert workers.Resources().limits.memory is None
    with pytest.raises(ConfigError, match="--trial-memory"):
        workers.Resources(memory=100.0)


def test_ports_and_open_files_without_what_windows_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    from forecast.cluster import part_files
    from forecast.serving import server

    monkeypatch.setitem(sys.modules, "resource", None)
    part_files.allow_files(10**6)
    server._raise_open_files()
    listener = server._listen("127.0.0.1", 0)
    listener.close()


def test_a_table_is_piped_in_on_a_disk_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from forecast.data.formats import standard_input

    def refuse(*_: object) -> None:
        raise OSError(1, "Operation not permitted")

    (tmp_path / "a").write_bytes(b"PAR1")
    monkeypatch.setattr(Path, "hardlink_to", refuse)
    standard_input._copy(tmp_path / "a", tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == b"PAR1"
