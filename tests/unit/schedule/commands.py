"""Command lines and variables of coinlake in texts that are no Python: known to the CLI and to the settings?"""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import typer
from pydantic import SecretStr
from typer.main import get_command

import infra
from contracts.settings import SettingsGroup
from infra.cli import build_app

UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""Typer does not export the error that its bad options and unknown commands share."""

OUTSIDE_SETTINGS = "COINLAKE_HOME"
"""Read from the environment alone, by `contracts.settings.home`."""


@cache
def settings() -> dict[str, bool]:
    """Return every variable that coinlake reads, and whether it is a secret."""
    for module in pkgutil.walk_packages(infra.__path__, "infra."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    groups = [group for group in SettingsGroup.__subclasses__() if not group.__module__.startswith("tests")]
    return {OUTSIDE_SETTINGS: False} | {
        f"COINLAKE_{name.upper()}": isinstance(field.default, SecretStr)
        for group in groups
        for name, field in group.model_fields.items()
    }


def variables(text: str) -> set[str]:
    """Find the variables of ours that a text names."""
    return set(re.findall(r"\bCOINLAKE_[A-Z0-9_]+\b", text))


@cache
def _command_line() -> Any:
    return get_command(build_app())


def refused(arguments: Sequence[str]) -> list[str]:
    """Say what the CLI would refuse about a command line; nothing is run."""
    command, rest = _command_line(), list(arguments)
    try:
        context = command.make_context("coinlake", list(rest))
        while hasattr(command, "resolve_command"):
            name, command, rest = command.resolve_command(context, rest)
            context = command.make_context(name, list(rest), parent=context)
    except UsageError as error:
        return [f"coinlake {' '.join(arguments)}: {error}"]
    return []


def commands_in(shell: str) -> Iterator[list[str]]:
    """Find the coinlake commands of a shell line: the words after `coinlake`, up to what ends a command."""
    for match in re.finditer(r"(?:^|[\s/])coinlake((?: +[a-z-][\w=-]*)+)", shell):
        yield match[1].split()
