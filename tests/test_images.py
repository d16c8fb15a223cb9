"""The steps of the images, run in fresh virtual environments: there is no Docker on most machines.

What this does not show is the base image and its user.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving.service import rows_of, save_model, table

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docker"
IMAGES = ("Dockerfile", "train.Dockerfile")


def instructions(name: str) -> list[tuple[str, str]]:
    """Pairs of instruction and arguments, continued lines joined."""
    lines = [line for line in (FOLDER / name).read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [
        (line.split(maxsplit=1)[0], " ".join(line.split(maxsplit=1)[1].split()))
        for line in joined.splitlines()
        if line.strip()
    ]


def context(name: str, folder: Path) -> None:
    """Copy what Docker would send: what the file beside the image does not leave out."""
    lines = (FOLDER / f"{name}.dockerignore").read_text().splitlines()
    kept = [line.removeprefix("!") for line in lines if line.startswith("!")]
    folder.mkdir()
    for each in kept:
        source = ROOT / each
        if source.is_dir():
            shutil.copytree(source, folder / each, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / each)


def run_steps(name: str, folder: Path) -> Path:
    """Build as the image does; return the environment.

    Folders of the image are folders in `folder`, and its Python is a virtual environment.
    """
    context(name, folder / "src")
    environment = folder / "python"
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    path = f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}"
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    here = folder
    for instruction, arguments in instructions(name):
        given = re.sub(r"(?<![\w.])/(src|wheels|install)\b", rf"{folder}/\1", arguments)
        if instruction == "WORKDIR" and given.startswith(str(folder)):
            here = Path(given)
            here.mkdir(exist_ok=True)
        elif instruction == "COPY" and given.startswith("--from=build "):
            *sources, _ = given.split()[1:]
            subprocess.run(f"cp {' '.join(sources)} .", shell=True, check=True, cwd=here)
        elif instruction == "RUN" and not re.match(r"apt-get|useradd", given):
            subprocess.run(given, shell=True, check=True, cwd=here, env={**variables, "PATH": path})
    return environment


@pytest.mark.parametrize("name", IMAGES)
def test_the_images_are_built_from_what_a_checkout_has(name: str, tmp_path: Path) -> None:
    context(name, tmp_path / "src")
    steps = instructions(name)
    assert [instruction for instruction, _ in steps].count("FROM") == 2
    copied = [given for instruction, given in steps if instruction == "COPY"]
    for path in re.findall(r"/src/(\S+)", " ".join(copied)):
        assert (tmp_path / "src" / path).is_file()
    assert ("USER", "forecast") in steps, "no process of root"


@pytest.mark.slow
@pytest.mark.timeout(1800)  # the loops are compiled three times
def test_the_slim_image_forecasts_and_serves_without_tensorflow(tmp_path: Path) -> None:
    environment = run_steps("Dockerfile", tmp_path)
    python = environment / "bin" / "python"
    command = environment / "bin" / "forecast"
    wheel = next((tmp_path / "wheels").glob("*.whl"))
    listed = subprocess.run(
        [python, "-m", "zipfile", "-l", wheel], capture_output=True, text=True, check=True
    ).stdout
    assert ".so" in listed, "the loops are compiled"
    for package in ("tensorflow", "keras", "matplotlib", "grpc"):
        found = subprocess.run(
            [python, "-c", f"import {package}"], check=False, capture_output=True
        )
        assert found.returncode, package

    save_model(tmp_path / "shop")
    frame = table()
    frame.to_csv(tmp_path / "sales.csv", index=False)
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [command, "predict", tmp_path / "shop", tmp_path / "sales.csv"],
        check=False,
        capture_output=True,
        text=True,
        env=variables,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "s0" in done.stdout

    asked = f"""
import json, subprocess, sys, urllib.request
process = subprocess.Popen([{str(command)!r}, "serve", "shop", "--port", "0"],
                           stdout=subprocess.PIPE, text=True)
address = next(line for line in process.stdout if line.startswith("ready: ")).split()[1]
body = json.dumps({{"rows": json.load(open("rows.json"))}}).encode()
request = urllib.request.Request(address + "/predict", body, {{"Content-Type": "application/json"}})
print(len(json.load(urllib.request.urlopen(request, timeout=30))["rows"]))
process.terminate()
sys.exit(process.wait(30))
"""
    (tmp_path / "rows.json").write_text(json.dumps(rows_of(frame)))
    done = subprocess.run(
        [python, "-c", asked],
        check=False,
        capture_output=True,
        text=True,
        env=variables,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(3 * 7)
