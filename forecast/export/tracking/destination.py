"""The tracking server or database that a URI names."""

from __future__ import annotations

import logging
import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from forecast.errors import ConfigError

EXTRA = "pip install 'bigru-forecast[mlflow]'"

_DATABASES = ("sqlite", "postgresql", "mysql", "mssql")

_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""MLflow's variables with which a server that is gone is given up after seconds, not minutes; the
user's own values stay."""

_PROBE_SECONDS = 10.0

_LOGGERS = ("mlflow", "alembic", "sqlalchemy")


def check_installed(uri: str) -> None:
    """Raise where a package is missing, or a URI names what MLflow no longer writes to.

    Args:
        uri: of the tracking server or database.

    Raises:
        ConfigError: always then.
    """
    if find_spec("mlflow") is None:
        raise ConfigError(f"tracking needs the package mlflow, which is not installed: run {EXTRA}")
    scheme = uri.partition(":")[0].partition("+")[0] if ":" in uri else ""
    is_folder = scheme in ("", "file") or len(scheme) == 1  # a drive of Windows
    if is_folder and os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() != "true":
        raise ConfigError(
            f"the tracking URI {uri!r} names a folder, where MLflow keeps no new runs: name a "
            f"database, such as sqlite:///mlflow.db, or the http:// address of a server"
        )
    if scheme in _DATABASES:
        for package in ("sqlalchemy", "alembic"):
            if find_spec(package) is None:
                raise ConfigError(
                    f"tracking in a database needs the package {package}, which is not installed: "
                    f"run {EXTRA}"
                )


def probe(uri: str) -> None:
    """Raise where nothing answers at an address.

    Args:
        uri: of a server; others are not probed.

    Raises:
        ConfigError: always then.
    """
    if not uri.startswith(("http://", "https://")):
        return
    try:
        with urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=_PROBE_SECONDS):
            return
    except urllib.error.HTTPError:  # it answers; whether it lets us in is asked next
        return
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise unreachable(uri, reason) from error


def unreachable(uri: str, reason: object) -> ConfigError:
    """Return the error of a URI at which no run can be opened."""
    text = " ".join(str(reason).split())
    return ConfigError(
        f"no run can be opened at the tracking URI {uri!r} ({text[:200]}): start the server, or "
        f"name another one; a database of your own is sqlite:///mlflow.db"
    )


@contextmanager
def quietly(uri: str) -> Iterator[None]:
    """Let MLflow work inside this block on a URI: without its log, and without long retries.

    MLflow keeps the URI and the names of runs for the whole process; both are as they were
    afterwards.

    Args:
        uri: of the tracking server or database.
    """
    import mlflow

    before = {name: os.environ.get(name) for name in _PATIENCE}
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    had_uri = mlflow.is_tracking_uri_set()
    other_uri = mlflow.get_tracking_uri() if had_uri else None
    for name, value in _PATIENCE.items():
        os.environ.setdefault(name, value)
    for name in _LOGGERS:
        logging.getLogger(name).setLevel(logging.ERROR)
    mlflow.set_tracking_uri(uri)
    try:
        with warnings.catch_warnings():
            # Its own use of its own dependencies; warnings of others are shown.
            warnings.filterwarnings("ignore", module=r"(mlflow|sqlalchemy|alembic)(\.|$)")
            yield
    finally:
        mlflow.set_tracking_uri(other_uri)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        for name, old in before.items():
            if old is None:
                os.environ.pop(name, None)


def experiment_id(client: Any, uri: str, name: str) -> str:
    """Return the id of an experiment in MLflow, which is made where there is none.

    Files of a local database lie beside it, in `mlartifacts`, and not in the working folder.

    Args:
        client: of MLflow.
        uri: of the tracking server or database.
        name: of the experiment.
    """
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = None
    if uri.startswith("sqlite:///"):
        folder = Path(uri.removeprefix("sqlite:///")).resolve().parent
        location = (folder / "mlartifacts" / name).as_uri()
    return str(client.create_experiment(name, artifact_location=location))
