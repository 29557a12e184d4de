"""`coinlake connect apply`: the connectors of Kafka Connect."""

import typer

from infra.terminal import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(name="connect", help="Kafka Connect's connectors, as written in infra/connect/.")
    # With a callback, a group of one command keeps that command's name.
    group.callback()(lambda: None)
    group.command(name="apply")(apply_command)
    app.add_typer(group)


def apply_command() -> None:
    """Register the connectors, or give those that are there the options of the files, and wait until they run."""
    from infra.connect.connectors import Connector
    from infra.connect.connectors import register as register_connector
    from infra.connect.settings import ConnectSettings

    settings = ConnectSettings.load()
    connector = Connector.read().of_class(settings.connect_sink)
    register_connector(settings.connect_url, connector)
    say(f"connector {connector.name} runs")
