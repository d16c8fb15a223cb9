"""Settings of the site that `make site` builds with Sphinx.

The source folder is the root of the repository: so a link between two pages, or from a page to a
file of the code, is the same relative path in the repository browser and on the site. MyST turns
links to pages into links of the site, and copies every other file that is linked.
"""

from __future__ import annotations

import re
import sys
from inspect import isclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pygments.lexers.special import TextLexer

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # autodoc imports this checkout, whatever is installed

import forecast  # noqa: E402

project = "bigru-forecast"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "benchmarks/**.md",
    "configs/*.md",
    "docs/**.md",
    "examples/*.md",
    "forecast/data/files/*.md",
]
exclude_patterns = [".*", "build", "runs", "tests"]

html_theme = "furo"
html_title = project
html_show_copyright = False
html_copy_source = False
toc_object_entries_show_parents = "hide"  # `fit()`, not `Forecaster.fit()`, beside the page

# Anchors of headings are those of the repository browser, down to the third level.
myst_heading_anchors = 3

# Docstrings are in Google style.
napoleon_numpy_docstring = False
napoleon_attr_annotations = False  # it takes the end of `numpy.object_` for a link
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_type_aliases = {name: name for name in ("Array", "FloatArray", "IntArray")}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"

MARKS = re.compile(r"(?P<before>\w?)`(?P<code>[^`]+)`(?P<after>\w?)|\||(?<=\w)_(?!\w)|(?<=\S )\*")


def read_as_plain_text(*event: Any) -> None:
    """Rewrite a docstring, plain text with `code`, so that Sphinx sees no other markup in it.

    Args:
        *event: those of `autodoc-process-docstring`; the last is the list of lines, changed here.
    """
    _, what, name, *_, lines = event
    if what in {"attribute", "data"}:
        # An empty comment, or napoleon takes the words before the first colon for a type.
        lines[:] = ["..", "", *lines, *default_of(name)]
    blocks = "\n".join(lines).split("\n\n")
    heading = ""  # the line without indentation that stands last before a block
    for number, block in enumerate(blocks):
        text, prompt, example = block.partition(">>>")
        if block.startswith("    ") and not heading.endswith(":"):  # a drawing or a command
            is_first = not blocks[number - 1].startswith(("    ", "::"))
            blocks[number] = f"::\n\n{block}" if is_first else block
        else:
            blocks[number] = MARKS.sub(_literal, text) + prompt + example
        unindented = [line for line in block.splitlines() if line and not line.startswith(" ")]
        heading = unindented[-1] if unindented else heading
    lines[:] = "\n\n".join(blocks).splitlines()


def default_of(name: str) -> list[str]:
    """Return the lines that show the default of a setting; none for any other attribute.

    Args:
        name: such as `forecast.TrainingConfig.loss`.
    """
    _, *path, field = name.split(".")
    owner: Any = forecast
    for part in path:
        owner = getattr(owner, part)
    if not isclass(owner) or not issubclass(owner, BaseModel):
        return []
    setting = owner.model_fields.get(field)
    if setting is None or setting.is_required():
        return []
    default = setting.get_default(call_default_factory=True)
    if isinstance(default, BaseModel):
        return []
    return ["", f"Default: `{default!r}`."]


def _literal(match: re.Match[str]) -> str:
    code = match["code"]
    if code is None:
        return f"\\{match[0]}"
    # A backslash and a blank vanish, and part the code from a letter beside it.
    before = f"{match['before']}\\ " if match["before"] else ""
    after = f"\\ {match['after']}" if match["after"] else ""
    return f"{before}``{code}``{after}"


def hide_signature(*event: Any) -> tuple[str, None] | None:
    """Hide the signature of a section of settings: its fields follow, each with its default.

    Args:
        *event: those of `autodoc-process-signature`.
    """
    _, _, _, thing, *_ = event
    if isclass(thing) and issubclass(thing, BaseModel):
        return "", None
    return None


def skip_internals(*event: Any) -> bool | None:
    """Leave out what pydantic adds to a section of settings.

    Args:
        *event: those of `autodoc-skip-member`.
    """
    _, _, name, *_ = event
    return name.startswith("model_") or None


def add_front_door(app: Any, error: Exception | None) -> None:
    """Write `index.html` at the top of the site, which leads to the front page."""
    if error is None and app.builder.format == "html":
        page = '<!DOCTYPE html><meta http-equiv="refresh" content="0; url=docs/index.html">\n'
        Path(app.outdir, "index.html").write_text(page, encoding="utf-8")


def setup(app: Any) -> None:
    """Connect the functions above to the events of the build."""
    app.add_lexer("csv", TextLexer)  # Pygments has none
    app.connect("autodoc-process-docstring", read_as_plain_text, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", hide_signature)
    app.connect("autodoc-skip-member", skip_internals)
    app.connect("build-finished", add_front_door)
