"""Draw the forecast of a run folder or a saved model after the end of a table.

.venv/bin/python scripts/plot.py runs/mine newest.csv forecast.png
"""

from __future__ import annotations

import sys

import pandas as pd

from forecast.report.plots import plot_forecasts, save_figure
from forecast.runs.use import load_run


def main(run: str, table: str, picture: str) -> None:
    """Load, predict, draw."""
    observed = pd.read_parquet(table) if table.endswith(".parquet") else pd.read_csv(table)
    forecast = load_run(run).predict(observed)
    for note in forecast.notes:
        print(f"note: {note}")
    save_figure(plot_forecasts(forecast, observed), picture)
    print(f"wrote {picture}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: scripts/plot.py RUN TABLE PICTURE")
    main(*sys.argv[1:])
