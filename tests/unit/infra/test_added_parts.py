"""A part that a running supervisord is given."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.stack import processes, supervisor
from infra.stack.layout import Layout
from infra.stack.stop import stop
from infra.stack.supervisor import Program, Supervisor, added, last_line

PATIENCE_SECONDS = 20.0


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    """A supervisord that has no program."""
    layout = Layout(tmp_path / "home")
    layout.make()
    supervisor.write_conf(layout, [])
    supervisor.start(layout)
    yield layout
    stop(layout)
    assert processes.find(layout) == []


def test_what_is_said_of_it_is_of_this_run_and_the_log_of_the_one_before_is_kept(layout: Layout) -> None:
    log = layout.log("greeter")
    log.write_text("ERROR of yesterday\n")
    with added(layout, [Program("greeter", ["/bin/sh", "-c", "echo good morning; exec sleep 60"], {})]):
        Supervisor(layout.socket).start("greeter")
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not log.exists() or "morning" not in log.read_text():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert last_line(log) == "good morning"
    assert log.with_name("greeter.log.1").read_text() == "ERROR of yesterday\n"
