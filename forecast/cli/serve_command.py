"""The command `serve`."""

from __future__ import annotations

import argparse

from forecast.cli.parser import (
    SUCCESS,
    Commands,
    add_command,
    add_require_signature,
    positive_integer,
)
from forecast.cli.terminal import print_line, start_without_keras
from forecast.errors import ConfigError
from forecast.serving.limits import HELP, NAMES, Limits


def add_serve(commands: Commands) -> None:
    """Add the command `serve`."""
    parser = add_command(
        commands,
        "serve",
        serve_command,
        "serve forecasts over HTTP, without TensorFlow",
        "Needs pip install 'bigru-forecast[serve]'. The environment variable FORECAST_TOKEN is a "
        "token that callers must send; without one it listens on this machine alone.",
    )
    add_require_signature(parser)
    parser.add_argument(
        "run_folder", nargs="?", metavar="RUN", help="run folder, or the folder of a saved model"
    )
    parser.add_argument(
        "--models",
        metavar="FOLDER",
        help="folder whose sub-folders are run folders, each a model by its name; new versions are "
        "verified before they take over",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address; default: 127.0.0.1"
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=8000,
        metavar="PORT",
        help="default: 8000; 0: a free one",
    )
    parser.add_argument(
        "--processes",
        type=positive_integer,
        default=1,
        metavar="NUMBER",
        help="processes that serve the address, each with the limits below for itself; default: 1",
    )
    defaults = Limits()
    for name in NAMES:
        default = getattr(defaults, name)
        parser.add_argument(
            f"--{name.replace('_', '-')}",
            type=positive_integer if isinstance(default, int) else _seconds,
            default=default,
            metavar="NUMBER",
            help=f"{HELP[name]}, at most; default: {default:,g}"
            if isinstance(default, float)
            else f"{HELP[name]}, at most; default: {default:,}",
        )


def serve_command(options: argparse.Namespace) -> int:
    """Serve until the process is told to end."""
    start_without_keras()
    try:
        from forecast.serving.server import serve
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"serve needs the package {error.name}, which is not installed: run pip install "
            f"'bigru-forecast[serve]'"
        ) from error

    limits = Limits(**{name: getattr(options, name) for name in NAMES})
    serve(
        options.run_folder,
        models=options.models,
        host=options.host,
        port=options.port,
        limits=limits,
        processes=options.processes,
        say=print_line,
    )
    return SUCCESS


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a port, 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < 86_400:
        raise argparse.ArgumentTypeError(f"{text!r}; expected a number of seconds above 0")
    return seconds
