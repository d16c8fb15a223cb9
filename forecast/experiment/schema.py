"""The settings of an experiment as data: JSON schema, paths, and the table of the documentation."""

from __future__ import annotations

import json

from forecast.experiment.settings import Experiment
from forecast.section import Place, wording
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


def reference_table() -> str:
    """Return a Markdown table of every setting: path, default, what it takes and what it does."""
    rows = ["| setting | default | takes | meaning |", "|---|---|---|---|"]
    for path, schema in settings_in(schema_of(Experiment)):
        default = "required"
        if "default" in schema:
            default = json.dumps(schema["default"])
        meaning = " ".join(schema.get("description", "").split())
        cells = (f"`{path}`", f"`{default}`", in_words(schema), meaning)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """Return a Markdown page whose table of settings, between two comments, is the current one.

    Raises:
        ValueError: the page lacks the comments.
    """
    begin = "<!-- settings -->\n"
    end = "<!-- end of settings -->"
    before, rest = page.split(begin)
    _, after = rest.split(end)
    return f"{before}{begin}{reference_table()}{end}{after}"
