"""One line an event."""

import contextlib
import io
import json

import pytest
import structlog

from ingest import logs


@pytest.mark.parametrize("form", ["logfmt", "json"])
def test_an_event_is_one_line_on_stderr_whatever_its_fields_hold(form: logs.LogFormat) -> None:
    with contextlib.redirect_stderr(io.StringIO()) as stderr:
        logs.configure(form)
        structlog.get_logger().warning("poll_failed", venue="wallex", error='two\nlines and a "quote"')
        structlog.get_logger().debug("not shown")
    structlog.reset_defaults()
    [line] = stderr.getvalue().splitlines()
    if form == "json":
        found = json.loads(line)
        assert (found["event"], found["level"], found["error"]) == (
            "poll_failed",
            "warning",
            'two\nlines and a "quote"',
        )
    else:
        assert "level=warning event=poll_failed" in line
        assert 'error="two\\nlines and a \\"quote\\""' in line
