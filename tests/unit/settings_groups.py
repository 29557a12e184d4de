"""Every group of settings that the project has."""

import importlib
import pkgutil
from types import ModuleType

import infra
import serve
from contracts.settings import SettingsGroup


def settings_groups() -> list[type[SettingsGroup]]:
    """Import all of the rooms that have settings of their own, and return their groups and those of the contracts."""
    for room in (infra, serve):
        _import_all(room)
    return [group for group in SettingsGroup.__subclasses__() if not group.__module__.startswith("tests")]


def _import_all(package: ModuleType) -> None:
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
