"""Run protocols from raw files to scores, and write the tables (`make bench-accuracy`).

    python benchmarks/accuracy/run.py                               all sets, three seeds
    python benchmarks/accuracy/run.py --sets etth1 --seeds 0        some of it
    python benchmarks/accuracy/run.py --default --seeds 0           the default in place of presets
    python benchmarks/accuracy/run.py --tables                      the page, from stored results

A case with a stored result of the same settings is not run again, so an interrupted run resumes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results"


def result_path(name: str, case: int | str, seed: int, *, is_default: bool) -> Path:
    """The file of one case and seed, of the preset or of the default."""
    folder = RESULTS / "default" if is_default else RESULTS
    return folder / f"{name}-{case}-{seed}.json"


def is_done(path: Path, name: str, seed: int, *, is_default: bool) -> bool:
    """Whether a result is there, of the settings that the preset has now."""
    from protocols import preset, untouched

    from forecast.experiment.file import experiment_from

    if not path.exists():
        return False
    made_with = json.loads(path.read_text(encoding="utf-8"))["config"]
    wanted = untouched(name, seed) if is_default else preset(name, seed)
    return bool(experiment_from(made_with) == wanted)  # newer settings have their defaults


def main() -> None:
    """Run what the command line asks for."""
    from protocols import PROTOCOLS, run_case

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sets", nargs="+", choices=PROTOCOLS, default=list(PROTOCOLS))
    parser.add_argument(
        "--seeds",
        nargs="+",
        type=int,
        default=[0, 100, 200],
        help="members take the numbers after it",
    )
    parser.add_argument("--cases", nargs="+", help="some of the horizons")
    parser.add_argument("--one", nargs=3, metavar=("SET", "CASE", "SEED"), help=argparse.SUPPRESS)
    parser.add_argument(
        "--default", action="store_true", help="judge the default in place of the presets"
    )
    parser.add_argument("--again", action="store_true", help="run what is stored, too")
    parser.add_argument("--tables", action="store_true", help="write the page only")
    arguments = parser.parse_args()
    if arguments.one:
        name, case, seed = arguments.one
        found = run_case(
            name,
            int(case) if case.isdigit() else case,
            int(seed),
            is_default=arguments.default,
        )
        path = result_path(name, case, int(seed), is_default=arguments.default)
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        return
    (RESULTS / "default").mkdir(exist_ok=True, parents=True)
    failed = []
    for seed in arguments.seeds if not arguments.tables else ():
        for name in arguments.sets:
            for case in PROTOCOLS[name].cases:
                path = result_path(name, case, seed, is_default=arguments.default)
                if arguments.cases and str(case) not in arguments.cases:
                    continue
                is_stored = is_done(path, name, seed, is_default=arguments.default)
                if arguments.again or not is_stored:
                    command = [sys.executable, __file__, "--one", name, str(case), str(seed)]
                    command += ["--default"] * arguments.default
                    if subprocess.run(command, check=False, stdout=subprocess.DEVNULL).returncode:
                        failed.append(f"{name} {case} {seed}")
                        continue
                    found = json.loads(path.read_text(encoding="utf-8"))
                    print(
                        name, case, seed, found["scores"], f"{found['seconds']:.0f} s", flush=True
                    )
    from tables import write_page

    write_page()
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
