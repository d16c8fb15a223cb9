"""Forecast from a saved model and the newest rows.

.venv/bin/python scripts/predict.py runs/mine/model newest.csv forecast.csv
"""

from __future__ import annotations

import sys

from forecast.runs.use import predict_run


def main(folder: str, table: str, output: str) -> None:
    """Load, predict, write; only an earlier forecast of this model is overwritten."""
    forecast = predict_run(folder, table, output=output)
    for note in forecast.notes:
        print(f"note: {note}")
    print(
        f"wrote {output}: {len(forecast.series_ids)} series, {forecast.stamps.shape[1]} steps each"
    )


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: scripts/predict.py MODEL TABLE OUTPUT")
    main(*sys.argv[1:])
