"""Results as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any

Result = Mapping[str, Any]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def number(value: float | None) -> str:
    """Three digits, and no more places than they need; a dash for nothing."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio_text(ratio: Mapping[str, float]) -> str:
    """Ratio of the medians, then least, median and largest ratio of a round."""
    spread = ", ".join(number(ratio[name]) for name in ("least", "median", "most"))
    return f"**{number(ratio['of_medians'])}x** ({spread})"


def machine_text(result: Result, versions: Mapping[str, Mapping[str, str]]) -> str:
    """Where and with what a result was measured."""
    facts = result["machine"]
    found = {name: one for used in versions.values() for name, one in used.items()}
    listed = "".join(f", {name} {one}" for name, one in sorted(found.items()))
    return (
        f"{facts['processor']}; {facts['cores']} cores, {facts['memory_gb']} GB, "
        f"{facts['system']}, "
        f"Python {facts['python']}{listed}. Load of the machine before: {facts['load']}."
    )


def steps_text(result: Result, labels: Mapping[str, str], ours: str) -> str:
    """Every size and step, with the floor and the ratios to ours."""
    shown = [name for name in labels if any(name in row["milliseconds"] for row in result["rows"])]
    others = [name for name in shown if name != ours]
    header = [
        "size",
        "threads",
        "step",
        "floor",
        *([labels[ours], "ours / floor"] if ours in shown else []),
    ]
    rows = [steps_row(row, others, ours if ours in shown else "") for row in result["rows"]]
    rates = ", ".join(
        f"{number(rate)} GFLOP/s with {count} thread(s)" for count, rate in result["rates"].items()
    )
    busy = [cores for row in result["rows"] for turns in row["others"].values() for cores in turns]
    return "\n\n".join(
        [
            machine_text(result, result["versions"]),
            f"Other programs kept {number(median(busy))} cores busy in the median turn, at most "
            f"{number(max(busy))}.",
            f"{result['rounds']} rounds of {result['seconds']} s. Rate of large float32 products: "
            f"{rates}.",
            table([*header, *(labels[name] for name in others)], rows),
            *failures(
                {name: error for row in result["rows"] for name, error in row["failed"].items()},
                labels,
            ),
        ]
    )


def steps_row(row: Result, others: Sequence[str], ours: str) -> list[str]:
    """One size and step: medians in milliseconds."""
    sizes = ", ".join(map(str, row["sizes"]))
    clock = {1: "1, CPU time", 2: "2, wall"}[row["threads"]]
    middle = {name: median(values) for name, values in row["milliseconds"].items()}
    cells = [f"{row['case']}: {sizes}", clock, row["mode"], number(row["floor"])]
    if ours:
        cells += [
            number(middle.get(ours)),
            number(middle[ours] / row["floor"] if ours in middle else None),
        ]
    for name in others:
        ratio = row["ratios"].get(name)
        cells.append(number(middle.get(name)) + (f"; {ratio_text(ratio)}" if ratio else ""))
    return cells


def failures(errors: Mapping[str, str], labels: Mapping[str, str]) -> list[str]:
    """A line for each contender that did not run, with its error."""
    return [f"{labels[name]} did not run: `{error}`" for name, error in errors.items()]


FIT_ROWS = {
    "whole": "whole fit, with start and imports, s",
    "fit": "fit: file to artifact, s",
    "import": "imports, s",
    "first_epoch": "first epoch, s",
    "epoch": "later epochs, s",
    "windows_per_second": "windows per second",
    "to_loss": "to validation loss {loss}, s",
    "peak_mb": "peak memory, MB",
    "latency": "one forecast, ms",
    "mae": "MAE on the test part",
    "others": "cores that other programs kept busy",
}
FIT_FACTS = {"imported_mb": "of which after the imports, MB", "weights": "weights"}


def fits_text(result: Result, labels: Mapping[str, str]) -> str:
    """One column per contender: medians over the rounds, then the ratios to ours."""
    worked = {name: one for name, one in result["contenders"].items() if "error" not in one}
    rows = [
        [
            title.format(loss=result["setting"]["loss"]),
            *(middle(one[key]) for one in worked.values()),
        ]
        for key, title in FIT_ROWS.items()
    ]
    rows += [
        [title, *(number(one[key]) for one in worked.values())] for key, title in FIT_FACTS.items()
    ]
    rows.append(
        ["windows of an epoch", *(", ".join(map(str, one["windows"])) for one in worked.values())]
    )
    for what, ratios in result["ratios"].items():
        cells = [ratio_text(ratios[name]) if name in ratios else "1" for name in worked]
        rows.append([f"{FIT_ROWS[what].split(',')[0]}: theirs / ours", *cells])
    errors = {name: one["error"] for name, one in result["contenders"].items() if "error" in one}
    setting = ", ".join(
        f"{name.replace('_', ' ')} {value}" for name, value in result["setting"].items()
    )
    return "\n\n".join(
        [
            machine_text(result, {name: one["versions"] for name, one in worked.items()}),
            f"Setting: {setting}.",
            table(["", *(labels[name] for name in worked)], rows),
            *failures(errors, labels),
        ]
    )


def middle(values: Sequence[float | None]) -> str:
    """Median of the rounds, a dash if one of them has nothing."""
    found = [value for value in values if value is not None]
    return number(median(found) if len(found) == len(values) else None)
