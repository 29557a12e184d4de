"""Logs of the generator: one event a line on stderr, as logfmt or JSON, never payloads or secrets."""

import logging
import sys
from typing import Literal

import structlog

LogFormat = Literal["logfmt", "json"]


def configure(form: LogFormat = "logfmt") -> None:
    """Send structlog's events to stderr, one line each."""
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.processors.LogfmtRenderer(key_order=["time", "level", "event"], bool_as_flag=False)
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
