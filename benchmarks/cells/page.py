"""The generated parts of docs/cells.md: tables and pictures, from the results that are there."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

from cases import RESULTS, ROOT, WITH_DROPOUT, Case, cases, preset, result_of
from compare import QUESTIONS, Difference, Results
from grid import GRID, SEEDS, SETS, Choice, count_parameters

PAGE = ROOT / "docs" / "cells.md"
NAMES = {"etth1": "ETTh1", "bike_sharing": "bicycles", "m4_weekly": "M4 Weekly"}
NOT_YET = "not run yet"


def write_page(page: Path = PAGE) -> None:
    """Put the current tables between the marks of the page, and draw its pictures."""
    text = page.read_text(encoding="utf-8")
    for name, table in tables().items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table}\n\n{end}{rest.split(end)[1]}"
    page.write_text(text, encoding="utf-8")
    if found := complete():
        from picture import answers_picture, errors_picture

        from forecast.report.plots.style import save_figure

        folder = page.parent / "pictures"
        save_figure(
            answers_picture({one.name: one.answers(one.seeds()) for one in found}),
            folder / "cells.png",
        )
        save_figure(errors_picture(found), folder / "cells_errors.png")


def tables() -> dict[str, str]:
    """Every table of the page by its mark."""
    found = complete()
    made = {
        "answers": answers_table(found),
        "units": units_table(found),
        "dropout": dropout_table(found),
    }
    return made | dict.fromkeys(SETS, NOT_YET) | {one.name: set_table(one) for one in found}


def complete() -> list[Results]:
    """The results of the sets of which the whole grid was run with a seed at least."""
    found = [Results(name, result_of(name)["rows"]) for name in SETS]
    return [one for one in found if one.seeds()]


def answers_table(found: list[Results]) -> str:
    """Every question on every set."""
    if not found:
        return NOT_YET
    heads = [f"{NAMES[one.name]}, {seeds_in_words(one.seeds())}" for one in found]
    lines = [
        row(["change of the error in percent", "pairs", *heads]),
        row(["---"] * (2 + len(found))),
    ]
    made = [one.answers(one.seeds()) for one in found]
    for question, pairs in QUESTIONS.items():
        lines.append(
            row(
                [question, str(len(pairs)), *(shown(differences[question]) for differences in made)]
            )
        )
    spread = [
        f"{one.seed_spread(one.seeds()):.1f}" if len(one.seeds()) > 1 else "" for one in found
    ]
    return "\n".join([*lines, row(["deviation over the seeds of one network", "", *spread])])


def seeds_in_words(seeds: tuple[int, ...]) -> str:
    """Return the number of seeds in words."""
    return f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"


def shown(one: Difference) -> str:
    """Mean, interval and number of better pairs; bold where the interval excludes 0."""
    low, high = one.interval
    mark = "**" if one.is_measurable else ""
    return f"{mark}{one.mean:+.1f}{mark} ({low:+.1f} to {high:+.1f}); {one.num_better} better"


def units_table(found: list[Results]) -> str:
    """Rows of GRU and LSTM with equal units, one layer, one direction; then errors of all."""
    heads = [
        "set",
        "units",
        "GRU: parameters",
        "LSTM: parameters",
        "GRU: error",
        "LSTM: error",
        "error of all six pairs",
    ]
    lines = [row(heads), row(["---"] * len(heads))]
    for one in found:
        counted = {
            case.key: counted_parameters(one.name, case) for case in cases(one.name, "units")
        }
        key, old = "LSTM-none-1-units", "GRU-none-1"
        cells = [NAMES[one.name], units_of(one, old), f"{parameters(one, old):,}"]
        cells.append(f"{counted[key]:,} ({100 * (counted[key] / parameters(one, old) - 1):+.0f} %)")
        pairs = [(new, new.replace("LSTM", "GRU").removesuffix("-units")) for new in counted]
        if seeds := one.seeds_with(key for pair in pairs for key in pair):
            cells += [f"{one.score} {one.mean_error(each, seeds):.3f}" for each in (old, key)]
            cells.append(f"{shown(one.difference(pairs, seeds))}; {seeds_in_words(seeds)}")
        lines.append(row([*cells, *[NOT_YET] * (len(heads) - len(cells))]))
    return "\n".join(lines)


def counted_parameters(name: str, case: Case) -> int:
    """Parameters of a network, whether it was trained or not."""
    model = preset(name).model
    return count_parameters(
        type(model)(**{**model.model_dump(), **case.choice.settings, "units": case.widths}),
        SETS[name].shape,
    )


def dropout_table(found: list[Results]) -> str:
    """The answers with the dropout of the preset, beside those without, of the same seeds."""
    one = next((one for one in found if one.name == WITH_DROPOUT and one.seeds("-dropout")), None)
    if one is None:
        return NOT_YET
    seeds, endings = one.seeds("-dropout"), ("", "-dropout")
    made = [one.answers(seeds, ending) for ending in endings]
    lines = [
        row(["change of the error in percent", "without dropout", "with the dropout of the preset"])
    ]
    lines += [
        row(["---"] * 3),
        *(row([ask, *(shown(answers[ask]) for answers in made)]) for ask in QUESTIONS),
    ]
    means = (
        fmean(one.mean_error(choice.key + ending, seeds) for choice in GRID) for ending in endings
    )
    return "\n".join(
        [*lines, row([f"mean {one.score} of the grid", *(f"{mean:.3f}" for mean in means)])]
    )


def set_table(found: Results) -> str:
    """All networks of a set, in the order of the grid."""
    others, timed = SETS[found.name].scores[1:], times(found)
    mean = f"{found.score}, mean (deviation)" if len(found.seeds()) > 1 else found.score
    heads = [
        "network",
        "attention",
        "layers",
        "units",
        "parameters",
        mean,
        *others,
        "best epoch",
        *timed["heads"],
    ]
    lines = [row(heads), row(["---"] * len(heads))]
    lines += [row([*figures(found, choice, others), *timed[choice.key]]) for choice in GRID]
    return "\n".join([*lines, "", about(found)])


def figures(found: Results, choice: Choice, others: Iterable[str]) -> list[str]:
    """Settings of one network, and its errors over the seeds."""
    key, seeds = choice.key, found.seeds()
    errors = found.errors(key, seeds)
    mean = f"{fmean(errors):.4f}" + (f" ({stdev(errors):.4f})" if len(errors) > 1 else "")
    epochs = ", ".join(str(found.rows[f"{key}-{seed}"]["best_epoch"]) for seed in seeds)
    sizes = [units_of(found, key), f"{parameters(found, key):,}"]
    scores = [mean, *(f"{found.mean_error(key, seeds, one):.4f}" for one in others)]
    return [choice.kind, choice.attention, str(choice.num_layers), *sizes, *scores, epochs]


def units_of(found: Results, key: str) -> str:
    """Widths of the layers, one number where they are equal."""
    widths = found.rows[f"{key}-{SEEDS[0]}"]["units"]
    return str(widths[0]) if len(set(widths)) == 1 else ", ".join(map(str, widths))


def parameters(found: Results, key: str) -> int:
    """As counted in the trained model."""
    return int(found.rows[f"{key}-{SEEDS[0]}"]["parameters"])


def about(found: Results) -> str:
    """The seeds of a set, and the baselines on the same windows."""
    scores = {name: of[found.score] for name, of in result_of(found.name)["baselines"].items()}
    best = [
        f"`{one}` {scores[one]:.4f}"
        for one in ("linear", "seasonal_naive", "last_value")
        if one in scores
    ]
    seeds = ", ".join(map(str, found.seeds()))
    return f"Seeds {seeds}. {found.score} of baselines on the same windows: {', '.join(best)}."


def times(found: Results) -> dict[str, list[str]]:
    """Columns of time by network: interleaved steps, or seconds per epoch of the fastest."""
    path = RESULTS / "time.json"
    measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if (one := measured.get(found.name)) is None:
        calmest = {
            choice.key: min(
                found.rows[f"{choice.key}-{seed}"]["epoch_seconds"] for seed in found.seeds()
            )
            for choice in GRID
        }
        return {"heads": ["s per epoch, disturbed"]} | {
            key: [f"{value:.1f}"] for key, value in calmest.items()
        }
    base = median(one["milliseconds"]["BiGRU-none-1"]) * one["steps"] / 1000
    columns = {key: [f"{ratio * base:.2f}", f"{ratio:.2f}"] for key, ratio in one["ratios"].items()}
    return {"heads": ["s per epoch", "time, BiGRU = 1"]} | columns


def row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"
