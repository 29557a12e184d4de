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
from infra.connect.connectors import Connector, Patience, register
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

PUT, CONFIG, STATUS, TASKS, RESTART = (
    "PUT /connectors/sink/config",
    "GET /connectors/sink/config",
    "GET /connectors/sink/status",
    "GET /connectors/sink/tasks",
    "POST /connectors/sink/restart",
)
OLD = {"connector.class": "x.Y", "topics": "old"}
NEW = (404, {"message": "no such connector"})
WITH_ITS_OPTIONS = [(200, [{"id": {"task": 0}, "config": {**SINK.config, "task.class": "x.Task"}}])]
WITH_OLD_OPTIONS = [(200, [{"id": {"task": 0}, "config": {**OLD, "task.class": "x.Task"}}])]


def told(config: tuple[int, Any], *statuses: tuple[int, Any], tasks: Any = WITH_ITS_OPTIONS) -> dict[str, Any]:
    return {CONFIG: [config], PUT: [(200, {})], STATUS: list(statuses), TASKS: list(tasks), RESTART: [(202, {})]}


def there(config: dict[str, str]) -> tuple[int, dict[str, str]]:
    return 200, {**config, "name": "sink"}


BRIEF = Patience(running_seconds=60, settled_seconds=0.4)
"""What is said is believed at the fifth look, each a tenth of a second after the one before."""


def test_a_connector_is_waited_for_until_its_task_runs() -> None:
    with serving(told(NEW, (404, {}), (404, {}), (200, STARTED), (200, RUNNING))) as connect:
        register(connect.url, SINK, BRIEF)
    asked = [request for request, _ in connect.asked]
    assert asked[:2] == [CONFIG, PUT]
    assert asked.count(STATUS) == 4
    assert json.loads(connect.asked[1][1]) == SINK.config


def test_a_worker_that_settles_is_asked_again() -> None:
    answers = told(NEW, (200, RUNNING)) | {PUT: [(409, {"message": "rebalance"}), (200, {})]}
    with serving(answers) as connect:
        register(connect.url, SINK, BRIEF)
    assert [request for request, _ in connect.asked] == [CONFIG, PUT, PUT, STATUS, STATUS, TASKS]


def test_tasks_that_still_run_with_the_old_options_are_not_taken_for_those_that_are_to_come() -> None:
    answers = told(there(OLD), *[(200, RUNNING)] * 3, (200, FAILED), tasks=[*WITH_OLD_OPTIONS, *WITH_ITS_OPTIONS])
    with (
        serving(answers) as connect,
        pytest.raises(ConnectorError, match=r"^sink has failed: java\.lang\.Error: no heap$"),
    ):
        register(connect.url, SINK, BRIEF)


def test_tasks_that_are_never_given_the_options_do_not_run() -> None:
    expected = "^sink: expected it to run within 1 s, found RUNNING, RUNNING, its tasks without its options$"
    with serving(told(there(OLD), (200, RUNNING), tasks=WITH_OLD_OPTIONS)) as connect:  # noqa: SIM117
        with pytest.raises(ConnectorError, match=expected):
            register(connect.url, SINK, Patience(running_seconds=1, settled_seconds=0.4))


def test_unchanged_options_of_a_connector_that_runs_are_waited_for_no_longer_than_a_look() -> None:
    with serving(told(there(dict(SINK.config)), (200, RUNNING))) as connect:
        register(connect.url, SINK, BRIEF)
    assert [request for request, _ in connect.asked] == [CONFIG, PUT, STATUS, STATUS, TASKS]


def test_a_failed_task_is_started_again_once_and_what_was_said_of_it_before_passed_over() -> None:
    with serving(told(NEW, *[(200, FAILED)] * 3, (200, RUNNING))) as connect:
        register(connect.url, SINK, BRIEF)
    restarts = [request for request, _ in connect.asked if request.startswith(RESTART)]
    assert restarts == [f"{RESTART}?includeTasks=true&onlyFailed=true"]


def test_a_task_that_fails_again_is_named_with_its_reason() -> None:
    with serving(told(NEW, (200, FAILED))) as connect:  # noqa: SIM117
        with pytest.raises(ConnectorError, match=r"^sink has failed: java\.lang\.Error: no heap$"):
            register(connect.url, SINK, BRIEF)


def test_refused_options_are_told_in_connects_words() -> None:
    with serving({CONFIG: [NEW], PUT: [(400, {"message": "include.key: expected false"})]}) as connect:
        refused = f"^Kafka Connect refuses PUT {connect.url}/connectors/sink/config: 400 include.key: expected false$"
        with pytest.raises(ConnectorError, match=refused):
            register(connect.url, SINK, BRIEF)


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
