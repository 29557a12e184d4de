"""`coinlake env`: what other tools need to reach the lake, as shell lines."""

import typer

from infra.terminal import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(env)


def env() -> None:
    """Print export lines, the keys in clear text, for pandas, DuckDB and others: eval "$(coinlake env)"."""
    from contracts.settings import KafkaSettings, LakeSettings
    from serve.shell import exports

    for line in exports(LakeSettings.load(), KafkaSettings.load()):
        say(line)
