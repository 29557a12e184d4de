"""`coinlake topics apply|list|try`: the topics of `infra/kafka/topics.toml`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from contracts.settings import KafkaSettings
from contracts.topics import Topic
from infra.terminal import say, table

if TYPE_CHECKING:
    from infra.kafka.twin import Partition

File = Annotated[Path | None, typer.Option("--file", help="another topics file", exists=True, dir_okay=False)]

_PLACE = ("leader", "replicas", "in sync")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(name="topics", help="Kafka topics, as declared in infra/kafka/topics.toml.")
    group.command(name="apply")(apply_command)
    group.command(name="list")(list_command)
    group.command(name="try")(try_command)
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


def try_command(
    topic: Annotated[str, typer.Argument(help="a topic of the broker, of whose settings another one is made")],
    messages: Annotated[int, typer.Option("--messages", "-n", min=1, max=1000, help="how many are sent")] = 6,
) -> None:
    """Send messages to a topic like TOPIC, read them back and delete it; TOPIC itself is not touched.

    Each step shows the command of Kafka's own console tools that does the same.
    """
    from infra.kafka import trial, twin
    from infra.kafka.admin import admin_client

    servers = KafkaSettings.load().kafka_bootstrap_servers
    client = admin_client(servers)
    console = twin.of(client, servers, topic)
    say(f"{console.topic} is made like {topic}: {console.replication} replicas\n  {console.create()}")
    with twin.made(client, console) as partitions:
        table(("partition", *_PLACE), [(str(part.number), *_place(part)) for part in partitions])
        say(f"  {console.describe()}")
        sent = trial.send(console, {f"key-{number}": f"message {number}" for number in range(1, messages + 1)})
        say(f"{len(sent)} messages sent and acknowledged; by hand, each a line such as key-1:message 1")
        say(f"  {console.produce()}")
        back = trial.read_back(console, sent)
        say(f"{len(back)} messages read back, each as it was sent")
        # Asked for anew: a broker may have died since the topic was made.
        where = {part.number: part for part in twin.describe(client, servers, console.topic)}
        table(
            ("partition", "offset", "key", "value", *_PLACE),
            [(str(at.partition), str(at.offset), at.key, at.value, *_place(where[at.partition])) for at in back],
        )
        say(f"  {console.consume(messages)}")
    say(f"{console.topic} is deleted\n  {console.delete()}")


def _place(part: "Partition") -> tuple[str, str, str]:
    leader = "none" if part.leader is None else str(part.leader)
    return leader, ",".join(map(str, part.replicas)), ",".join(map(str, part.in_sync))


def _read(file: Path | None) -> dict[str, Topic]:
    from infra.kafka import topics

    return topics.read_topics(file) if file else topics.read_topics()
