"""Addresses of this machine alone, and whether a request names one of them."""

from __future__ import annotations

import ipaddress
import os

from forecast.errors import ConfigError
from forecast.serving.limits import RefusedError

TOKEN = "FORECAST_TOKEN"
"""Variable of the environment with the token."""

LEAST_TOKEN = 16
"""Letters of a token, at least."""


def token_for(host: str) -> str:
    """Return the token of the environment; empty for none.

    Args:
        host: to listen on.

    Raises:
        ConfigError: others could reach a service that takes no token, or the token is short.
    """
    token = os.environ.get(TOKEN, "")
    check_address(host, token)
    return token


def check_address(host: str, token: str) -> None:
    """Raise where a service that others could reach would take no token.

    Args:
        host: to listen on.
        token: of the service; empty for none.

    Raises:
        ConfigError: there is no token, or a short one.
    """
    if token and (len(token) < LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ConfigError(
            f"{TOKEN} has {len(token)} characters; expected at least {LEAST_TOKEN}, ASCII alone, "
            f"as `openssl rand -hex 32` writes them"
        )
    if token or is_loopback(host):
        return
    raise ConfigError(
        f"{host} can be reached from other machines and there is no token: set {TOKEN} in the "
        f"environment, or listen on 127.0.0.1"
    )


def is_loopback(host: str) -> bool:
    """Return whether a name is one of this machine, which no other machine can reach."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_host(header: bytes) -> None:
    """Raise where a request to a service without a token names another machine.

    A page on the web may let its own name lead to this machine (DNS rebinding): its requests then
    come from a browser here, with that name, and could read forecasts.

    Args:
        header: `Host` of the request, such as `127.0.0.1:8000`; empty where there is none.

    Raises:
        RefusedError: it is another name than those of this machine.
    """
    text = header.decode("latin-1")
    name, _, port = text.rpartition(":")
    if not port.isdigit():
        name = text
    if not text or is_loopback(name):
        return
    raise RefusedError(
        421,
        f"the request names the host {text[:100]!r}, and this service answers on this machine "
        f"alone: ask 127.0.0.1 or localhost, or set {TOKEN} and send it",
    )
