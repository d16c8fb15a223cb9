"""Imported packages are declared, wheels are the same bytes twice, and the SBOM is whole."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def plain(name: str) -> str:
    """Return the name of a distribution as it is compared."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name.strip())[0]).lower()


def declared() -> set[str]:
    """Every distribution that requirements and extras name."""
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [each for extra in project["optional-dependencies"].values() for each in extra]
    return {plain(line) for line in [*lines, *extras] if line.strip() and line.strip()[0] != "#"}


def imported() -> dict[str, Path]:
    """Every package that the code imports, with a file that does."""
    found = {}
    for path in sorted((ROOT / "forecast").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            found |= {name.partition(".")[0]: path for name in names}
    return {
        name: path
        for name, path in found.items()
        if name not in sys.stdlib_module_names and name != "forecast"
    }


def test_every_package_that_is_imported_is_declared() -> None:
    distributions = packages_distributions()
    known = declared()
    missing = {
        name: str(path.relative_to(ROOT))
        for name, path in imported().items()
        # a package that is not installed here has the name of its distribution
        if known.isdisjoint(map(plain, distributions.get(name, [name])))
    }
    # run by another Python, which has it; see `backtest.peers`
    missing.pop("statsforecast", None)
    assert missing == {}


def released(tmp_path: Path, *words: str) -> list[Path]:
    """Release twice, in other folders and zones of time, and return the wheels."""
    wheels = []
    for number in range(2):
        folder = tmp_path / str(number)
        place = tmp_path / ("short", "a much longer name of a folder")[number]
        place.mkdir()
        subprocess.run(
            [sys.executable, str(ROOT / "scripts" / "release.py"), *words, str(folder)],
            check=True,
            capture_output=True,
            env={**os.environ, "TZ": ("UTC", "Asia/Tokyo")[number], "TMPDIR": str(place)},
        )
        wheels += folder.glob("*.whl")
    return wheels


@pytest.mark.proof
def test_a_wheel_is_the_same_bytes_twice(tmp_path: Path) -> None:
    first, second = released(tmp_path, "--plain")
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(shutil.which("c++") is None, reason="needs a C++ compiler")
def test_a_wheel_with_compiled_loops_is_the_same_bytes_twice(tmp_path: Path) -> None:
    first, second = released(tmp_path)
    assert first.name == second.name
    with zipfile.ZipFile(first) as archive, zipfile.ZipFile(second) as other:
        assert archive.namelist() == other.namelist()
        differing = [name for name in archive.namelist() if archive.read(name) != other.read(name)]
        assert differing == []
        libraries = {name for name in archive.namelist() if name.endswith(".so")}
        for name in libraries:
            for word in (str(tmp_path), str(ROOT), "/tmp/", "/home/"):
                assert word.encode() not in archive.read(name)
        digests = {name: hashlib.sha256(archive.read(name)).hexdigest() for name in libraries}
    assert len(libraries) >= 2
    assert first.read_bytes() == second.read_bytes()

    bills = [path.with_name("sbom.json").read_text() for path in (first, second)]
    assert bills[0] == bills[1]
    bill = json.loads(bills[0])
    listed = {part["name"]: part for part in bill["components"]}
    assert {name: listed[name]["hashes"][0]["content"] for name in libraries} == digests
    assert listed["libstdc++"]["version"] in compiler_version()
    whole = hashlib.sha256(first.read_bytes()).hexdigest()
    assert bill["metadata"]["component"]["hashes"] == [{"alg": "SHA-256", "content": whole}]


def compiler_version() -> str:
    words = ["c++", "-dumpfullversion"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def test_the_bill_of_materials_names_every_dependency(tmp_path: Path) -> None:
    path = tmp_path / "sbom.json"
    subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "audit.py"), "--sbom", str(path)],
        check=True,
        capture_output=True,
    )
    document = json.loads(path.read_text())
    assert document["bomFormat"] == "CycloneDX"
    names = {plain(part["name"]) for part in document["components"]}
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert {plain(line) for line in lines if line.strip() and line[0] != "#"} <= names
    assert all(part["version"] and part["purl"] for part in document["components"])
