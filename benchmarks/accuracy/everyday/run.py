"""Judge the default on small everyday tables (`make bench-everyday`).

    python benchmarks/accuracy/everyday/run.py                       shared and development tables
    python benchmarks/accuracy/everyday/run.py --half judging        the half for the end
    python benchmarks/accuracy/everyday/run.py --tables nile uk_gas  some tables
    python benchmarks/accuracy/everyday/run.py --quick               the last cutoff, nothing stored
    python benchmarks/accuracy/everyday/run.py --show                the stored results
    python benchmarks/accuracy/everyday/run.py --peers               statistical models once more

Results go to results/LABEL.csv and results/LABEL-fits.csv, a table at a time, and take the place of
those of the same table. `--label before` is the state that the page compares with.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent))  # for `series_scores` and `statistical`

from catalogue import HALVES, Task, all_tasks  # noqa: E402
from ratios import table_text, text_of, write_page  # noqa: E402

RESULTS = HERE / "results"


def chosen_tasks(names: list[str], half: str) -> list[Task]:
    """Return the tasks of some names, or those of a half; `development` has the shared ones too."""
    tasks = all_tasks()
    if names:
        return [tasks[name] for name in names]
    groups = [half]
    if half == "development":
        groups.append("shared")
    return [task for task in tasks.values() if task.group in groups and task.path.is_file()]


def store(path: Path, found: pd.DataFrame) -> None:
    """Write rows to a file, in place of those of the same table."""
    if path.is_file():
        old = pd.read_csv(path, parse_dates=["cutoff"], dtype={"unique_id": str})
        found = pd.concat([old[~old["table"].isin(found["table"])], found])
    path.parent.mkdir(exist_ok=True)
    found.to_csv(path, index=False, float_format="%.5g")


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", nargs="+", default=[], choices=all_tasks(), metavar="NAME")
    parser.add_argument("--half", choices=HALVES, default="development")
    parser.add_argument("--label", default="now", help="name of the results; default: now")
    parser.add_argument("--quick", action="store_true", help="the last cutoff; nothing is stored")
    parser.add_argument("--show", action="store_true", help="print stored results")
    parser.add_argument("--peers", action="store_true", help="run the statistical models")
    options = parser.parse_args()
    tasks = chosen_tasks(options.tables, options.half)
    names = [task.name for task in tasks]
    if options.show:
        print(table_text(RESULTS, options.label, names))
        return
    from forecasts import judge, make_peers

    for task in tasks:
        if options.peers:
            make_peers(task)
            continue
        scores, fits = judge(task, quick=options.quick)
        if options.quick:
            print(text_of(scores, fits, {}, [task.name]), flush=True)
            continue
        store(RESULTS / f"{options.label}.csv", scores)
        store(RESULTS / f"{options.label}-fits.csv", fits)
        print(table_text(RESULTS, options.label, [task.name]), flush=True)
    if not options.peers and not options.quick:
        write_page(RESULTS, options.label)
        print(table_text(RESULTS, options.label, names))


if __name__ == "__main__":
    main()
