"""A built wheel holds every file of the package, those that are not Python too."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"


def test_a_wheel_holds_every_file_of_the_package(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    for name in ("pyproject.toml", "requirements.txt", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, project)
    ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyc")
    shutil.copytree(ROOT / "forecast", project / "forecast", ignore=ignored)
    files = {
        path.relative_to(project).as_posix()
        for path in (project / "forecast").rglob("*")
        if path.is_file()
    }
    assert {"forecast/py.typed", "forecast/report/page.css"} <= files

    subprocess.run(
        [sys.executable, "-c", BUILD, str(tmp_path)], cwd=project, check=True, capture_output=True
    )
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in names if name.startswith("forecast/")} == files
