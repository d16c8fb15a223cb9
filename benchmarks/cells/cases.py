"""Cases to train, their settings, and the stored results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from grid import EQUAL_UNITS, GRID, LAYERS, SEEDS, SETS, SINGLE, Choice, within_budget

from forecast.experiment.file import experiment_from

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESULTS = HERE / "results"

PARTS = ("grid", "units", "dropout")
"""All networks at equal parameters; some at equal units; all once more with the dropout of the
preset."""
WITH_DROPOUT = "bike_sharing"
"""The set of the last part, of which the first seed is run."""


@dataclass(frozen=True)
class Case:
    """One network to be trained.

    Attributes:
        key: its name in the results, to which the seed is added.
        choice: the network.
        widths: units of each layer.
        overrides: further settings.
    """

    key: str
    choice: Choice
    widths: tuple[int, ...]
    overrides: tuple[str, ...] = ()


def cases(name: str, part: str) -> Iterator[Case]:
    """Everything that is run on a set in one part of the benchmark, see `PARTS`."""
    shape, fields = SETS[name].shape, preset(name).model.model_dump()
    if part == "grid":
        for choice in GRID:
            yield Case(choice.key, choice, within_budget(choice, fields, shape))
    elif part == "units":
        for (kind, other), layers in product(EQUAL_UNITS.items(), LAYERS):
            choice = Choice(kind, "none", layers)
            yield Case(
                f"{choice.key}-units",
                choice,
                within_budget(replace(choice, kind=other), fields, shape),
            )
    elif name == WITH_DROPOUT:
        kept = load_preset(name, ()).model.dropout
        for choice in GRID:
            yield Case(
                f"{choice.key}-dropout",
                choice,
                within_budget(choice, fields, shape),
                (f"model.dropout={kept}",),
            )


def preset(name: str) -> Any:
    """The preset of a protocol with what is cut from it."""
    return load_preset(name, (*SINGLE, *SETS[name].overrides))


def load_preset(name: str, overrides: tuple[str, ...]) -> Any:
    """The preset of a protocol with some settings changed."""
    from forecast.experiment.file import load_experiment

    return load_experiment(ROOT / "configs" / f"{name}.yaml", overrides)


def result_of(name: str) -> dict[str, Any]:
    """Return the stored result of a data set, empty unless it has the current settings."""
    settings = preset(name).model_dump(mode="json")
    path = RESULTS / f"{name}.json"
    if path.exists():
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if experiment_from(found["settings"]) == preset(
            name
        ):  # settings that are newer have their defaults
            return found
    return {"settings": settings, "baselines": {}, "rows": {}}


def missing(name: str, part: str, seed: int) -> list[Case]:
    """Return the cases of a data set, a part and a seed that are still to be run."""
    rows = result_of(name)["rows"]
    found = [
        one
        for one in cases(name, part)
        if rows.get(f"{one.key}-{seed}", {}).get("units") != list(one.widths)
    ]
    return found if part != "dropout" or seed == SEEDS[0] else []


def write_result(name: str, result: dict[str, Any]) -> None:
    """Write what is known of a set, as a whole or not at all, one line for each network."""
    from forecast.files.atomic import write_file

    rows = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(row)}" for key, row in result["rows"].items()
    )
    head = json.dumps({key: value for key, value in result.items() if key != "rows"}, indent=1)
    write_file(RESULTS / f"{name}.json", f'{head[:-2]},\n "rows": {{\n{rows}\n}}}}\n'.encode())
