"""Error of one network on its own, trained with products in float32 and in bfloat16.

    python benchmarks/accuracy/precision.py                      three sets, three seeds
    python benchmarks/accuracy/precision.py --sets bike_sharing  one of them

The presets without their ridge regressions, of one context. Prints a line for each training, and at
the end the means over the seeds, with the largest difference between two seeds in float32.
"""

from __future__ import annotations

import argparse
from statistics import mean

from protocols import PROTOCOLS, preset
from series_scores import cpu_seconds

CASES: dict[str, tuple[int | str, tuple[str, ...]]] = {
    "etth1": (96, ("windows.context_length=336",)),
    "bike_sharing": ("all", ()),
    "exchange_rate": (96, ()),
}
"""Set -> horizon, and settings beside those of every set."""

ALONE = (
    "ensemble.seeds=1",
    "ensemble.linear=none",
    "ensemble.simple=[]",
    "ensemble.context_lengths=[]",
)
PRECISIONS = ("float32", "bfloat16")


def error_of(name: str, seed: int, precision: str) -> dict[str, float]:
    """Return MSE and MAE on the scale of the training rows, and the CPU seconds of the fit."""
    case, settings = CASES[name]
    config = preset(name, seed, (*settings, *ALONE, f"training.precision={precision}"))
    start = cpu_seconds()
    scores, forecaster = PROTOCOLS[name].run(config, case)
    found = {score: scores[forecaster.config.name][score] for score in ("MSE", "MAE")}
    return found | {"seconds": cpu_seconds() - start}


def main() -> None:
    """Train, and print what is found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 100, 200])
    arguments = parser.parse_args()
    lines = []
    for name in arguments.sets:
        found: dict[str, list[dict[str, float]]] = {precision: [] for precision in PRECISIONS}
        for seed in arguments.seeds:
            for precision in PRECISIONS:
                found[precision].append(error_of(name, seed, precision))
                print(name, seed, precision, found[precision][-1], flush=True)
        for score in ("MSE", "MAE"):
            exact, rounded = ([one[score] for one in found[kind]] for kind in PRECISIONS)
            numbers = (mean(exact), mean(rounded), max(exact) - min(exact))
            cells = " | ".join(f"{number:.4f}" for number in numbers)
            lines.append(f"| {name}, {score} | {cells} |")
    print("| set | float32 | bfloat16 | seeds apart |", "|---|---|---|---|", *lines, sep="\n")


if __name__ == "__main__":
    main()
