"""Tables of the page, from stored results: ours beside published rows and baselines."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any

from protocols import PROTOCOLS
from published import M4, MASE, PAIRS

HERE = Path(__file__).resolve().parent
BASELINES = ("last_value", "seasonal_naive", "linear")
Found = dict[int | str, list[dict[str, Any]]]


def write_page() -> None:
    """Put the current tables between the marks of the page."""
    page = HERE / "README.md"
    text = page.read_text(encoding="utf-8")
    for name in PROTOCOLS:
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, rest = text.split(begin)
        text = f"{before}{begin}\n{table_of(name, results_of(name))}\n{end}{rest.split(end)[1]}"
    begin, end = "<!-- untouched -->\n", "<!-- end of untouched -->"
    before, rest = text.split(begin)
    text = f"{before}{begin}\n{untouched_table()}\n\n{end}{rest.split(end)[1]}"
    page.write_text(text, encoding="utf-8")


def untouched_table() -> str:
    """The default beside the declared presets, one seed each."""
    head = ["set", "score", "preset", "default", "default / preset"]
    head += ["CPU s, preset", "CPU s, default", "weights of the default"]
    lines = [row(head), row(["---"] * len(head))]
    for name in PROTOCOLS:
        declared = results_of(name)
        for case, defaults in results_of(name, HERE / "results" / "default").items():
            default = defaults[0]
            same_seed = [one for one in declared[case] if one["seed"] == default["seed"]]
            lines += _untouched_rows(f"{name} {case}".removesuffix(" all"), same_seed[0], default)
    return "\n".join(lines)


def _untouched_rows(title: str, declared: dict[str, Any], default: dict[str, Any]) -> list[str]:
    """A row for each score of a set that is published."""
    its, ours = (result["scores"]["segment_bigru"] for result in (declared, default))
    scores = ("OWA",)
    if "OWA" not in ours:
        scores = tuple(score for score in ("MSE", "MAE", "MASE") if score in ours)
    lines = []
    for score in scores:
        cells = [title, score, f"{its[score]:.4f}", f"{ours[score]:.4f}"]
        cells.append(f"{ours[score] / its[score]:.3f}")
        cells += [_cpu(declared), _cpu(default), _weights(default["shares"])]
        lines.append(row(cells))
    return lines


def _cpu(result: dict[str, Any]) -> str:
    if "cpu_seconds" not in result:
        return ""
    return f"{result['cpu_seconds']:.0f}"


def _weights(weights: dict[str, float]) -> str:
    """The members of a forecast with at least 1 %, heaviest first."""
    ordered = sorted(weights.items(), key=lambda item: -item[1])
    return ", ".join(f"{100 * weight:.0f} % {name}" for name, weight in ordered if weight > 0.01)


def results_of(name: str, folder: Path = HERE / "results") -> Found:
    """The results of a set by case, one per seed."""
    found: Found = defaultdict(list)
    for path in sorted(folder.glob(f"{name}-*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        found[result["case"]].append(result)
    return found


def table_of(name: str, found: Found) -> str:
    """The table of one set, or that there is none yet."""
    if not found:
        return "not run yet\n"
    if name in PAIRS:
        return pair_table(name, found)
    return m4_table(name, found) if name in M4 else mase_table(name, found)


def pair_table(name: str, found: Found) -> str:
    """MSE/MAE by case; ours is the median of the seeds, with the least and the most."""
    cases = [case for case in PROTOCOLS[name].cases if case in found]
    lines = [row(["MSE/MAE", *map(str, cases), "mean"]), row(["---"] * (len(cases) + 2))]
    lines.append(
        row(
            [
                "**ours**",
                *(pair(found[case], "segment_bigru") for case in cases),
                mean_pair(found, cases),
            ]
        )
    )
    lines.append(
        row(
            [
                "least to most MSE",
                *(spread(found[case], "segment_bigru", "MSE") for case in cases),
                "",
            ]
        )
    )
    for method, figures in PAIRS[name].items():
        chosen = [figures[PROTOCOLS[name].cases.index(case)] for case in cases]
        means = [
            "/".join(
                f"{sum(float(one.split('/')[i]) for one in chosen) / len(chosen):.3f}"
                for i in (0, 1)
            )
        ]
        lines.append(row([method, *chosen, *means]))
    for baseline in BASELINES:
        label = f"`{baseline}`, recomputed"
        lines.append(
            row(
                [
                    label,
                    *(pair(found[case], baseline) for case in cases),
                    mean_pair(found, cases, baseline),
                ]
            )
        )
    return "\n".join([*lines, "", about(found), ""])


def m4_table(name: str, found: Found) -> str:
    """sMAPE, MASE and OWA; ours is the median of the seeds."""
    (results,) = found.values()
    lines = [row(["", "sMAPE", "MASE", "OWA"]), row(["---"] * 4)]
    lines.append(
        row(
            [
                "**ours**",
                *(
                    f"**{middle(results, 'segment_bigru', s):.4g}**"
                    for s in ("sMAPE", "MASE", "OWA")
                ),
            ]
        )
    )
    lines.append(
        row(
            [
                "least to most",
                *(spread(results, "segment_bigru", one) for one in ("sMAPE", "MASE", "OWA")),
            ]
        )
    )
    lines += [row([method, *figures]) for method, figures in M4[name].items()]
    lines.append(
        row(
            [
                "`last_value`, recomputed",
                *(f"{middle(results, 'last_value', s):.4g}" for s in ("sMAPE", "MASE", "OWA")),
            ]
        )
    )
    return "\n".join([*lines, "", about(found), ""])


def mase_table(name: str, found: Found) -> str:
    """MASE; ours is the median of the seeds."""
    (results,) = found.values()
    lines = [row(["", "MASE"]), row(["---"] * 2)]
    lines.append(row(["**ours**", f"**{middle(results, 'segment_bigru', 'MASE'):.4g}**"]))
    lines.append(row(["least to most", spread(results, "segment_bigru", "MASE")]))
    lines += [row([method, figure]) for method, figure in MASE[name].items()]
    for baseline in ("seasonal_naive", "last_value"):
        lines.append(row([f"`{baseline}`, recomputed", f"{middle(results, baseline, 'MASE'):.4g}"]))
    return "\n".join([*lines, "", about(found), ""])


def row(cells: Iterable[str]) -> str:
    """A line of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def middle(results: list[dict[str, Any]], model: str, score: str) -> float:
    """The median of the seeds."""
    return median(one["scores"][model][score] for one in results)


def spread(results: list[dict[str, Any]], model: str, score: str) -> str:
    """The least and the largest of the seeds."""
    values = [one["scores"][model][score] for one in results]
    return f"{min(values):.3f} to {max(values):.3f}"


def pair(results: list[dict[str, Any]], model: str) -> str:
    """MSE/MAE of one case."""
    return f"{middle(results, model, 'MSE'):.3f}/{middle(results, model, 'MAE'):.3f}"


def mean_pair(found: Found, cases: list[int | str], model: str = "segment_bigru") -> str:
    """MSE/MAE over all cases."""
    return "/".join(
        f"{sum(middle(found[c], model, s) for c in cases) / len(cases):.3f}" for s in ("MSE", "MAE")
    )


def about(found: Found) -> str:
    """Seeds, sizes and times."""
    results = [one for case in found.values() for one in case]
    seeds = sorted({one["seed"] for one in results})
    parameters = sorted({one["parameters"] for one in results})
    seconds = median(one["seconds"] for one in results)
    cases = [case for case in PROTOCOLS[results[0]["set"]].cases if case in found]
    weights = ", ".join(f"{case}: {of_networks(found[case]):.2f}" for case in cases)
    return (
        f"Seeds {', '.join(map(str, seeds))}; {parameters[0]:,} to {parameters[-1]:,} numbers in "
        f"the blend, of the "
        f"linear maps too; {seconds:.0f} s for one case and seed, file to scores. Weight of the "
        f"networks in the "
        f"blend, the rest being linear maps: {weights}."
    )


def of_networks(results: list[dict[str, Any]]) -> float:
    """The weight of all networks together, the median of the seeds."""
    return median(
        sum(w for name, w in one["shares"].items() if not name.startswith("linear"))
        for one in results
    )
