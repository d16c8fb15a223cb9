"""Run the notebooks and the essay of `examples/` again, and store their output and figures.

.venv/bin/python scripts/write_examples.py [NOTEBOOK ...]

A notebook is its own source: edit it anywhere, then run this. Each runs from its first cell to its
last in its own process and folder. The files contain no times and no paths, so equal results are
equal bytes.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import os
import runpy
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir, redirect_stdout
from multiprocessing import get_context
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
DOTS_PER_INCH = 72
MAGIC = "%matplotlib inline\n"
"""Shows figures in a notebook; here `shown` does that."""

Notebook = dict[str, Any]


def read_notebook(path: Path) -> Notebook:
    """Return a notebook without anything that differs between runs or editors."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    for number, cell in enumerate(cells, 1):
        cell.update(id=f"cell-{number:02}", metadata={}, source="".join(cell["source"]))
    digest = hashlib.sha256(
        json.dumps([cell["source"] for cell in code_of(cells)]).encode()
    ).hexdigest()
    about = {"kernelspec": KERNEL, "language_info": {"name": "python"}, "sources_that_ran": digest}
    return {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


def code_of(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the cells with code."""
    return [cell for cell in cells if cell["cell_type"] == "code"]


def run_notebook(notebook: Notebook) -> dict[str, Any]:
    """Run all cells in the current folder, store their outputs, and return their names."""
    names: dict[str, Any] = {"__name__": "notebook"}
    for number, cell in enumerate(code_of(notebook["cells"]), 1):
        cell.update(execution_count=number, outputs=run_cell(cell["source"], number, names))
    return names


def run_cell(source: str, number: int, names: dict[str, Any]) -> list[dict[str, Any]]:
    """Run one cell; return its output and its last expression, as a kernel does."""
    body = ast.parse(source.removeprefix(MAGIC)).body
    last = None
    if body and isinstance(body[-1], ast.Expr):
        last = ast.Expression(body[-1].value)
        body.pop()
    value = None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(ast.Module(body, []), f"cell {number}", "exec"), names)
        if last:
            value = eval(compile(last, f"cell {number}", "eval"), names)
    stream = {"name": "stdout", "output_type": "stream", "text": printed.getvalue()}
    result = {
        "data": shown(value),
        "execution_count": number,
        "metadata": {},
        "output_type": "execute_result",
    }
    return [stream] * bool(printed.getvalue()) + [result] * (value is not None)


def shown(value: Any) -> dict[str, str]:
    """Return a value as text, and as a table or an image if it is one."""
    if hasattr(value, "savefig"):
        buffer = io.BytesIO()
        value.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        width, height = value.get_size_inches()
        return {
            "image/png": base64.b64encode(buffer.getvalue()).decode(),
            "text/plain": f"<{width:g} x {height:g} in>",
        }
    data = {"text/plain": repr(value)}
    if hasattr(value, "to_html"):
        data["text/html"] = value.to_html()
    return data


def text_of(notebook: Notebook) -> str:
    """Return the text of a notebook file: in the form of nbformat, with sorted keys."""
    lined = json.loads(json.dumps(notebook))
    for cell in lined["cells"]:
        cell["source"] = cell["source"].splitlines(keepends=True)
        for output in cell.get("outputs", ()):
            for part, kind in (
                (output, "text"),
                *((output.get("data", {}), kind) for kind in output.get("data", ())),
            ):
                if kind in part and kind != "image/png":
                    part[kind] = "".join(part[kind]).splitlines(keepends=True)
    return json.dumps(lined, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def renew(path: Path) -> None:
    """Run a notebook and store it."""
    notebook = read_notebook(path)
    with tempfile.TemporaryDirectory() as folder, chdir(folder):
        run_notebook(notebook)
    path.write_text(text_of(notebook), encoding="utf-8")


def renew_essay() -> None:
    """Run the essay: figures to `examples/pictures`, its output into the page on the examples."""
    with redirect_stdout(io.StringIO()) as printed:
        runpy.run_path(str(EXAMPLES / "gru_from_scratch.py"))["main"](str(EXAMPLES / "pictures"))
    page = EXAMPLES / "README.md"
    before, _, rest = page.read_text(encoding="utf-8").partition("<!-- essay -->")
    after = rest.partition("<!-- end of essay -->")[2]
    block = f"<!-- essay -->\n```text\n{printed.getvalue()}```\n<!-- end of essay -->"
    page.write_text(f"{before}{block}{after}", encoding="utf-8")


def main(*notebooks: str) -> None:
    """Renew some notebooks, or all of them and the essay."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    paths = [Path(notebook).resolve() for notebook in notebooks] or sorted(EXAMPLES.glob("*.ipynb"))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as pool:
        list(pool.map(renew, paths))
    if not notebooks:
        renew_essay()


if __name__ == "__main__":
    main(*sys.argv[1:])
