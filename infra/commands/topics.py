"""`coinlake topics apply|list`: the topics of `infra/kafka/topics.toml`."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.settings import KafkaSettings
from contracts.topics import Topic
from infra.terminal import say, table

File = Annotated[Path | None, typer.Option("--file", help="another topics file", exists=True, dir_okay=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(name="topics", help="Kafka topics, as declared in infra/kafka/topics.toml.")
    group.command(name="apply")(apply_command)
    group.command(name="list")(list_command)
    app.add_typer(group)


def apply_command(file: File = None) -> None:
    """Create the topics that are missing and print how the others differ; deletes and changes nothing."""
    from infra.kafka import topics

    applied = topics.apply_topics(KafkaSettings.load().kafka_bootstrap_servers, _read(file))
    for name in applied.created:
        say(f"created {name}")
    for name in applied.unchanged:
        say(f"unchanged {name}")
    for drift in applied.drift:
        say(f"drift {drift}")


def list_command(file: File = None) -> None:
    """Show the topics of the broker."""
    from infra.kafka import topics

    listed = topics.list_topics(KafkaSettings.load().kafka_bootstrap_servers, _read(file))
    table(
        ("topic", "partitions", "replicas", "cleanup", "declared"),
        [
            (
                topic.name,
                str(topic.partitions),
                str(topic.replication),
                topic.cleanup,
                "yes" if topic.declared else "no",
            )
            for topic in listed
        ],
    )


def _read(file: Path | None) -> dict[str, Topic]:
    from infra.kafka import topics

    return topics.read_topics(file) if file else topics.read_topics()
