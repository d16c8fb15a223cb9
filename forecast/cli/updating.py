"""The commands `update` and `rollback`."""

from __future__ import annotations

import argparse

from forecast.cli.parser import SUCCESS, Commands, add_command
from forecast.cli.terminal import make_voice, print_line, print_result


def add_update(commands: Commands) -> None:
    """Add the command `update`."""
    parser = add_command(
        commands,
        "update",
        update_command,
        "take in newer rows and train a run again",
        "The new model becomes current unless it is worse, beyond chance, on the newest windows "
        "that neither it nor the old one has learned from. The rows are taken in either way.",
    )
    parser.add_argument("run_folder", metavar="RUN", help="run folder, which gets a new version")
    parser.add_argument(
        "table",
        metavar="NEWER",
        help="table with newer rows, in the form of the one that fit read; it may repeat old rows",
    )
    parser.add_argument(
        "--fine-tune",
        action="store_true",
        help="let networks go on from the weights of the current model, for a quarter of the "
        "epochs; default: the setting training.update, which trains from the start",
    )


def update_command(options: argparse.Namespace) -> int:
    """Update a run, and say which version is current and why."""
    from forecast.runs.update import update_run

    done = update_run(
        options.run_folder,
        options.table,
        fine_tune=options.fine_tune,
        voice=make_voice(None),
    )
    verdict = done.verdict
    for name, error in verdict.errors.items():
        print_line(f"{name}: error {error:.4g} on {verdict.num_windows:,} new windows")
    taken = f"{options.run_folder}: took in {done.num_new:,} rows"
    if verdict.accepted:
        print_result(f"{taken}; version {done.version} is current: {verdict.reason}")
    else:
        print_result(
            f"{taken}; version {done.before} stays, as the new model was no better: "
            f"{verdict.reason}"
        )
    return SUCCESS


def add_rollback(commands: Commands) -> None:
    """Add the command `rollback`."""
    parser = add_command(
        commands,
        "rollback",
        rollback_command,
        "go back to the version of a run before the current one",
        "The rows that updates took in stay.",
    )
    parser.add_argument("run_folder", metavar="RUN", help="run folder that was updated")


def rollback_command(options: argparse.Namespace) -> int:
    """Go back one version."""
    from forecast.runs.versions import rollback

    before, now = rollback(options.run_folder)
    print_result(f"{options.run_folder}: version {now} is current again, after version {before}")
    return SUCCESS
