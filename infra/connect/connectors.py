"""Connectors of Kafka Connect as reviewed data: registered over its REST, changed when the file is changed."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from contracts.errors import ConnectorError

ALT_LIQUIDATIONS_FILE = Path(__file__).parent / "alt_liquidations.json"
RUNNING_SECONDS = 60.0
"""How long a connector may take until it and its tasks run; a worker that settles says 409 meanwhile."""
_REQUEST_SECONDS = 30.0


@dataclass(frozen=True)
class Connector:
    """A connector: its name and its options."""

    name: str
    config: Mapping[str, str]

    @classmethod
    def read(cls, path: Path = ALT_LIQUIDATIONS_FILE) -> Self:
        """Read the body of a `POST /connectors`."""
        body = json.loads(path.read_text())
        return cls(body["name"], body["config"])

    def of_class(self, name: str) -> Self:
        """Return the same connector with another class, and nothing else changed."""
        return replace(self, config={**self.config, "connector.class": name})


def register(url: str, connector: Connector) -> None:
    """Register a connector, or give one that is there these options, and wait until it and its tasks run.

    A task that has failed is started again.

    Args:
        url: where Kafka Connect is.
        connector: what to register.

    Raises:
        ConnectorError: Connect cannot be reached, refuses the options, or a task ended with an error.
    """
    deadline = time.monotonic() + RUNNING_SECONDS
    place = f"{url}/connectors/{connector.name}"
    _ask_until(deadline, "PUT", f"{place}/config", connector.config)
    parts = _parts(place)
    if _failed(parts):
        _ask_until(deadline, "POST", f"{place}/restart?includeTasks=true&onlyFailed=true", {})
        # A moment passes before what has failed is said to be started again.
        time.sleep(1)
        parts = _parts(place)
    while not (len(parts) > 1 and all(part["state"] == "RUNNING" for part in parts)):
        if failed := _failed(parts):
            raise ConnectorError(
                f"{connector.name} has failed: {str(failed[0].get('trace', '')).partition(chr(10))[0]}"
            )
        if time.monotonic() > deadline:
            found = ", ".join(part["state"] for part in parts) or "nothing"
            raise ConnectorError(f"{connector.name}: expected it to run within {RUNNING_SECONDS:g} s, found {found}")
        time.sleep(0.1)
        parts = _parts(place)


def _parts(place: str) -> list[dict[str, str]]:
    """Return the states of a connector and its tasks; none before it was assigned to a worker."""
    answer = _ask("GET", f"{place}/status")
    return [answer.body["connector"], *answer.body["tasks"]] if answer.code == 200 else []


def _failed(parts: list[dict[str, str]]) -> list[dict[str, str]]:
    return [part for part in parts if part["state"] == "FAILED"]


@dataclass(frozen=True)
class _Answer:
    code: int
    body: Any


def _ask_until(deadline: float, method: str, url: str, body: Mapping[str, str]) -> None:
    """Ask again while the worker is settling."""
    answer = _ask(method, url, body)
    while answer.code == 409 and time.monotonic() < deadline:
        time.sleep(0.2)
        answer = _ask(method, url, body)
    if answer.code >= 300:
        said = answer.body.get("message", "") if isinstance(answer.body, dict) else ""
        raise ConnectorError(f"Kafka Connect refuses {method} {url}: {answer.code} {said}")


def _ask(method: str, url: str, body: Mapping[str, str] | None = None) -> _Answer:
    data = None if body is None else json.dumps(dict(body)).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=_REQUEST_SECONDS) as answer:
            return _Answer(answer.status, json.loads(answer.read() or b"null"))
    except urllib.error.HTTPError as error:
        return _Answer(error.code, json.loads(error.read() or b"null"))
    except (OSError, ValueError) as error:
        raise ConnectorError(f"Kafka Connect cannot be reached at {url}: {error}") from None
