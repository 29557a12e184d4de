"""`coinlake serve-query`: the query API."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve-query")(serve_query)


def serve_query(
    port_file: Annotated[Path | None, typer.Option(help="a file to write the chosen port to")] = None,
) -> None:
    """Serve the named queries on QuestDB, the lake and Kafka until SIGTERM or Ctrl-C."""
    from contracts.settings import KafkaSettings, LakeSettings, QuestDbSettings
    from infra.terminal import say
    from serve.query.server import run
    from serve.query.settings import QuerySettings

    run(
        QuerySettings.load(),
        LakeSettings.load(),
        QuestDbSettings.load(),
        KafkaSettings.load(),
        port_file=port_file,
        say=say,
    )
