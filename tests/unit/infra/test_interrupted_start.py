"""Ctrl-C while the parts of a stack are being started: every part is given up at once."""

import os
import signal
import threading
from pathlib import Path

import pytest

from infra.stack.launch import run_side_by_side
from infra.stack.layout import Layout

PATIENCE_SECONDS = 20.0


def test_ctrl_c_as_the_first_part_starts_gives_up_every_part(tmp_path: Path) -> None:
    given_up: list[bool] = []

    def interrupted(cancelled: threading.Event) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        given_up.append(cancelled.wait(PATIENCE_SECONDS))

    def waiting(cancelled: threading.Event) -> None:
        given_up.append(cancelled.wait(PATIENCE_SECONDS))

    with pytest.raises(KeyboardInterrupt):
        run_side_by_side(Layout(tmp_path / "home"), [interrupted, waiting, waiting])
    assert given_up
    assert all(given_up)
