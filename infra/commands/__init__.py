"""The commands of `coinlake`, one file each.

A file becomes part of the command line by defining `register(app: typer.Typer) -> None`; nothing else names it.
Files import what is heavy (Spark, Kafka, pandas) inside the command, so that `coinlake --help` is quick.
"""

import importlib
import pkgutil

import typer


def register_all(app: typer.Typer) -> None:
    """Add the commands of every file in this folder, in alphabetical order."""
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda found: found.name):
        importlib.import_module(f"{__name__}.{module.name}").register(app)
