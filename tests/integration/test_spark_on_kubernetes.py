"""submit.sh against an API server that only writes down what it is asked: what Spark really sends is checked."""

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import kubernetes_validate
import pytest

from infra.spark.home import ensure_spark_home
from tests.integration.conftest import ran
from tests.unit.schedule.kubernetes_checks import pinned
from tests.unit.schedule.restricted import further, violations
from tests.unit.schedule.spark_checks import SUBMIT, allowed
from tests.unit.schedule.written import SCHEDULE, VERSION, files

DRIVER = "coinlake-process-1-abcde"
THE_DRIVER = {
    "kind": "Pod",
    "apiVersion": "v1",
    "metadata": {"name": DRIVER, "namespace": "coinlake", "uid": "1"},
    "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
}
EXECUTORS = 2
WHEN_EXECUTORS_END = {("patch", "pods"), ("delete", "pods")}
"""Asked for when an executor is lost or no longer needed, which these two never are."""
JOB = """
import pathlib, sys, time
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
deadline = time.monotonic() + 90
while not pathlib.Path(sys.argv[1]).exists() and time.monotonic() < deadline:
    time.sleep(0.1)
spark.stop()
"""
WRAPPER = """#!/bin/bash
arguments=()
for one in "$@"; do
  case "$one" in
    spark.driver.bindAddress=*) one=spark.driver.bindAddress=127.0.0.1 ;;
    */process_markets.py) one=$TEST_JOB ;;
    --trigger) one=$TEST_DONE ;;
  esac
  arguments+=("$one")
done
SPARK_HOME=$TEST_SPARK_HOME exec "$TEST_SPARK_HOME/bin/spark-submit" "${arguments[@]}"
"""
"""Stands before spark-submit: the session is what is looked at, so the job is another one, and stays on loopback."""


@dataclass
class Asked:
    """What the API server was asked: (verb, resource), and the bodies that came with it."""

    calls: set[tuple[str, str]] = field(default_factory=set)
    created: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    elsewhere: list[str] = field(default_factory=list)


def handler(asked: Asked, done: Path) -> type[BaseHTTPRequestHandler]:
    class Api(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, body: object, status: int = 200) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def taken(self, verb: str) -> tuple[str, dict[str, Any]]:
            size = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(size)) if size else {}
            parts = urlsplit(self.path).path.strip("/").split("/")
            if parts[:4] != ["api", "v1", "namespaces", "coinlake"] or len(parts) < 5:
                asked.elsewhere.append(self.path)
                return "", body
            one = len(parts) == 6
            if verb == "get" and not one:
                verb = "watch" if "true" in parse_qs(urlsplit(self.path).query).get("watch", ()) else "list"
            if verb == "delete" and not one:
                verb = "deletecollection"
            asked.calls.add((verb, parts[4]))
            return parts[4], body

        def do_GET(self) -> None:
            resource, _ = self.taken("get")
            if resource == "pods" and urlsplit(self.path).path.endswith(f"/{DRIVER}"):
                return self.answer(THE_DRIVER)
            found = [THE_DRIVER] if resource == "pods" and DRIVER in self.path else []
            listed = {"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": found}
            return self.answer(listed)

        def do_POST(self) -> None:
            resource, body = self.taken("create")
            asked.created.setdefault(resource, []).append(body)
            if len(asked.created.get("pods", ())) >= EXECUTORS:
                done.touch()
            metadata = {**body["metadata"], "uid": str(len(asked.created[resource])), "namespace": "coinlake"}
            self.answer({**body, "metadata": metadata}, 201)

        def do_PATCH(self) -> None:
            _, body = self.taken("patch")
            self.answer(body)

        def do_DELETE(self) -> None:
            self.taken("delete")
            self.answer({"kind": "Status", "apiVersion": "v1", "status": "Success"})

        def log_message(self, *_: object) -> None:
            """Stay silent."""

    return Api


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """Run submit.sh once, as the CronJob's pod does."""
    folder = tmp_path_factory.mktemp("kubernetes")
    (folder / "bin").mkdir()
    wrapper = folder / "bin" / "spark-submit"
    wrapper.write_text(WRAPPER)
    wrapper.chmod(0o755)
    (folder / "job.py").write_text(JOB)
    seen, done = Asked(), folder / "done"
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler(seen, done))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    env = {
        "KUBERNETES_API": f"http://127.0.0.1:{server.server_port}",
        "POD_NAME": DRIVER,
        "POD_IP": "127.0.0.1",
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(folder),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "TEST_JOB": str(folder / "job.py"),
        "TEST_DONE": str(done),
        "TEST_SPARK_HOME": str(ensure_spark_home()),
        "TMPDIR": str(folder),
    }
    try:
        ended = ran(["/bin/bash", str(SCHEDULE / SUBMIT)], folder / "submit.log", env)
        ended.well()
        yield seen
    finally:
        server.shutdown()
        server.server_close()


def test_executors_are_pods_that_the_restricted_profile_admits(asked: Asked) -> None:
    pods = asked.created["pods"]
    assert len(pods) == EXECUTORS
    for pod in pods:
        kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **pod}, pinned(files()), strict=True)
        spec = pod["spec"]
        assert violations(spec) == []
        assert further(spec) == []
        (container,) = spec["containers"]
        assert (container["image"], container["args"]) == (f"coinlake:{VERSION}", ["executor"])
        assert "SECRET" not in json.dumps(container["env"])
        assert pod["metadata"]["ownerReferences"][0]["name"] == DRIVER


def test_the_role_allows_what_the_driver_asks_for_and_little_more(asked: Asked) -> None:
    assert asked.elsewhere == []
    assert sorted(asked.calls) == sorted(allowed(files()) - WHEN_EXECUTORS_END)
