"""Whole fits, from a CSV file to an artifact: ours beside Darts, NeuralForecast and tfts.

    python benchmarks/fits.py             as published
    python benchmarks/fits.py --quick     a few steps, to see that everything runs

The peers live in environments that `make bench-peers` makes; those that are missing are left out.
Same table, same scales, same windows, same width and depth, same batch and number of epochs,
validation after each; every fit in a fresh process, one at a time, in rounds.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import machine
from fit_setting import QUICK, Setting, least_loss, write_table
from rounds import HERE, Contender, ContenderError, ratios, start, take_turns, write_json

OURS = "ours"
CONTENDERS = {
    OURS: Contender("ours", "fit_ours.py"),
    "ours_default": Contender("ours, both directions", "fit_ours.py", ("--default-network",)),
    "darts": Contender("Darts `BlockRNNModel`", "fit_darts.py", environment="torch"),
    "neuralforecast": Contender(
        "NeuralForecast `GRU`", "fit_neuralforecast.py", environment="torch"
    ),
    "tfts": Contender("tfts `rnn`", "fit_tfts.py", environment="tensorflow"),
}
COMPARED = ("whole", "fit", "epoch", "latency", "import")


def fit_afresh(contender: Contender, setting: Setting, table: Path, seed: int) -> dict[str, Any]:
    """One fit in a separate process.

    Returns:
        What `fitting.measure_fit` found, with `whole`, the seconds from the start of the process to
        the artifact, and `others`, the cores that other programs kept busy meanwhile; or `error`.
    """
    with tempfile.TemporaryDirectory() as folder:
        begin, onlooker = time.time(), machine.Onlooker()
        try:
            with start(contender) as worker:
                found = worker.ask(setting.task(table, Path(folder), seed))
                others = onlooker.others(found["cpu_seconds"])
        except ContenderError as error:
            return {"error": str(error)}
    return {**found, "whole": found["ready"] - begin, "others": others}


def summary(setting: Setting, found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The rounds of one contender: lists of what varies, one number of what does not.

    Raises:
        ValueError: it trained on fewer windows than the others, or on more than a batch more.
    """
    worked = [one for one in found if "error" not in one]
    if not worked:
        return {"error": found[0]["error"]}
    windows = {count for one in worked for count in one["windows"]}
    if min(windows) < setting.windows or max(windows) >= setting.windows + setting.batch_size:
        raise ValueError(f"windows of an epoch: {sorted(windows)}; expected {setting.windows}")
    epochs = [after_the_first(one["epochs"]) for one in worked]
    return {
        **{
            name: [one[name] for one in worked]
            for name in ("whole", "fit", "import", "latency", "peak_mb", "mae", "others")
        },
        "epoch": epochs,
        "first_epoch": [one["epochs"][0] for one in worked],
        "windows_per_second": [setting.windows / seconds for seconds in epochs],
        "to_loss": [seconds_to_loss(one, setting.loss) for one in worked],
        "ends": [one["epochs"] for one in worked],
        "losses": [one["losses"] for one in worked],
        **{name: worked[0][name] for name in ("imported_mb", "weights", "versions")},
        "windows": sorted(windows),
    }


def after_the_first(ends: Sequence[float]) -> float:
    """Median seconds of the epochs after the first, which includes compilation."""
    return median(end - begin for begin, end in pairwise(ends))


def seconds_to_loss(found: Mapping[str, Any], loss: float) -> float | None:
    """Return seconds from the imports to the first epoch with at most this validation loss."""
    reached = (
        end for end, one in zip(found["epochs"], found["losses"], strict=True) if one <= loss
    )
    end = next(reached, None)
    return None if end is None else found["import"] + end


def compare(contenders: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Ratios to ours of everything in `COMPARED`."""
    worked = {name: one for name, one in contenders.items() if "error" not in one}
    if OURS not in worked:
        return {}
    return {
        what: ratios({name: one[what] for name, one in worked.items()}, OURS) for what in COMPARED
    }


def run(setting: Setting, names: Sequence[str], *, rounds: int) -> dict[str, Any]:
    """Fit with every contender that is installed, in turns.

    Args:
        setting: what to fit.
        names: of `CONTENDERS`.
        rounds: fits of each.
    """
    there = [name for name in names if CONTENDERS[name].is_installed]
    seeds = dict.fromkeys(there, 0)
    described = machine.describe()
    with tempfile.TemporaryDirectory() as folder:
        table = write_table(setting, Path(folder) / "table.csv")

        def act(name: str) -> dict[str, Any]:
            found = fit_afresh(CONTENDERS[name], setting, table, seeds[name])
            seeds[name] += 1
            print(line_of(name, found), flush=True)
            return found

        turns = take_turns(there, rounds, act)
    contenders = {name: summary(setting, found) for name, found in turns.items()}
    return {
        "machine": described,
        "setting": {
            **asdict(setting),
            "windows": setting.windows,
            "least_loss": least_loss(setting),
        },
        "contenders": contenders,
        "ratios": compare(contenders),
    }


def line_of(name: str, found: Mapping[str, Any]) -> str:
    """A fit in short, for who watches."""
    if "error" in found:
        return f"{name:16} {found['error']}"
    return (
        f"{name:16} whole {found['whole']:6.1f} s, fit {found['fit']:6.1f} s, epochs end at "
        f"{', '.join(f'{end:.1f}' for end in found['epochs'])} s, losses "
        f"{', '.join(f'{loss:.3f}' for loss in found['losses'])}, peak {found['peak_mb']:.0f} MB, "
        f"one forecast {found['latency']:.1f} ms, MAE {found['mae']:.3f}"
    )


def main() -> None:
    """Measure with the options of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="a few steps")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rounds", type=int, default=5, help="fits of each contender")
    parser.add_argument(
        "--epochs", type=int, default=Setting.epochs, help="passes over the training windows"
    )
    parser.add_argument("--threads", type=int, default=Setting.threads, help="of every library")
    parser.add_argument("--output", type=Path, default=HERE / "results" / "fits.json")
    arguments = parser.parse_args()
    setting = (
        QUICK if arguments.quick else Setting(epochs=arguments.epochs, threads=arguments.threads)
    )
    write_json(
        arguments.output,
        run(setting, arguments.contenders, rounds=1 if arguments.quick else arguments.rounds),
    )


if __name__ == "__main__":
    main()
