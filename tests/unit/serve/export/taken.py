"""Messages taken into a folder as an export would, by as many starts as there are batches."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from serve.export.exporter import Exporter
from serve.export.feed import Message
from tests.unit.serve.export.messages import RULES, neutral


def exporter(folder: Path) -> Exporter:
    return Exporter(folder, RULES, neutral, os.replace)


def exported(folder: Path, messages: Sequence[Message], sizes: Iterator[int] | None = None) -> None:
    """Take messages in batches of these sizes, or in one; each batch by an exporter that begins anew."""
    rest = list(messages)
    while rest:
        size = next(sizes) if sizes else len(rest)
        exporter(folder).commit(rest[:size])
        rest = rest[size:]
