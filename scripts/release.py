"""Build what a release has: a wheel that is the same bytes on every build, and the SBOM.

    python scripts/release.py FOLDER            with the compiled loops
    python scripts/release.py --plain FOLDER    without them

The time in the wheel is that of the last commit, files have one order and one mode, and no path is
in the compiled loops, so that two builds of one commit with one compiler can be compared. The bill
of materials has the wheel, what is compiled in it, and all that an installation stands on.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FILES = ("pyproject.toml", "requirements.txt", "README.md", "LICENSE", "setup.py")
BUILD = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
FIRST_TIME = (1980, 1, 1, 0, 0, 0)
"""Earliest time that a zip archive can have."""


def commit_time() -> str:
    """Return the seconds of the last commit; those of 1980 where there is none."""
    words = ["git", "log", "-1", "--format=%ct"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "315619200"


def build(folder: Path, *, plain: bool) -> Path:
    """Build a wheel.

    Args:
        folder: where it goes.
        plain: without the compiled loops.

    Raises:
        SystemExit: the loops were to be compiled and are not in the wheel.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        project = Path(place) / "project"
        project.mkdir()
        for name in FILES:
            if not (plain and name == "setup.py"):
                shutil.copy(ROOT / name, project)
        ignored = shutil.ignore_patterns("__pycache__", "*.so", "*.pyc")
        shutil.copytree(ROOT / "forecast", project / "forecast", ignore=ignored)
        environment = {**os.environ, "SOURCE_DATE_EPOCH": commit_time(), "PYTHONHASHSEED": "0"}
        words = [sys.executable, "-c", BUILD, place]
        subprocess.run(words, cwd=project, env=environment, check=True)
        (built,) = Path(place).glob("*.whl")
        if not plain and not any(
            name.endswith(".so") for name in zipfile.ZipFile(built).namelist()
        ):
            sys.exit(
                "the loops in C++ could not be compiled, see above: install a C++ compiler, or "
                "build a wheel without them with --plain"
            )
        return _in_order(built, folder / built.name)


def _in_order(built: Path, target: Path) -> Path:
    """Write an archive again, with one order, time and mode of its files."""
    with zipfile.ZipFile(built) as source, zipfile.ZipFile(target, "w") as archive:
        for name in sorted(source.namelist()):
            entry = zipfile.ZipInfo(name, FIRST_TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o100644 << 16
            archive.writestr(entry, source.read(name))
    return target


def main() -> int:
    """Build, and say what was written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plain", action="store_true", help="without the compiled loops")
    options = parser.parse_args()
    wheel = build(options.folder, plain=options.plain)
    print(f"wrote {wheel}")
    bill = options.folder / "sbom.json"
    words = [str(ROOT / "scripts/audit.py"), "--sbom", str(bill), "--wheel", str(wheel)]
    subprocess.run([sys.executable, *words], check=True)
    print(f"wrote {bill}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
