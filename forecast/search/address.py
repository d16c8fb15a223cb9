"""Address of the chief of a search, as keras-tuner's variables or the command give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from forecast.errors import SearchError

IP = "KERASTUNER_ORACLE_IP"
PORT = "KERASTUNER_ORACLE_PORT"


@dataclass(frozen=True)
class Address:
    """Address of the chief.

    Attributes:
        host: name or IP of its machine.
        port: of its service.
    """

    host: str
    port: str

    @classmethod
    def of(cls, text: str | None, environment: Mapping[str, str]) -> Address:
        """Parse `HOST:PORT`; None for keras-tuner's variables, or this machine without them.

        Raises:
            SearchError: it is no address.
        """
        if not text:
            text = f"{environment.get(IP, '127.0.0.1')}:{environment.get(PORT, '8000')}"
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise SearchError(
                f"the address of the chief is {text!r}; expected HOST:PORT, such as 10.0.0.5:8000"
            )
        return cls(host, port)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"
