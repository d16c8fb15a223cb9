"""Stored results of a benchmark, and the page that shows them."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN = "<!-- results -->\n"
END = "<!-- end of results -->"


def read_result(path: Path) -> dict[str, Any]:
    """Return a stored result, empty where there is none."""
    if not path.is_file():
        return {}
    return dict(json.loads(path.read_text(encoding="utf-8")))


def write_result(path: Path, result: Mapping[str, Any]) -> None:
    """Store a result."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def write_between_marks(page: Path, label: str, text: str) -> None:
    """Put the results of a label between the marks of a page."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    body = f"{BEGIN}\nResults `{label}`.\n\n{text}\n\n{END}"
    page.write_text(before + body + after, encoding="utf-8")


def judge_groups(
    options: argparse.Namespace,
    groups: Sequence[str],
    page: Path,
    judge: Callable[..., dict[str, Any]],
    path_of: Callable[[str, str], Path],
    table_text: Callable[[str], str],
) -> None:
    """Judge groups, store their results and show them on the page, as the command line asks for.

    Args:
        options: `label`, `quick` (nothing is stored) and `show` (nothing is judged).
        groups: their names.
        page: with the marks between which the results go.
        judge: from a group, and `quick`, to its result.
        path_of: from label and group to the file of a result.
        table_text: from a label to its stored results as text.
    """
    for group in groups if not options.show else ():
        result = judge(group, quick=options.quick)
        print(group, result, flush=True)
        if not options.quick:
            write_result(path_of(options.label, group), result)
    if options.quick:
        return
    if not options.show:
        write_between_marks(page, options.label, table_text(options.label))
    print(table_text(options.label))


def weights_text(weights: Mapping[str, float]) -> str:
    """Return the kinds of members with their weights, such as `80 % network, 20 % ridge`."""
    ordered = sorted(weights.items(), key=lambda item: -item[1])
    return ", ".join(f"{100 * weight:.0f} % {kind}" for kind, weight in ordered)
