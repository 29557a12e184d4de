"""What the sink makes of a QuestDB that answers as no healthy one does: whose fault it is, the rows' or its own."""

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.connect.connectors import Connector
from infra.connect.plugin import ensure_sink
from infra.jars import ensure_kafka_jars
from infra.setup.java import find_java

PROGRAM = Path(__file__).parent / "OneBatch.java"
FAILED = "failed to parse line protocol:errors encountered on line(s):"
"""How QuestDB's answer begins, whosever fault it is (`LineHttpProcessorState.formatError`)."""
DISK_FULL = 500, f"{FAILED}write error: alt_liquidations, errno: 28, error: could not open read-write"
NOT_ALLOWED = 403, f"{FAILED}write error: alt_liquidations, errno: 0, error: permission denied"
NO_TABLE = (
    400,
    f"{FAILED}\nerror in line 1: table: alt_liquidations; table does not exist, creating new tables is disabled",
)
NO_COLUMN = (
    400,
    f"{FAILED}\nerror in line 1: table: alt_liquidations, column: table does not exist; new columns are not made",
)
ECHOED = 400, f"{FAILED}\nerror in line 1: cannot cast value: {NO_TABLE[1]} [http-status=500, id: x, code: y, line: 1]"
TOO_LARGE = 413, f"{FAILED}unable to read data: ILP line does not fit QuestDB ILP buffer size"
TAKEN = 204, ""


@dataclass
class QuestDb:
    """Answers as it was told, then takes everything; keeps the bodies that it took."""

    answers: list[tuple[int, str]]
    address: str = ""
    asked: int = 0
    taken: list[bytes] = field(default_factory=list)

    def answer(self, body: bytes) -> tuple[int, str]:
        self.asked += 1
        status, message = self.answers.pop(0) if self.answers else TAKEN
        if status == TAKEN[0]:
            self.taken.append(body)
        return status, message


@pytest.fixture
def questdb() -> Iterator[QuestDb]:
    told = QuestDb([])

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, message = told.answer(self.rfile.read(int(self.headers["Content-Length"])))
            payload = json.dumps({"code": "x", "message": message, "line": 1, "errorId": "e-1"}).encode()
            self.send_response(status)
            if status != TAKEN[0]:
                self.send_header("Content-Type", "application/json")
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            if status != TAKEN[0]:
                self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(payload), payload))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    told.address = f"127.0.0.1:{server.server_port}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def run(*values: str, client: str) -> subprocess.CompletedProcess[str]:
    """Give the sink one batch of messages, each with this quantity as it stands in JSON."""
    config = {**Connector.read().config, "client.conf.string": client}
    classes = ":".join(f"{folder}/*" for folder in (ensure_sink() / "questdb-sink", ensure_kafka_jars()))
    message = (
        '{{"event_time": "2026-03-01T12:00:00.000Z", "ingest_time": "2026-03-01T12:00:00.000Z", "quantity": {}}}\n'
    )
    return subprocess.run(
        [find_java(), "-XX:TieredStopAtLevel=1", "-cp", classes, PROGRAM, *map("=".join, config.items())],
        input="".join(message.format(value) for value in values),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def said(questdb: QuestDb, *values: str) -> list[str]:
    """Return what the sink did with a batch, its client trying nothing again by itself."""
    done = run(*values, client=f"http::addr={questdb.address};protocol_version=2;retry_timeout=0;")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("fault", [DISK_FULL, NOT_ALLOWED, NO_TABLE], ids=["disk full", "not allowed", "no table"])
def test_a_fault_of_questdbs_own_lays_no_row_aside(questdb: QuestDb, fault: tuple[int, str]) -> None:
    questdb.answers = [fault, fault]
    assert said(questdb, '"1"', '"2"') == ["again", "again", "done"]
    assert len(questdb.taken) == 1
    assert questdb.taken[0].count(b"\n") == 2


@pytest.mark.parametrize("fault", [NO_COLUMN, ECHOED, TOO_LARGE], ids=["no column", "echoed", "too large"])
def test_a_row_at_fault_is_found_and_the_other_is_written(questdb: QuestDb, fault: tuple[int, str]) -> None:
    questdb.answers = [fault, TAKEN, fault]
    first, *rest = said(questdb, '"1"', '"2"')
    assert first.startswith("refused 1 Could not flush buffer: ")
    assert rest == ["done"]
    assert [body.count(b"\n") for body in questdb.taken] == [1]


def test_no_number_is_written_however_large_or_small(questdb: QuestDb) -> None:
    reason = "quantity: expected text, true or false, found a number"
    lines = said(questdb, "18446744073709551617", "1", "0.1", '"0.1"')
    assert lines == [*(f"refused {offset} {reason}" for offset in range(3)), "done"]
    assert [body.count(b"\n") for body in questdb.taken] == [1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("username=admin;password=hunter", "with a semicolon after the last one too"),
        ("username=admin;password=hun;ter;", "none that is not doubled"),
        ("username=admin;password=hun;ter=;", "found another one, or a value, as a password"),
        ("username=admin;password=hunter;auto_flush_rows=5;", "found another one"),
    ],
)
def test_words_that_the_client_would_take_for_others_are_refused_and_not_shown(words: str, expected: str) -> None:
    done = run('"1"', client=f"http::addr=127.0.0.1:1;{words}")
    assert done.returncode != 0
    assert expected in done.stderr
    assert "hun" not in done.stderr


def test_a_doubled_semicolon_is_part_of_a_password(questdb: QuestDb) -> None:
    client = f"http::addr={questdb.address};username=admin;password=hun;;ter;;;protocol_version=2;"
    assert run('"1"', client=client).stdout.splitlines() == ["done"]
