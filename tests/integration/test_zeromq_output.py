"""Commands over ZeroMQ keep standard output for what was asked: logs are on standard error."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.integration.conftest import COINLAKE
from tests.integration.zmq_posts_and_ticks import transport

POST = '{"id": "1", "text": "gm", "created_at": "2024-03-19T12:00:00Z"}\n'


def surroundings(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "COINLAKE_HOME": str(folder),
        "COINLAKE_TRANSPORT": transport().transport,
        "COINLAKE_WAIT_FOR_SUBSCRIBERS_SECONDS": "0.1",
    }


def test_an_import_that_waits_for_a_worker_says_so_on_standard_error(tmp_path: Path) -> None:
    (tmp_path / "posts.jsonl").write_text(POST)
    command = [*COINLAKE, "import-posts", str(tmp_path / "posts.jsonl"), "--coin", "bitcoin"]
    ended = subprocess.run(command, env=surroundings(tmp_path), capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "event=waiting_for_subscribers" in ended.stderr


@pytest.mark.timeout(300)
def test_a_tail_of_a_silent_publisher_prints_no_line_that_is_no_message(tmp_path: Path) -> None:
    command = [*COINLAKE, "tail", "wallex"]
    with subprocess.Popen(
        command, env=surroundings(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stderr is not None
        told = running.stderr.readline()
        running.terminate()
        shown, _ = running.communicate(timeout=120)
    assert "event=publisher_silent" in told
    assert shown == ""
