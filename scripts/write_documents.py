"""Write the generated parts of `docs/`: the tables of settings, and messages about damaged tables.

.venv/bin/python scripts/write_documents.py
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from forecast import CategorySettings, Classification, NextSymbolSettings, diagnose
from forecast.cli.proposals import command_line
from forecast.experiment.schema import with_table

DOCS = Path(__file__).resolve().parent.parent / "docs"
CLASS_SECTIONS = {
    "classes": Classification,
    "categories": CategorySettings,
    "symbols": NextSymbolSettings,
}
EXAMPLE = re.compile(r"^```csv\n(?P<table>.*?)^```\n\n```text\n.*?^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Rewrite all pages."""
    pages = {
        "configuration.md": with_table,
        "classification-settings.md": with_class_tables,
        "bad-data.md": with_answers,
    }
    for name, renew in pages.items():
        page = DOCS / name
        page.write_text(renew(page.read_text(encoding="utf-8")), encoding="utf-8")


def with_class_tables(page: str) -> str:
    """Return a page with the tables of a classification, of categories and of symbols."""
    for name, root in CLASS_SECTIONS.items():
        page = with_table(page, root, f"settings of {name}")
    return page


def with_answers(page: str) -> str:
    """Return a page in which each CSV block is followed by what `forecast check` finds in it."""
    return EXAMPLE.sub(
        lambda one: f"```csv\n{one['table']}```\n\n```text\n{findings(one['table'])}\n```", page
    )


def findings(table: str) -> str:
    """The findings about a CSV text, without the lines on its size and span."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "table.csv")
        file.write_text(table, encoding="utf-8")
        lines = diagnose(file).text(command_line()).splitlines()
    return "\n".join(
        line for line in lines if line.startswith(("error ", "warning ", "note ", " "))
    )


if __name__ == "__main__":
    main()
