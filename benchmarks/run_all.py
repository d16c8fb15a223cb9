"""Run the benchmarks one after another, and write tables and figures (`make bench`).

python benchmarks/run_all.py                     everything
python benchmarks/run_all.py --only steps fits   some of them
python benchmarks/run_all.py --quick             a few steps of `steps` and `fits`, not stored
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import machine
from rounds import HERE, PEERS, write_json
from write_page import PRINTED, RESULTS, write_report

COMMANDS = {
    "steps": ["steps.py"],
    "fits": ["fits.py"],
    "sweep": ["steps.py", "--sweep", "--rounds", "3", "--seconds", "0.3"],
}


def run_printed(name: str) -> None:
    """Run a benchmark, print and store its output, and its figures where it writes some."""
    print(f"--- {name}", flush=True)
    described = machine.describe()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "figures.json"
        options = [] if name == "memory" else ["--json", str(path)]
        command = [sys.executable, str(HERE / f"{name}.py"), *options]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        figures = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    print(done.stdout, flush=True)
    write_json(
        RESULTS / f"{name}.json",
        {"machine": described, "output": done.stdout.splitlines(), "figures": figures},
    )


def run_measured(name: str, *options: str) -> None:
    """Run a benchmark that writes its results itself."""
    print(f"--- {name}", flush=True)
    script, *given = COMMANDS[name]
    subprocess.run([sys.executable, str(HERE / script), *given, *options], check=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--only", nargs="+", choices=(*PRINTED, *COMMANDS), default=[*PRINTED, "steps", "fits"]
    )
    parser.add_argument("--quick", action="store_true", help="a few steps, results thrown away")
    arguments = parser.parse_args()
    if not PEERS.exists():
        print(
            f"no peers in {PEERS}: `make bench-peers` installs them; going on with ours and Keras",
            flush=True,
        )
    if arguments.quick:
        with tempfile.TemporaryDirectory() as folder:
            for name in ("steps", "fits"):
                run_measured(name, "--quick", "--output", str(Path(folder) / f"{name}.json"))
        return
    for name in arguments.only:
        run_printed(name) if name in PRINTED else run_measured(name)
    write_report()


if __name__ == "__main__":
    main()
