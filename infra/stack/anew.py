"""A stack for one run: made anew, on the usual ports or on free ones."""

import shutil
from collections.abc import Callable
from pathlib import Path

from contracts.errors import StackError
from infra.settings import StackSettings
from infra.stack.ports import choose_ports
from infra.stack.stop import down


def make_anew(home: Path) -> None:
    """Stop what an earlier run may have left in this folder, and forget its data."""
    if home.exists():
        down(home)
        shutil.rmtree(home)
    home.mkdir(parents=True)


def usual_or_free_ports(say: Callable[[str], None]) -> StackSettings:
    """Take the usual ports, and any free one in the place of each that is in use."""
    wanted = StackSettings.load()
    free = {}
    for name, port in wanted.model_dump().items():
        try:
            choose_ports({name: port})
        except StackError as error:
            say(f"{error}; taking another")
            free[name] = 0
    return wanted.model_copy(update=free)
