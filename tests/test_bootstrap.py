"""The set-up, run as a user runs it, with a `uv` that installs nothing and records its calls."""

from __future__ import annotations

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts" / "bootstrap.py"
SOURCES = ("requirements.txt", "constraints.txt", "pyproject.toml")
BASE_PYTHON = os.path.realpath(sys.executable)

FAKE_UV = f"""#!/bin/sh
echo "$@" >> "$UV_LOG"
case "$1" in
  --version) echo "uv 0" ;;
  venv) exec "{BASE_PYTHON}" -m venv --without-pip "$5" ;;
  pip)
    [ -z "$UV_WAIT" ] || exec sleep "$UV_WAIT"
    [ -z "$UV_FAIL" ] || {{ echo "no route to index" >&2; exit 1; }} ;;
esac
"""


@dataclass(frozen=True)
class Project:
    """A folder with the files the set-up reads, and its own PATH."""

    folder: Path
    path: Path

    @property
    def stamp(self) -> Path:
        return self.folder / ".venv" / "bootstrap.json"

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        environment = {
            "PATH": f"{self.path}:/usr/bin:/bin",
            "UV_LOG": str(self.path / "log"),
            **env,
        }
        command = [BASE_PYTHON, str(self.folder / "scripts" / "bootstrap.py"), *arguments]
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )

    def run(self, *arguments: str, **env: str) -> tuple[int, str, str]:
        with self.start(*arguments, **env) as process:
            out, error = process.communicate(timeout=30)
            return process.returncode, out, error

    def asked(self, word: str) -> list[str]:
        """The calls of the installer so far that begin with a word."""
        log = self.path / "log"
        return (
            [line for line in log.read_text().splitlines() if line.startswith(word)]
            if log.exists()
            else []
        )


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder, path = tmp_path / "project", tmp_path / "bin"
    (folder / "scripts").mkdir(parents=True)
    path.mkdir()
    shutil.copy(SCRIPT, folder / "scripts")
    for name in SOURCES:
        shutil.copy(ROOT / name, folder)
    executable(path / "uv", FAKE_UV)
    return Project(folder, path)


def executable(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)


def until(condition: Callable[[], object]) -> None:
    """Wait until a call gives something true."""
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end, "waited 10 s in vain"
        time.sleep(0.01)


def test_the_first_run_installs_and_the_second_is_ready_at_once(project: Project) -> None:
    status, out, error = project.run()
    assert (status, error) == (0, "")
    assert "ready in" in out
    (install,) = project.asked("pip install")
    assert "--compile-bytecode" in install
    assert f"--constraint {project.folder}/constraints.txt --editable {project.folder}" in install

    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        assert project.run() == (0, "", "")
        seconds.append(time.perf_counter() - start)
    assert min(seconds) < 0.3
    assert len(project.asked("pip install")) == 1


@pytest.mark.parametrize("name", SOURCES)
def test_a_changed_file_is_installed_into_the_same_environment(project: Project, name: str) -> None:
    project.run("--extras", "test")
    with (project.folder / name).open("a") as file:
        file.write("\n# changed\n")
    assert project.run()[0] == 0
    assert len(project.asked("venv")) == 1
    assert [f"{project.folder}[test]" in line for line in project.asked("pip install")] == [
        True,
        True,
    ]
    assert project.run() == (0, "", "")


def test_an_environment_with_more_extras_serves_those_who_ask_for_fewer(project: Project) -> None:
    project.run()
    project.run("--extras", "test")
    for arguments in ([], ["--extras", "test"]):
        assert project.run(*arguments) == (0, "", "")
    assert [f"{project.folder}[test]" in line for line in project.asked("pip install")] == [
        False,
        True,
    ]
    assert project.run("--extras", "bayesian")[0] == 0
    assert f"{project.folder}[bayesian,test]" in project.asked("pip install")[-1]


def test_a_failed_installation_is_one_line_below_the_installers_own_and_is_tried_again(
    project: Project,
) -> None:
    status, _, error = project.run(UV_FAIL="yes")
    told, message = error.splitlines()
    assert (status, told) == (2, "no route to index")
    assert re.match(
        r"set-up failed: uv could not install .* check the connection .* run this again", message
    )
    assert not project.stamp.exists()

    assert project.run()[0] == 0
    assert len(project.asked("venv")) == 1, (
        "an installer that ended by itself leaves a whole environment"
    )


def test_a_killed_set_up_is_made_anew(project: Project) -> None:
    project.run()
    (project.folder / "requirements.txt").write_text("numpy\n")
    half_made = project.folder / ".venv" / "half-made"
    with project.start(UV_WAIT="30") as process:
        until(lambda: len(project.asked("pip install")) == 2)
        half_made.touch()
        os.killpg(process.pid, signal.SIGKILL)
    assert not project.stamp.exists()

    assert project.run()[0] == 0
    assert not half_made.exists()
    assert project.run() == (0, "", "")


def test_an_environment_made_by_hand_is_kept(project: Project) -> None:
    venv = project.folder / ".venv"
    subprocess.run([BASE_PYTHON, "-m", "venv", "--without-pip", str(venv)], check=True)
    (venv / "mine").touch()
    assert project.run()[0] == 0
    assert (venv / "mine").exists()
    assert project.stamp.exists()


def test_a_moved_folder_gets_an_environment_of_its_own(project: Project) -> None:
    project.run()
    moved = Project(project.folder.rename(project.folder.with_name("moved")), project.path)
    assert moved.run()[0] == 0
    assert project.asked("venv")[-1].endswith(str(moved.folder / ".venv"))


def test_an_environment_whose_python_is_gone_is_made_anew(project: Project) -> None:
    project.run()
    for link in (project.folder / ".venv" / "bin").glob("python*"):
        link.unlink()
        link.symlink_to("/nowhere/python")
    assert project.run()[0] == 0
    assert len(project.asked("venv")) == 2


def test_two_at_once_install_once(project: Project) -> None:
    with project.start(UV_WAIT="1") as first:
        until(lambda: project.asked("pip install"))
        status, out, error = project.run()
        assert (first.wait(), status, error) == (0, 0, "")
    assert out == "set-up: waiting for another set-up of this folder to finish\n"
    assert len(project.asked("pip install")) == 1


def test_an_installer_that_outlives_its_set_up_is_waited_for(project: Project) -> None:
    with project.start(UV_WAIT="1") as orphaned:
        until(lambda: project.asked("pip install"))
        orphaned.kill()
        status, out, error = project.run()
    assert (status, error) == (0, "")
    assert out.startswith(
        "set-up: waiting for another set-up of this folder to finish\nset-up: making .venv"
    )


def run_as(project: Project, version: tuple[int, ...]) -> subprocess.CompletedProcess[str]:
    """Run the set-up with a Python that reports another version, alone on the PATH."""
    executable(
        project.path / "old-python",
        f'#!/bin/sh\n[ "$1" = -c ] && echo {".".join(map(str, version))} || exec "{BASE_PYTHON}" '
        f'"$@"\n',
    )
    script = str(project.folder / "scripts" / "bootstrap.py")
    code = (
        f"import runpy, sys; sys.version_info = {version}; sys.executable = "
        f"{str(project.path / 'old-python')!r}; "
        f"sys.argv = [{script!r}]; runpy.run_path({script!r}, None, '__main__')"
    )
    env = {"PATH": str(project.path), "UV_LOG": str(project.path / "log")}
    return subprocess.run(
        [BASE_PYTHON, "-c", code], env=env, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("version", [(3, 8, 18), (3, 10, 13), (3, 14, 0)])
def test_an_unsupported_python_gets_one_sentence(
    project: Project, version: tuple[int, ...]
) -> None:
    executable(project.path / "python3.12", "#!/bin/sh\nexit 127\n")  # a version manager's stand-in
    done = run_as(project, version)
    assert done.returncode == 2
    (message,) = done.stderr.splitlines()
    assert (
        f"this is Python {version[0]}.{version[1]} and the project needs 3.11, 3.12 or 3.13"
        in message
    )
    assert not (project.folder / ".venv").exists()


def test_a_supported_python_on_the_path_is_found_behind_a_stand_in(project: Project) -> None:
    executable(project.path / "python3.13", "#!/bin/sh\nexit 127\n")
    (project.path / "python3.11").symlink_to(BASE_PYTHON)
    done = run_as(project, (3, 8, 18))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"--python {project.path / 'python3.11'}" in project.asked("venv")[0]


def test_an_old_python_can_read_the_script() -> None:
    ast.parse(SCRIPT.read_text(encoding="utf-8"), feature_version=(3, 6))


def test_the_pinned_set_satisfies_every_range_and_names_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [Requirement(line) for line in lines]
    assert not [line for line in lines if "/" in line or "@" in line]
    for requirement in direct_requirements():
        versions = [
            pin.specifier for pin in pins if canonical(pin.name) == canonical(requirement.name)
        ]
        assert versions, f"{requirement} is not pinned: make lock"
        for version in versions:
            (pinned,) = version
            assert pinned.operator == "=="
            assert requirement.specifier.contains(Version(pinned.version)), (
                f"{requirement}: make lock"
            )


def direct_requirements() -> list[Requirement]:
    """Return the requirements of requirements.txt and of the extras."""
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    base = [line for line in text.splitlines() if line and not line.startswith("#")]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    return [Requirement(line) for lines in (base, *extras.values()) for line in lines]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_a_real_set_up_imports_the_package(tmp_path: Path, installer: str) -> None:
    if installer == "uv" and not shutil.which("uv"):
        pytest.skip("there is no uv on the PATH")
    folder = tmp_path / "project"
    shutil.copytree(
        ROOT, folder, ignore=shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "runs")
    )
    uv = Path(shutil.which("uv") or "/nowhere/uv").parent
    path = os.pathsep.join(
        entry for entry in os.get_exec_path() if installer == "uv" or Path(entry) != uv
    )
    environment = {**os.environ, "PATH": path}
    subprocess.run([BASE_PYTHON, "scripts/bootstrap.py"], cwd=folder, env=environment, check=True)
    code = "import forecast, keras; print(forecast.__file__)"
    shown = subprocess.run(
        [".venv/bin/python", "-c", code], cwd=folder, capture_output=True, text=True, check=True
    )
    assert Path(shown.stdout.strip()) == folder / "forecast" / "__init__.py"
