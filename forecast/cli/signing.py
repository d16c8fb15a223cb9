"""The command `sign`, and the option by which only signed models are read."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forecast.cli.parser import SUCCESS, Commands, add_command
from forecast.cli.terminal import print_line, start_without_keras


def add_sign(commands: Commands) -> None:
    """Add the command `sign`."""
    parser = add_command(
        commands,
        "sign",
        sign_command,
        "sign the model of a run, so that others know who wrote it",
        "Writes an ed25519 signature beside the saved model. Whoever has the public key reads only "
        "models with such a signature with --require-signature. A new model needs a new one.",
    )
    parser.add_argument(
        "run_folder", metavar="RUN", help="run folder, or the folder of a saved model"
    )
    parser.add_argument(
        "--key",
        required=True,
        metavar="FILE",
        help="private key, as `openssl genpkey -algorithm ed25519 -out FILE` writes it",
    )


def sign_command(options: argparse.Namespace) -> int:
    """Sign the current model of a run."""
    start_without_keras()
    from forecast.forecasting.saved.signatures import sign_model
    from forecast.runs.use import model_folder

    path = sign_model(model_folder(options.run_folder), Path(options.key))
    print_line(f"wrote {path}")
    return SUCCESS


@contextmanager
def requiring(key: str | None) -> Iterator[None]:
    """Read only models that the owner of a key has signed; all of them where there is no key."""
    if key is None:
        yield
        return
    from forecast.forecasting.saved.signatures import verifier_of
    from forecast.forecasting.verifying import verifying

    with verifying(verifier_of(Path(key))):
        yield
