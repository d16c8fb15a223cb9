"""Train every network of the grid on every set, and write docs/cells.md (`make bench-cells`).

    python benchmarks/cells/run.py                           everything, then the page
    python benchmarks/cells/run.py --sets etth1 --seeds 0    some of it
    python benchmarks/cells/run.py --time                    milliseconds per step, interleaved
    python benchmarks/cells/run.py --page                    the page, from stored results

A result is written after every network, and a case with a stored result of the same settings is not
run again, so an interrupted run resumes. The environment variable `FORECAST_DATA` names the folder
of the data.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from itertools import product
from typing import Any

from cases import HERE, PARTS, RESULTS, Case, missing, result_of, write_result
from grid import SEEDS, SETS, SINGLE

sys.path += [
    str(HERE.parent / "accuracy"),
    str(HERE.parent),
]  # for `protocols`, and for `rounds` and `machine`


def run_missing(name: str, part: str, seed: int) -> None:
    """Run it in this process, one network after another, each result written at once."""
    fit_ridge_once()
    for case in missing(name, part, seed):
        row, baselines = run_one(name, case, seed)
        result = result_of(name)
        result["baselines"] = result["baselines"] or baselines
        result["rows"][f"{case.key}-{seed}"] = row
        write_result(name, result)
        print(name, case.key, seed, row["scores"], f"{row['seconds']:.1f} s", flush=True)


def run_one(name: str, case: Case, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Train and score one network under its protocol; its figures, and those of the baselines."""
    from protocols import run_case

    model = [f"model.{field}={value}" for field, value in case.choice.settings.items()]
    model.append(f"model.units={list(case.widths)}")
    start = time.perf_counter()
    found = run_case(
        name, SETS[name].case, seed, (*SINGLE, *SETS[name].overrides, *model, *case.overrides)
    )
    scores = found["scores"]
    own = scores.pop(found["config"]["name"])
    kept = ("parameters", "epochs", "best_epoch", "val_loss", "epoch_seconds")
    row = {
        "units": list(case.widths),
        "scores": {one: round(own[one], 6) for one in SETS[name].scores},
    }
    row |= {one: found[one] for one in kept} | {"seconds": round(time.perf_counter() - start, 2)}
    return row, {
        one: {score: round(value, 6) for score, value in of.items()} for one, of in scores.items()
    }


def fit_ridge_once() -> None:
    """Share one fit of the ridge baseline, which reads the same windows, between all networks."""
    from forecast.forecasting import forecaster

    fit = forecaster.fit_linear
    fitted: list[Any] = []

    def remembered(prepared: Any) -> Any:
        if not fitted:
            fitted.append(fit(prepared))
        return fitted[0]

    forecaster.fit_linear = remembered


def run_apart(parts: list[str], sets: list[str], seeds: list[int]) -> list[str]:
    """Run each part, set and seed in a separate process; return the names of those that failed."""
    failed = []
    for part, name, seed in product(parts, sets, seeds):
        command = [
            sys.executable,
            __file__,
            "--here",
            "--parts",
            part,
            "--sets",
            name,
            "--seeds",
            str(seed),
        ]
        if missing(name, part, seed) and subprocess.run(command, check=False).returncode:
            failed.append(f"{part} {name} {seed}")
    return failed


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS))
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument(
        "--time", action="store_true", help="measure steps in turns, instead of training"
    )
    parser.add_argument("--page", action="store_true", help="write the page only")
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if arguments.here:
        run_missing(arguments.sets[0], arguments.parts[0], arguments.seeds[0])
        return
    failed = []
    if arguments.time:
        from timing import measure_sets

        measure_sets(arguments.sets)
    elif not arguments.page:
        failed = run_apart(arguments.parts, arguments.sets, arguments.seeds)
    from page import write_page

    write_page()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
