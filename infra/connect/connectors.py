"""Connectors of Kafka Connect as reviewed data: registered over its REST, changed when the file is changed."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from contracts.errors import ConnectorError

ALT_LIQUIDATIONS_FILE = Path(__file__).parent / "alt_liquidations.json"
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


@dataclass(frozen=True)
class Patience:
    """How long a connector is waited for, in seconds."""

    running_seconds: float = 60.0
    """Until it and its tasks run; a worker that settles says 409 meanwhile."""
    settled_seconds: float = 3.0
    """For how long the same must be said of tasks that start anew until it is believed; they take tenths of one."""


def register(url: str, connector: Connector, patience: Patience = Patience()) -> None:
    """Register a connector, or give one that is there these options, and wait until it and its tasks run with them.

    A task that has failed is started again.

    Args:
        url: where Kafka Connect is.
        connector: what to register.
        patience: how long it is waited for.

    Raises:
        ConnectorError: Connect cannot be reached, refuses the options, or a task ended with an error.
    """
    deadline = time.monotonic() + patience.running_seconds
    place = f"{url}/connectors/{connector.name}"
    before = _ask("GET", f"{place}/config")
    _ask_until(deadline, "PUT", f"{place}/config", connector.config)
    changed = before.code == HTTPStatus.OK and before.body != {**connector.config, "name": connector.name}
    if _failed(_parts(place)):
        _ask_until(deadline, "POST", f"{place}/restart?includeTasks=true&onlyFailed=true", {})
        changed = True
    # Of tasks that were there before, Connect says for a moment what was true of them before.
    settled_seconds = patience.settled_seconds if changed else 0
    _wait_until_it_runs(place, connector, replace(patience, settled_seconds=settled_seconds))


def _wait_until_it_runs(place: str, connector: Connector, patience: Patience) -> None:
    """Wait until it was said for long enough that it runs with these options, or has failed."""
    deadline = time.monotonic() + patience.running_seconds
    found: tuple[list[str], bool] = ([], False)
    since = time.monotonic()
    while True:
        parts, given = _parts(place), _is_given_to_its_tasks(place, connector)
        now = time.monotonic()
        looked = [part["state"] for part in parts], given
        if looked != found:
            found, since = looked, now
        if now - since >= patience.settled_seconds:
            if failed := _failed(parts):
                reason = str(failed[0].get("trace", "")).partition(chr(10))[0]
                raise ConnectorError(f"{connector.name} has failed: {reason}")
            if given and len(parts) > 1 and all(part["state"] == "RUNNING" for part in parts):
                return
        if now > deadline:
            states = ", ".join(found[0]) or "nothing"
            options = "" if given else ", its tasks without its options"
            raise ConnectorError(
                f"{connector.name}: expected it to run within {patience.running_seconds:g} s, found {states}{options}"
            )
        time.sleep(0.1)


def _is_given_to_its_tasks(place: str, connector: Connector) -> bool:
    """Tell whether each task is to run with these options; both sinks hand all of theirs on to their tasks."""
    answer = _ask("GET", f"{place}/tasks")
    return answer.code == HTTPStatus.OK and all(
        connector.config.items() <= task["config"].items() for task in answer.body
    )


def _parts(place: str) -> list[dict[str, str]]:
    """Return the states of a connector and its tasks; none before it was assigned to a worker."""
    answer = _ask("GET", f"{place}/status")
    return [answer.body["connector"], *answer.body["tasks"]] if answer.code == HTTPStatus.OK else []


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
