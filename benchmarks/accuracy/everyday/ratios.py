"""Tables of the page, from stored results: every model, and the default against the best."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from catalogue import HALVES, all_tasks
from stored import weights_text, write_between_marks

PAGE = Path(__file__).resolve().parent / "README.md"
BEFORE = "before"
DEFAULT = "default"
RIVALS = ("last_value", "seasonal_naive", "drift", "window_mean", "linear", "AutoETS")
"""Models of which the best is the measure of the default."""
SHOWN = (*RIVALS, "AutoTheta", DEFAULT)


def ratio_to_best(scores: pd.DataFrame) -> tuple[float, float, str]:
    """Compare the default with the best of its rivals on one table.

    Args:
        scores: rows `unique_id, cutoff, model, mase` of a table.

    Returns:
        Mean MASE of the default over that of the rival with the smallest mean, its standard error,
        and the name of the rival. The error is that of the mean difference over cutoffs, or over
        series where there is one cutoff; NaN where there is one of each.
    """
    unit = "cutoff"
    if scores["cutoff"].nunique() == 1:
        unit = "unique_id"
    means = scores.pivot_table(index=unit, columns="model", values="mase", dropna=False)
    if DEFAULT not in means or means[DEFAULT].isna().all():
        return np.nan, np.nan, ""
    means = means[means[DEFAULT].notna()]
    totals = means.mean()
    best = str(totals[[name for name in RIVALS if name in totals]].idxmin())
    difference = (means[DEFAULT] - means[best]).to_numpy()
    error = np.nan
    if len(difference) > 1:
        error = float(difference.std(ddof=1) / np.sqrt(len(difference)) / totals[best])
    return float(totals[DEFAULT] / totals[best]), error, best


def summary(ratios: Sequence[float]) -> tuple[float, float]:
    """Return the geometric mean of ratios, and the largest; those that are NaN are left out."""
    known = np.array([ratio for ratio in ratios if np.isfinite(ratio)])
    if not len(known):
        return np.nan, np.nan
    return float(np.exp(np.log(known).mean())), float(known.max())


def table_text(folder: Path, label: str, names: Sequence[str]) -> str:
    """Write the stored results of a label, beside the ratios of `before`; see `text_of`."""
    scores = _read(folder / f"{label}.csv")
    fits = _read(folder / f"{label}-fits.csv")
    before: dict[str, float] = {}
    if label != BEFORE:
        before = _ratios(folder, BEFORE, names)
    return text_of(scores, fits, before, names)


def text_of(
    scores: pd.DataFrame, fits: pd.DataFrame, before: Mapping[str, float], names: Sequence[str]
) -> str:
    """Write a table of Markdown, a row per name that has results, and a line about all of them.

    Args:
        scores: rows `table, unique_id, cutoff, model, mase`.
        fits: those of the default.
        before: name -> ratio of an earlier state; may be empty.
        names: the tables to show.
    """
    head = ["table", *SHOWN, "default / best", "before", "CPU s a fit", "members"]
    lines = [_row(head), _row(["---"] * len(head))]
    ratios = []
    for name in names:
        own = scores[scores["table"] == name]
        if not len(own):
            continue
        ratio, error, best = ratio_to_best(own)
        ratios.append(ratio)
        own_fits = fits[fits["table"] == name]
        cells = [name, *_mases(own, best), _number(ratio, error), _number(before.get(name, np.nan))]
        cells += [f"{own_fits['cpu_seconds'].mean():.0f}", _members(own_fits)]
        lines.append(_row(cells))
    mean, worst = summary(ratios)
    lines += ["", f"{len(ratios)} tables; default / best: mean {mean:.3f}, worst {worst:.3f}."]
    if before:
        mean, worst = summary(list(before.values()))
        lines.append(f"Before, {len(before)} tables: mean {mean:.3f}, worst {worst:.3f}.")
    lines += refusals(fits[fits["table"].isin(names)])
    return "\n".join(lines)


def refusals(fits: pd.DataFrame) -> list[str]:
    """Return a line for every table that the default refused."""
    refused = fits[fits["refusal"].fillna("") != ""].drop_duplicates("table")
    return [f"- {row.table} refused: `{row.refusal}`" for row in refused.itertuples()]


def write_page(folder: Path, label: str) -> None:
    """Put the tables of a label between the marks of the page.

    Of the judging half only the mean and the worst ratio are shown, so that nobody develops on it.
    """
    groups = defaultdict(list)
    for name, task in all_tasks().items():
        groups[task.group].append(name)
    parts = []
    for group in ("shared", HALVES[0]):
        parts += [f"### The {group} tables", "", table_text(folder, label, groups[group]), ""]
    mean, worst = summary(list(_ratios(folder, label, groups[HALVES[1]]).values()))
    parts += ["### The judging half", ""]
    parts += [f"Default / best: mean {mean:.3f}, worst {worst:.3f} (nan: not run)."]
    write_between_marks(PAGE, label, "\n".join(parts))


def _ratios(folder: Path, label: str, names: Sequence[str]) -> dict[str, float]:
    scores = _read(folder / f"{label}.csv")
    own = {name: scores[scores["table"] == name] for name in names}
    return {name: ratio_to_best(rows)[0] for name, rows in own.items() if len(rows)}


def _read(path: Path) -> pd.DataFrame:
    if not path.is_file():
        return pd.DataFrame(columns=["table", "refusal"])
    return pd.read_csv(path, dtype={"unique_id": str})


def _mases(scores: pd.DataFrame, best: str) -> list[str]:
    """Return the mean MASE of every model, the best rival in bold."""
    means = scores.groupby("model")["mase"].mean()
    cells = {name: _number(means.get(name, np.nan)) for name in SHOWN}
    return [f"**{cell}**" if name == best else cell for name, cell in cells.items()]


def _members(fits: pd.DataFrame) -> str:
    """Return the kinds of members with their mean weight over the fits."""
    weights: dict[str, float] = defaultdict(float)
    texts = fits["members"].dropna()
    for text in texts:
        for kind, weight in json.loads(text).items():
            weights[kind] += weight / len(texts)
    return weights_text(weights)


def _number(value: float, error: float = np.nan) -> str:
    if not np.isfinite(value):
        return "-"
    if not np.isfinite(error):
        return f"{value:.3f}"
    return f"{value:.3f} ± {error:.3f}"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
