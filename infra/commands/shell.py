"""`coinlake shell`: Spark's own shells on the lake."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(shell)


def shell(
    context: typer.Context,
    scala: Annotated[bool, typer.Option("--scala", help="spark-shell")] = False,
    python: Annotated[bool, typer.Option("--python", help="pyspark, which is the default")] = False,
    sql: Annotated[bool, typer.Option("--sql", help="spark-sql")] = False,
    master: Annotated[str, typer.Option(help="a Spark master URL, to run the shell's work on a cluster")] = "local[*]",
) -> None:
    """Open a Spark shell for reading the lake, its tables under their names; other options go to the shell itself.

    It runs on this machine unless told otherwise: on a cluster, a shell that is left open keeps jobs from its cores.
    """
    import os
    import sys

    from contracts.settings import LakeSettings
    from infra.spark import catalog
    from infra.spark.settings import SparkSettings
    from infra.spark.shell import Language
    from infra.spark.shell import shell as start

    chosen = [language for language in Language if {"scala": scala, "python": python, "sql": sql}[language]]
    if len(chosen) > 1:
        raise typer.BadParameter("choose one of --scala, --python and --sql")
    lake = LakeSettings.load()
    tables = catalog.registrations(lake)
    settings = SparkSettings.load().model_copy(update={"spark_master": master})
    started = start(chosen[0] if chosen else Language.PYTHON, tables, context.args, settings, lake)
    print(f"tables: {', '.join(tables) or 'none yet: run coinlake process first'}", file=sys.stderr, flush=True)
    os.execvpe(started.command[0], started.command, {**os.environ, **started.env})
