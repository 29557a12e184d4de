"""The query API as a child process, asked as its users ask it."""

import json
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from infra.children import Child
from infra.stack import StackInfo
from serve.query.client import Row, hit_endpoint
from tests.integration.conftest import COINLAKE

PATIENCE_SECONDS = 240.0


class Answer(NamedTuple):
    """Status and body of an answer."""

    status: int
    body: Any


class QueryServer:
    """`coinlake serve-query` with a stack, for the length of a block."""

    def __init__(self, stack: StackInfo, folder: Path, **variables: str) -> None:
        self._env = {"COINLAKE_HOME": str(stack.home), **stack.env(), "COINLAKE_QUERY_PORT": "0", **variables}
        self._folder = folder
        self._children = ExitStack()
        self.url = ""

    def __enter__(self) -> Self:
        port_file = self._folder / "query.port"
        port_file.unlink(missing_ok=True)
        command = [*COINLAKE, "serve-query", "--port-file", str(port_file)]
        log = self._folder / "serve-query.log"
        self.child = self._children.enter_context(
            Child("serve-query", command, env=self._env, each_line=print, log=log)
        )
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not port_file.exists():
            assert self.child.running() and time.monotonic() < deadline, self.child.last_words()
            time.sleep(0.05)
        self.url = f"http://127.0.0.1:{int(port_file.read_text())}"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._children.close()

    def rows(self, key: str, **params: object) -> list[Row]:
        """Return the rows of a query, as our own client does."""
        return hit_endpoint(key, url=self.url, token="", **params)

    def get(self, key: str, **params: str) -> Answer:
        """Return the answer of a query, whatever it is."""
        asked = f"{self.url}/api/q/{urllib.parse.quote(key, safe='')}?{urllib.parse.urlencode(params)}"
        try:
            with urllib.request.urlopen(asked, timeout=PATIENCE_SECONDS) as answer:
                return Answer(answer.status, json.load(answer))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.load(error))
