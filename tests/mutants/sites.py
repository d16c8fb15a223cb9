"""Mutants of a file: places where one change of the code takes a check away, or moves its bound.

negated    the condition of an `if`, `while`, conditional expression or comprehension
compared   `<` to `<=`, `==` to `!=`, `in` to `not in`, `is` to `is not`, and back
joined     `and` to `or`, and back
part       one of the conditions that `and` or `or` joins is left out
raise      a `raise` does nothing
call       a call of a check, or the report of an error, does nothing
bound      a number in a comparison, a limit or a field of a form is one more, or twice as large
answer     `return True` to `return False`, and back
least      `min` to `max`, `any` to `all`, and back
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path

Checks = set[ast.AST]

SWAPPED: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.And: ast.Or,
    ast.Or: ast.And,
}

OPPOSITE = (ast.Eq, ast.NotEq, ast.In, ast.NotIn, ast.Is, ast.IsNot)
"""Comparisons whose swap is their negation."""

LEAST = {"min": "max", "max": "min", "any": "all", "all": "any"}

CHECK = re.compile(r"_?(check|refuse|require|verify|allow|report|error|warn)(_\w+)?")
"""Names of functions that refuse something."""

FIELDS = {"ge", "gt", "le", "lt", "min_length", "max_length"}
"""Bounds of a form."""

SHOWN = 90
"""Letters of the code before and after a change that a key has."""


@dataclass(frozen=True)
class Mutant:
    """A change of one place.

    Attributes:
        file: from the root of the repository.
        within: the function or class that the place is in.
        kind: of the change, as in the docstring of the module.
        lines: first and last line of the place.
        span: first byte of the place, and the first after it.
        before: code of the place.
        after: code that replaces it.
        line: code of its first line, which tells numbers apart.
        number: among equal changes of one function, from 1.
    """

    file: str
    within: str
    kind: str
    lines: tuple[int, int]
    span: tuple[int, int]
    before: str
    after: str
    line: str
    number: int = 1

    @property
    def key(self) -> str:
        """Name that stays the same when other lines of the file change."""
        before = _short(self.before)
        if self.kind in ("bound", "least"):
            before = f"{_short(self.line)}: {before}"
        times = "" if self.number == 1 else f" ({self.number})"
        return f"{self.file} {self.within}: {before} -> {_short(self.after)}{times}"

    def applied(self, source: bytes) -> bytes:
        """Return the file with the change."""
        begin, end = self.span
        return source[:begin] + self.after.encode() + source[end:]


def mutants_of(path: Path, name: str, *, checks_only: bool = False) -> list[Mutant]:
    """Return all mutants of a file.

    Args:
        path: the file.
        name: its name in keys.
        checks_only: only those in conditions that lead to a `raise` or a report, and in these
            themselves.
    """
    source = path.read_bytes()
    tree = ast.parse(source)
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    checks: Checks | None = None
    if checks_only:
        checks = set(_checks(tree))

    found: list[Mutant] = []
    times: Counter[str] = Counter()
    for within, node, kind, after in _changes(tree, "module", checks):
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        lines = (node.lineno, node.end_lineno or node.lineno)
        before = source[begin:end].decode()
        line = source[starts[lines[0] - 1] : starts[lines[0]]].decode()
        mutant = Mutant(name, within, kind, lines, (begin, end), before, after, line)
        times[mutant.key] += 1
        found.append(replace(mutant, number=times[mutant.key]))
    return found


def _short(code: str) -> str:
    line = " ".join(code.split())
    if len(line) > SHOWN:
        line = f"{line[: SHOWN - 40]} ... {line[-35:]}"
    return line


def _checks(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield every node that belongs to a check."""
    for node in ast.walk(tree):
        whole: ast.AST | None = None
        if isinstance(node, ast.If) and any(map(_refuses, node.body)):
            whole = node.test
        elif isinstance(node, ast.stmt) and _refuses(node):
            whole = node
        if whole is not None:
            yield from ast.walk(whole)


def _refuses(node: ast.stmt) -> bool:
    return isinstance(node, ast.Raise) or _is_check_call(node)


def _is_check_call(node: ast.AST) -> bool:
    if not isinstance(node, ast.Expr):
        return False
    call = node.value
    if isinstance(call, ast.Await):
        call = call.value
    if not isinstance(call, ast.Call):
        return False
    name = ast.unparse(call.func).rpartition(".")[2]
    return CHECK.fullmatch(name) is not None


Change = tuple[str, ast.expr | ast.stmt, str, str]


def _changes(node: ast.AST, within: str, checks: Checks | None) -> Iterator[Change]:
    """Yield function, place, kind and new code of every change below a node."""
    for child in ast.iter_child_nodes(node):
        inner = within
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = child.name
        if _is_for_types(child) or isinstance(child, ast.JoinedStr):
            continue
        if checks is None or child in checks:
            for place, kind, after in _changes_of(child, within):
                yield within, place, kind, after
        if not isinstance(child, ast.Raise):  # the words of a message are no check
            yield from _changes(child, inner, checks)


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


Found = tuple[ast.expr | ast.stmt, str, str]


def _changes_of(node: ast.AST, within: str) -> Iterator[Found]:
    """Yield place, kind and new code of the changes of one node."""
    for test in _tests(node):
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield test, "negated", f"({ast.unparse(test.operand)})"
        elif not (isinstance(test, ast.Compare) and isinstance(test.ops[0], OPPOSITE)):
            yield test, "negated", f"(not ({ast.unparse(test)}))"
    if isinstance(node, ast.Compare):
        yield from _of_comparison(node)
    elif isinstance(node, ast.BoolOp):
        yield from _of_junction(node)
    elif isinstance(node, ast.Raise):
        yield node, "raise", "pass"
    elif _is_check_call(node):
        assert isinstance(node, ast.Expr)
        yield node, "call", "pass"
    elif isinstance(node, ast.Return) and isinstance(node.value, ast.Constant):
        if isinstance(node.value.value, bool):
            yield node, "answer", f"return {not node.value.value}"
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in LEAST:
        yield node.func, "least", LEAST[ast.unparse(node.func)]
    elif _is_limit(node, within):
        assert isinstance(node, ast.keyword | ast.Assign | ast.AnnAssign)
        yield from _of_numbers(node.value)


def _tests(node: ast.AST) -> list[ast.expr]:
    """Return the conditions of a node."""
    if isinstance(node, ast.If | ast.While | ast.IfExp):
        return [node.test]
    if isinstance(node, ast.comprehension):
        return node.ifs
    return []


def _of_comparison(node: ast.Compare) -> Iterator[Found]:
    for place, operator in enumerate(node.ops):
        changed = deepcopy(node)
        changed.ops[place] = SWAPPED[type(operator)]()  # type: ignore[call-overload]
        yield node, "compared", f"({ast.unparse(changed)})"
    for part in (node.left, *node.comparators):
        yield from _of_numbers(part)


def _of_junction(node: ast.BoolOp) -> Iterator[Found]:
    changed = deepcopy(node)
    changed.op = SWAPPED[type(node.op)]()  # type: ignore[assignment]
    yield node, "joined", f"({ast.unparse(changed)})"
    for place in range(len(node.values)):
        rest = deepcopy(node)
        del rest.values[place]
        kept: ast.expr = rest
        if len(rest.values) == 1:
            kept = rest.values[0]
        yield node, "part", f"({ast.unparse(kept)})"


def _is_limit(node: ast.AST, within: str) -> bool:
    """Return whether a node sets a limit: of a form, of a module, or in a class of limits."""
    if isinstance(node, ast.keyword):
        return node.arg in FIELDS
    if not isinstance(node, ast.Assign | ast.AnnAssign):
        return False
    target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
    return isinstance(target, ast.Name) and (target.id.isupper() or within == "Limits")


def _of_numbers(node: ast.expr | None) -> Iterator[Found]:
    """Yield a larger number in place of a number; of a power the exponent is larger."""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        node = node.right
    if not isinstance(node, ast.Constant) or isinstance(node.value, bool):
        return
    if isinstance(node.value, int) and abs(node.value) <= 100:
        yield node, "bound", f"{node.value + 1}"
    elif isinstance(node.value, int | float):
        yield node, "bound", f"{2 * node.value or 1.0}"
