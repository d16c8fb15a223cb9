"""Nats per symbol on the last tenth of a text, and the processor time that learning took.

python benchmarks/classification/symbols.py TEXT CONFIG [--seed 0]
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from forecast import NextSymbol, NextSymbolSettings
from forecast.experiment.file import load_settings


def main() -> None:
    """Fit, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("text", type=Path)
    parser.add_argument("config", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    overrides = [f"training.seed={options.seed}"]
    settings = load_settings(NextSymbolSettings, options.config, overrides)
    begun = time.process_time()
    wall = time.monotonic()
    model = NextSymbol(settings).fit(str(options.text))
    taken = time.process_time() - begun
    print(f"load {os.getloadavg()[0]:.1f}, {time.monotonic() - wall:.0f} s, CPU {taken:.0f} s")
    fitted = model.fitted
    for number, losses in enumerate(zip(fitted.loss, fitted.val_loss, strict=True), start=1):
        print(f"pass {number}: learned {losses[0]:.3f}, validation {losses[1]:.3f}")
    print(model.scores().round(4).to_string())
    print("".join(model.generate("ROMEO:\n", 300, temperature=0.7, seed=1)))


if __name__ == "__main__":
    main()
