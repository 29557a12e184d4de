"""Making buckets and key, against a store that is not quite ready."""

import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from contracts.errors import StoreError
from infra.object_store import prepare


class StoreServer(ThreadingHTTPServer):
    """Answers the first `busy` requests for each path with 503 and a wish for a minute's wait, then with `status`."""

    def __init__(self, busy: int, status: int) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.busy = busy
        self.status = status
        self.asked: Counter[str] = Counter()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    server: StoreServer

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.split("?")[0]
        self.server.asked[path] += 1
        busy = self.server.asked[path] <= self.server.busy
        self.send_response(503 if busy else self.server.status)
        self.send_header("Retry-After", "60")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  (the base class's name)
        """Say nothing."""


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Iterator[StoreServer]:
    with StoreServer(*request.param) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def prepare_at(address: str) -> None:
    prepare(address, root_user="root", root_password="password", job_access_key="job", job_secret_key="job-secret")


@pytest.mark.parametrize("store", [(2, 200)], indirect=True)
def test_a_store_that_is_not_quite_ready_is_asked_again_at_once(store: StoreServer) -> None:
    began = time.monotonic()
    prepare_at(store.address)
    assert time.monotonic() - began < 10
    assert store.asked["/lake-house"] == store.asked["/spark"] == 3


@pytest.mark.parametrize("store", [(0, 403)], indirect=True)
def test_a_store_that_refuses_is_named(store: StoreServer) -> None:
    with pytest.raises(StoreError, match=f"^the object store at {store.address} did not make its buckets: "):
        prepare_at(store.address)
