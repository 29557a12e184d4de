"""`coinlake live`, as its user runs it: the URL, parts that are killed, Ctrl-C."""

import json
import os
import signal
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from infra.children import Child
from tests.integration.conftest import COINLAKE, anything_of

PATIENCE_SECONDS = 240.0
FREE_PORTS = {f"COINLAKE_{port}_PORT": "0" for port in ("KAFKA", "KAFKA_CONTROLLER", "MINIO", "MINIO_CONSOLE")}


@dataclass
class Live:
    """A live chart that runs, what it has said, and where it is."""

    command: Child
    folder: Path
    said: list[str]
    url: str = ""

    def wait_for(self, what: str, met: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not met():
            assert self.command.running(), self.command.last_words()
            assert time.monotonic() < deadline, f"{what} did not come: {self.said}"
            time.sleep(0.2)

    def newest(self) -> int:
        """When the newest trade of any symbol happened, ms; 0 where nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.url}/api/symbols", timeout=5) as answer:
                return max((row["newest"] for row in json.load(answer)["symbols"]), default=0)
        except (OSError, HTTPException, ValueError):
            return 0

    def kill(self, words: str) -> None:
        """Kill the part whose command has these words."""
        parts = psutil.Process(self.command.pid).children(recursive=True)
        found = [part for part in parts if words in " ".join(part.as_dict(["cmdline"])["cmdline"] or [])]
        assert found, words
        for part in found:
            part.kill()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    said: list[str] = []
    with Child(
        "live",
        [*COINLAKE, "live", "--trades-a-minute", "600"],
        env={"COINLAKE_HOME": str(folder / "home"), **FREE_PORTS},
        each_line=said.append,
        log=folder / "live.log",
    ) as command:
        running = Live(command, folder, said)
        running.wait_for("the first window", lambda: any(" open http" in line for line in said))
        running.url = next(line for line in said if " open http" in line).partition(" open ")[2].split()[0]
        yield running


def test_it_prints_a_url_at_which_the_page_and_the_symbols_are(live: Live) -> None:
    with urllib.request.urlopen(live.url, timeout=10) as page:
        assert b"coinlake" in page.read()
    live.wait_for("a trade of just now", lambda: abs(live.newest() - time.time() * 1000) < 10_000)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("server", "serve-live"),
        ("moving-average", "moving_average.py"),
        ("simulator", "simulate"),
        ("generator", "generate"),
    ],
)
def test_part_that_is_killed_comes_back_where_it_was(live: Live, name: str, words: str) -> None:
    live.kill(words)
    live.wait_for("the word of it", lambda: any(line.startswith(f"{name} ended (") for line in live.said))
    killed_ms = time.time() * 1000
    live.wait_for("a newer trade", lambda: live.newest() > killed_ms)


def test_ctrl_c_leaves_nothing_running(live: Live) -> None:
    """The last test: it ends the command."""
    os.kill(live.command.pid, signal.SIGINT)
    assert live.command.wait(60) == 130
    assert "Traceback" not in (live.folder / "live.log").read_text()
    assert anything_of(live.folder) == []
