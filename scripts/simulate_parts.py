"""Simulate a night of parts on more workers than there are, from the times of parts that were done.

    python scripts/simulate_parts.py forecasts --parts 8000 --workers 10 100 1000

`forecasts` is a folder that `forecast predict --parts` wrote: times of tasks are drawn from the
processor seconds in its files `NAME.done.json`, with replacement. Nodes of 16 workers are lost at
random, with what these were doing, and come back ten minutes later. One seed, so one answer.
"""

from __future__ import annotations

import argparse
import heapq
import json
from pathlib import Path

import numpy as np

WORKERS_PER_NODE = 16
START_SECONDS = 5.0  # of a process with the model
DOWN_SECONDS = 600.0
NIGHTS = 30  # of losses that are drawn


def makespan(times: np.ndarray, workers: int, losses: float, random: np.random.Generator) -> float:
    """Return the seconds until the last of some tasks (T,) has ended; `losses`: a node and day."""
    num_nodes = -(-workers // WORKERS_PER_NODE)
    gaps = random.exponential(86_400 / max(losses, 1e-9), (num_nodes, 1 + int(losses * NIGHTS)))
    deaths = np.cumsum(gaps + DOWN_SECONDS, axis=1) - DOWN_SECONDS  # each after the last return
    free = [(START_SECONDS, worker) for worker in range(workers)]
    waiting = list(times)
    end = 0.0
    while waiting:
        now, worker = heapq.heappop(free)
        node = deaths[worker // WORKERS_PER_NODE]
        down = node[(node <= now) & (now < node + DOWN_SECONDS)]
        if len(down):
            heapq.heappush(free, (down[0] + DOWN_SECONDS + START_SECONDS, worker))
            continue
        done = now + waiting.pop()
        lost = node[(node > now) & (node < done)]
        if len(lost):
            waiting.append(done - now)
            done = lost[0]
        else:
            end = max(end, done)
        heapq.heappush(free, (done, worker))
    return end


def main() -> None:
    """Print a row for each number of workers and losses."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--parts", type=int, default=8_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[10, 100, 1_000])
    parser.add_argument("--losses", type=float, nargs="+", default=[0, 1, 24])
    options = parser.parse_args()

    records = [json.loads(path.read_text()) for path in options.folder.glob("*.done.json")]
    measured = np.array(sorted(record["cpu_seconds"] for record in records))
    times = np.random.default_rng(0).choice(measured, options.parts)
    print(
        f"{len(measured)} measured parts: {measured.mean():.1f} s, longest {measured.max():.1f} s"
    )
    for workers in options.workers:
        for losses in options.losses:
            seconds = makespan(times, workers, losses, np.random.default_rng(1))
            used = times.sum() / workers / seconds
            print(f"{workers:,} workers, {losses:g} losses of a node a day: ", end="")
            print(f"{seconds / 60:,.1f} minutes, {used:.0%} of the workers' time used")


if __name__ == "__main__":
    main()
