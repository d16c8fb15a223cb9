"""Check how calm the code is: packed statements per 1,000 code lines, and how docstrings begin.

    python scripts/check_style.py                  the package, as the test command does
    python scripts/check_style.py forecast/data    folders or files, with the place of each count

Limits, per 1,000 lines that hold code: 4 parallel assignments (`a, b = x, y`) and 12 conditional
expressions (`x if c else y`). No docstring begins with "What", "Who" or "How", and no line is
longer than 100 characters; the linter lets lines pass that end with one of its comments.
"""

from __future__ import annotations

import ast
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_PARALLEL = 4.0
MAX_CONDITIONAL = 12.0
MAX_LENGTH = 100
DIALECT = re.compile(r"(What|Who|How)\b")

NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


@dataclass
class Counts:
    """Places of everything that is counted, as `FILE:LINE`."""

    code_lines: int = 0
    parallel: list[str] = field(default_factory=list)
    conditional: list[str] = field(default_factory=list)
    dialect: list[str] = field(default_factory=list)
    long: list[str] = field(default_factory=list)

    def per_thousand(self, places: list[str]) -> float:
        """Return a count per 1,000 code lines."""
        return 1000 * len(places) / max(self.code_lines, 1)


def docstrings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Yield every string that stands alone as a statement."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Constant):
            continue
        if isinstance(node.value.value, str):
            yield node.value


def is_parallel(node: ast.AST) -> bool:
    """Return whether a statement assigns several values written out; a swap is not counted."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    target = node.targets[0]
    if not isinstance(target, ast.Tuple):
        return False
    names = sorted(ast.unparse(name) for name in target.elts)
    values = sorted(ast.unparse(value) for value in node.value.elts)
    return names != values


def count(path: Path, counts: Counts) -> None:
    """Add the counts of one file."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    strings = list(docstrings(tree))

    lines = set()
    with path.open("rb") as source:
        for token in tokenize.tokenize(source.readline):
            if token.type not in NO_CODE:
                lines.update(range(token.start[0], token.end[0] + 1))
    for string in strings:
        lines.difference_update(range(string.lineno, (string.end_lineno or string.lineno) + 1))
    counts.code_lines += len(lines)

    name = path.resolve()
    if name.is_relative_to(ROOT):
        name = name.relative_to(ROOT)
    for node in ast.walk(tree):
        if is_parallel(node):
            counts.parallel.append(f"{name}:{node.lineno}")  # type: ignore[attr-defined]
        if isinstance(node, ast.IfExp):
            counts.conditional.append(f"{name}:{node.lineno}")
    for string in strings:
        if DIALECT.match(str(string.value).lstrip()):
            counts.dialect.append(f"{name}:{string.lineno}")
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_LENGTH:
            counts.long.append(f"{name}:{number}")


def count_all(paths: list[Path]) -> Counts:
    """Count every Python file of some folders and files."""
    counts = Counts()
    for path in paths:
        files = [path] if path.is_file() else sorted(path.rglob("*.py"))
        for file in files:
            count(file, counts)
    return counts


def main(arguments: list[str]) -> int:
    """Print the counts; 1 if a limit is passed."""
    paths = [Path(argument) for argument in arguments] or [ROOT / "forecast"]
    counts = count_all(paths)
    rows = [
        ("parallel assignments", counts.parallel, MAX_PARALLEL),
        ("conditional expressions", counts.conditional, MAX_CONDITIONAL),
        ("docstrings that begin with What, Who or How", counts.dialect, 0.0),
        (f"lines over {MAX_LENGTH} characters", counts.long, 0.0),
    ]
    failed = False
    for name, places, limit in rows:
        share = counts.per_thousand(places)
        verdict = "ok"
        if share > limit:
            verdict = "TOO MANY"
            failed = True
        print(f"{share:6.1f} {name} per 1,000 code lines (limit {limit:g}): {verdict}")
        if arguments:
            print("".join(f"         {place}\n" for place in places), end="")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
