"""The settings of an experiment as data: JSON schema, paths, and the table of the documentation."""

from __future__ import annotations

import json

from forecast.experiment.settings import Experiment
from forecast.section import Place, Section, wording
from forecast.section.wording import Schema, in_words, schema_of, settings_in


def json_schema() -> Schema:
    """Return the JSON schema of a configuration file, for editors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Experiment.model_json_schema(),
    }


def setting_paths() -> list[str]:
    """Return the path of every setting that is no section, such as `model.units`."""
    return wording.setting_paths(Experiment)


def suggestion(place: Place) -> str:
    """Return a hint for a wrong path: the same key elsewhere, the nearest key, or all keys."""
    return wording.suggestion(Experiment, place)


def reference_table(root: type[Section] = Experiment) -> str:
    """Return a Markdown table of every setting: path, default, what it takes and what it does.

    Args:
        root: section with all of them.
    """
    rows = ["| setting | default | takes | meaning |", "|---|---|---|---|"]
    for path, schema in settings_in(schema_of(root)):
        default = "required"
        if "default" in schema:
            default = json.dumps(schema["default"])
        meaning = " ".join(schema.get("description", "").split())
        cells = (f"`{path}`", f"`{default}`", in_words(schema), meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def with_table(page: str, root: type[Section] = Experiment, name: str = "settings") -> str:
    """Return a Markdown page whose table of settings, between two comments, is the current one.

    Args:
        page: the page.
        root: section with all of them.
        name: that the comments have.

    Raises:
        ValueError: the page lacks the comments.
    """
    begin = f"<!-- {name} -->\n"
    end = f"<!-- end of {name} -->"
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{reference_table(root)}{end}{after}"
