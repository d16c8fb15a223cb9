"""An experiment as its table settles it: YAML with the reason beside each choice."""

from __future__ import annotations

from forecast.data.read import Source
from forecast.experiment.file import dump_experiment
from forecast.experiment.prepare import Prepared, prepare
from forecast.experiment.settings import Experiment
from forecast.files.yaml import parse_yaml


def explained(config: Experiment, source: Source | None = None) -> str:
    """Return YAML with the value of every setting, and the reason behind those the data decided.

    Reading it back and preparing it with the same table gives the same prepared experiment.

    Args:
        config: the experiment.
        source: a table or its file; default: `config.data.source`.

    Raises:
        DataError: the table is refused.
        ConfigError: no source is named, or a setting does not fit the data.
    """
    return with_reasons(prepare(config, source))


def with_reasons(prepared: Prepared) -> str:
    """Return the YAML of `explained` for an experiment that was prepared."""
    text = dump_experiment(prepared.config, full=True)
    line_of = parse_yaml(text, "settings").lines
    lines = text.splitlines()
    for path, reason in prepared.reasons.items():
        # a list may go on below; a comment is allowed after its first line too
        lines[line_of[tuple(path.split("."))] - 1] += f"  # {reason}"
    return "\n".join(lines) + "\n"
