"""What is said of a QuestDB or a Kafka Connect that refuses, settles, has failed, or is not there."""

import base64
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from contracts.errors import ConnectorError, DatabaseError
from infra.connect.connectors import Connector, register
from infra.questdb.tables import apply_tables

RUNNING = {"connector": {"state": "RUNNING"}, "tasks": [{"id": 0, "state": "RUNNING"}]}
STARTED = {"connector": {"state": "RUNNING"}, "tasks": []}
FAILED = {
    "connector": {"state": "RUNNING"},
    "tasks": [{"id": 0, "state": "FAILED", "trace": "java.lang.Error: no heap\n\tat x"}],
}
SINK = Connector("sink", {"connector.class": "x.Y", "topics": "t"})


@dataclass
class Server:
    """Answers as it was told, the last answer of a request again and again, and notes what it was asked."""

    answers: dict[str, list[tuple[int, Any]]]
    asked: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""


@contextmanager
def serving(answers: dict[str, list[tuple[int, Any]]]) -> Iterator[Server]:
    told = Server(answers)

    class Answering(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            sent = self.rfile.read(length).decode()
            told.asked.append((f"{self.command} {self.path}", sent or self.headers.get("Authorization")))
            prepared = told.answers[f"{self.command} {urlsplit(self.path).path}"]
            code, body = prepared.pop(0) if len(prepared) > 1 else prepared[0]
            payload = json.dumps(body).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        told.url = f"http://127.0.0.1:{server.server_port}"
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return f"127.0.0.1:{probe.getsockname()[1]}"


# --- Kafka Connect ---------------------------------------------------------------------------------------------------

PUT, STATUS, RESTART = (
    "PUT /connectors/sink/config",
    "GET /connectors/sink/status",
    "POST /connectors/sink/restart",
)


def test_a_connector_is_waited_for_until_its_task_runs() -> None:
    answers = {PUT: [(201, {})], STATUS: [(404, {}), (200, STARTED), (200, RUNNING)]}
    with serving(answers) as connect:
        register(connect.url, SINK)
    assert [request for request, _ in connect.asked] == [PUT, STATUS, STATUS, STATUS]
    assert json.loads(connect.asked[0][1]) == SINK.config


def test_a_worker_that_settles_is_asked_again() -> None:
    with serving({PUT: [(409, {"message": "rebalance"}), (200, {})], STATUS: [(200, RUNNING)]}) as connect:
        register(connect.url, SINK)
    assert [request for request, _ in connect.asked] == [PUT, PUT, STATUS]


def test_a_failed_task_is_started_again_once() -> None:
    answers = {PUT: [(200, {})], STATUS: [(200, FAILED), (200, RUNNING)], RESTART: [(202, {})]}
    with serving(answers) as connect:
        register(connect.url, SINK)
    restarts = [request for request, _ in connect.asked if request.startswith(RESTART)]
    assert restarts == [f"{RESTART}?includeTasks=true&onlyFailed=true"]


def test_a_task_that_fails_again_is_named_with_its_reason() -> None:
    with serving({PUT: [(200, {})], STATUS: [(200, FAILED)], RESTART: [(202, {})]}) as connect:  # noqa: SIM117
        with pytest.raises(ConnectorError, match=r"^sink has failed: java\.lang\.Error: no heap$"):
            register(connect.url, SINK)


def test_refused_options_are_told_in_connects_words() -> None:
    with serving({PUT: [(400, {"message": "include.key: expected false"})]}) as connect:
        refused = f"^Kafka Connect refuses PUT {connect.url}/connectors/sink/config: 400 include.key: expected false$"
        with pytest.raises(ConnectorError, match=refused):
            register(connect.url, SINK)


def test_a_connect_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ConnectorError, match=r"^Kafka Connect cannot be reached at http://127\.0\.0\.1:"):
        register(f"http://{free_address()}", SINK)


# --- QuestDB ----------------------------------------------------------------------------------------------------------

EXEC = "GET /exec"
SECRET = SecretStr("p:w")


def test_each_statement_is_run_as_the_admin() -> None:
    with serving({EXEC: [(200, {"ddl": "OK"})]}) as questdb:
        assert apply_tables(questdb.url[7:], user="admin", password=SECRET, statements=["CREATE a", "ALTER b"]) == 2
    asked = [parse_qs(urlsplit(request.split()[1]).query)["query"] for request, _ in questdb.asked]
    assert asked == [["CREATE a"], ["ALTER b"]]
    assert {sent for _, sent in questdb.asked} == {"Basic " + base64.b64encode(b"admin:p:w").decode()}


def test_a_refused_statement_is_shown_with_the_reason() -> None:
    with serving({EXEC: [(400, {"query": "x", "error": "unexpected token"})]}) as questdb:
        address = questdb.url[7:]
        with pytest.raises(DatabaseError, match=f"^QuestDB at {address} refuses a statement: unexpected token in: x$"):
            apply_tables(address, user="admin", password=SECRET, statements=["x"])


def test_a_refused_user_is_named_and_the_password_is_not() -> None:
    with serving({EXEC: [(401, "Unauthorized")]}) as questdb:
        address = questdb.url[7:]
        with pytest.raises(DatabaseError) as caught:
            apply_tables(address, user="admin", password=SECRET, statements=["x"])
    assert str(caught.value) == f"QuestDB at {address} refuses the user 'admin' or the password"


def test_a_questdb_that_is_not_there_is_one_line() -> None:
    with pytest.raises(DatabaseError, match=r"^QuestDB cannot be reached at 127\.0\.0\.1:\d+: "):
        apply_tables(free_address(), user="admin", password=SECRET, statements=["x"])
