"""A stack for one run: made anew, on the usual ports or on free ones."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from contracts.errors import StackError
from contracts.settings import SettingsGroup
from infra.stack.ports import choose_ports
from infra.stack.stop import down

S = TypeVar("S", bound=SettingsGroup)


def make_anew(home: Path) -> None:
    """Stop what an earlier run may have left in this folder, and forget its data."""
    if home.exists():
        down(home)
        shutil.rmtree(home)
    home.mkdir(parents=True)


def usual_or_free_ports(wanted: S, say: Callable[[str], None]) -> S:
    """Take the ports that are wanted, and any free one in the place of each that is in use."""
    free = {}
    for name, port in wanted.model_dump().items():
        try:
            choose_ports({name: port})
        except StackError as error:
            say(f"{error}; taking another")
            free[name] = 0
    return wanted.model_copy(update=free)
