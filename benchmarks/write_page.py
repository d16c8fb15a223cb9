"""Writes what is in `results/` into the README: tables between markers, and pictures beside it.

python benchmarks/write_page.py
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fits
import pictures
import steps
import tables
from matplotlib.figure import Figure
from rounds import HERE, Contender

RESULTS, PICTURES, PAGE = HERE / "results", HERE / "pictures", HERE / "README.md"
PRINTED = ("memory", "windows", "epochs", "latency")
"""Benchmarks whose output is shown as they print it."""


def labels(contenders: Mapping[str, Contender]) -> dict[str, str]:
    """Names for tables and pictures."""
    return {name: one.label for name, one in contenders.items()}


def replace_between(page: str, name: str, text: str) -> str:
    """Put a text between `<!-- name -->` and `<!-- end of name -->`.

    Raises:
        ValueError: the page has no such markers.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    if page.count(begin) != 1 or page.count(end) != 1:
        raise ValueError(
            f"the page has no place for {name!r}: write {begin} and {end} into it once"
        )
    before, rest = page.split(begin)
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{rest.split(end)[1]}"


def with_picture(text: str, name: str, title: str) -> str:
    """A text followed by a picture."""
    return f"{text}\n\n![{title}]({PICTURES.name}/{name}.png)"


def steps_section(result: Mapping[str, Any], draw: Callable[[str, Figure], None]) -> str:
    """Table and picture of the steps."""
    names = labels(steps.CONTENDERS)
    draw("steps", pictures.steps_picture(result, names))
    return with_picture(
        tables.steps_text(result, names, steps.OURS), "steps", "milliseconds per step"
    )


def sweep_section(result: Mapping[str, Any], draw: Callable[[str, Figure], None]) -> str:
    """Pictures of the sweep; its numbers are in the JSON file."""
    text = tables.machine_text(result, result["versions"])
    for mode, title in pictures.MODES.items():
        draw(f"sweep_{mode}", pictures.sweep_picture(result, labels(steps.CONTENDERS), mode))
        text = with_picture(text, f"sweep_{mode}", f"{title} over sizes")
    return text


def fits_section(result: Mapping[str, Any], draw: Callable[[str, Figure], None]) -> str:
    """Table and picture of the whole fits."""
    names = labels(fits.CONTENDERS)
    draw("fits", pictures.fits_picture(result, names))
    return with_picture(tables.fits_text(result, names), "fits", "seconds of a whole fit")


SECTIONS = {"steps": steps_section, "sweep": sweep_section, "fits": fits_section}


def write_report(results: Path = RESULTS, page: Path = PAGE) -> None:
    """Bring the page up to date with those results that are there."""
    folder = page.parent / PICTURES.name
    folder.mkdir(exist_ok=True)

    def draw(name: str, figure: Figure) -> None:
        figure.savefig(folder / f"{name}.png", dpi=130)

    text = page.read_text(encoding="utf-8")
    for name, section in SECTIONS.items():
        path = results / f"{name}.json"
        if path.exists():
            text = replace_between(
                text, name, section(json.loads(path.read_text(encoding="utf-8")), draw)
            )
    for name in PRINTED:
        path = results / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text(encoding="utf-8"))
            lines = "\n".join(found["output"])
            text = replace_between(
                text, name, f"{tables.machine_text(found, {})}\n\n```text\n{lines}\n```"
            )
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_report()
