"""Write the generated parts of `docs/`: the table of settings, and messages about damaged tables.

.venv/bin/python scripts/write_documents.py
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from forecast import diagnose
from forecast.cli.proposals import command_line
from forecast.experiment.schema import with_table

DOCS = Path(__file__).resolve().parent.parent / "docs"
EXAMPLE = re.compile(r"^```csv\n(?P<table>.*?)^```\n\n```text\n.*?^```$", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Rewrite both pages."""
    for name, renew in (("configuration.md", with_table), ("bad-data.md", with_answers)):
        page = DOCS / name
        page.write_text(renew(page.read_text(encoding="utf-8")), encoding="utf-8")


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
