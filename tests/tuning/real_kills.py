"""Kills `forecast tune` itself, with networks that train, at random moments until it comes to its end.

    PYTHONPATH=.:tests python tests/tuning/real_kills.py --kills 20 --workers 2

Prints how often it was killed and whether table, best settings and final scores are those of a search left alone.
"""

from __future__ import annotations

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tuning.searches import SETTINGS, begun_again, hourly, results_of

from forecast.config_file import apply_overrides, dump_experiment, experiment_from
from forecast.tuning.search import JOURNAL

TINY = [
    "model={name: bigru, units: 3, cell: rnn, bidirectional: false, decoder: direct}",
    "training={loss: mae, epochs: 40, batch_size: 32, patience: null}",
    "search.space={training.learning_rate: {float: [0.001, 0.03], log: true}, model.dropout: {choice: [0, 0.2]}}",
]


def command(folder: Path, name: str, workers: int) -> list[str]:
    """The search as a person starts it."""
    options = ["--config", str(folder / "config.yaml"), "--out", str(folder / name), "--resume"]
    return [sys.executable, "-m", "forecast", "tune", *options, "--workers", str(workers)]


def kill_until_done(folder: Path, kills: int, workers: int, draw: random.Random) -> int:
    """Kill the search so often, each time after it has written something, and let it end; the number of kills."""
    journal = folder / "broken" / JOURNAL
    for done in range(kills):
        with subprocess.Popen(command(folder, "broken", workers), stdout=subprocess.DEVNULL) as process:
            size = journal.stat().st_size if journal.exists() else 0
            while process.poll() is None and (not journal.exists() or journal.stat().st_size <= size):
                time.sleep(0.02)
            time.sleep(draw.uniform(0, 3))
            if process.poll() is not None:
                return done
            process.send_signal(signal.SIGKILL)
    return kills


def main() -> int:
    """Do it for both algorithms and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--algorithms", nargs="+", default=["random", "bayesian"])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--workers", type=int, default=1)
    options, clean, draw = parser.parse_args(), True, random.Random(0)
    for algorithm in options.algorithms:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            hourly().to_csv(folder / "table.csv", index=False)
            search = [f"search.algorithm={algorithm}", f"search.max_trials={options.trials}"]
            config = experiment_from(apply_overrides(SETTINGS, [*TINY, *search, f"data.source={folder / 'table.csv'}"]))
            (folder / "config.yaml").write_text(dump_experiment(config))
            subprocess.run(command(folder, "whole", 1), check=True, stdout=subprocess.DEVNULL)
            kills = kill_until_done(folder, options.kills, options.workers, draw)
            resumed = subprocess.run(command(folder, "broken", options.workers), stdout=subprocess.DEVNULL, check=False)
            same = not resumed.returncode and results_of(folder / "broken") == results_of(folder / "whole")
            doubled = len(begun_again(folder / "broken"))
            print(f"{algorithm}: killed {kills} times, results the same: {same}, scores doubled: {doubled}", flush=True)
            clean &= same and not doubled
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
