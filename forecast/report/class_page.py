"""The page about a classifier: scores, confusion matrix, reliability, losses, settings."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd

from forecast.report.page import whole_page

WORDS = {
    "confusion.png": "Confusion matrix of the test set: a row per true class",
    "labels.png": "Labels of the test set: found, missed, and given where they are not",
    "reliability.png": "Share of predictions that are right, by their probability",
    "attention.png": "Weights of the steps: the surest right sequences of the test set, and the "
    "most wrong ones; lines are the channels that vary most",
    "loss.png": "Losses of the networks by epoch",
}
"""Description of each picture."""


@dataclass(frozen=True, eq=False)
class ClassRecord:
    """Content of the page about a classifier.

    Attributes:
        title: such as `state, classes of machines.csv`.
        finding: the result in one sentence.
        facts: name -> value, about the table and the members.
        scores: a row per model; None where there is no test set.
        settings: as YAML.
        pictures: name of the file -> its bytes.
        commands: lines that use the classifier.
    """

    title: str
    finding: str
    facts: Mapping[str, str]
    scores: pd.DataFrame | None
    settings: str
    pictures: Mapping[str, bytes]
    commands: str


def class_page(record: ClassRecord) -> str:
    """Return the page about a classifier, which needs no other file."""
    sections = {"Task and data": _facts(record.facts)}
    if record.scores is not None:
        sections["Scores on the test set"] = _table(record.scores)
    for name, data in record.pictures.items():
        words = escape(WORDS[name])
        image = base64.b64encode(data).decode()
        heading = words.partition(":")[0].partition(",")[0]
        sections[heading] = (
            f'<p>{words}.</p><img alt="{words}" src="data:image/png;base64,{image}">'
        )
    sections["Use it"] = f"<pre>{escape(record.commands)}</pre>"
    settings = f"<pre>{escape(record.settings)}</pre>"
    sections["Settings"] = f"<details><summary>All settings</summary>{settings}</details>"
    return whole_page(record.title, record.finding, sections)


def _facts(facts: Mapping[str, str]) -> str:
    items = [f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items()]
    return f"<dl>{''.join(items)}</dl>"


def _table(scores: pd.DataFrame) -> str:
    """Return the scores with three decimals."""
    head = "".join(f"<th>{escape(name)}</th>" for name in scores.columns)
    rows = ""
    for model, values in scores.iterrows():
        cells = "".join(f"<td>{value:.3f}</td>" for value in values)
        rows += f"<tr><th>{escape(str(model))}</th>{cells}</tr>"
    return (
        f'<div class="wide"><table><thead><tr><th>model</th>{head}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )
