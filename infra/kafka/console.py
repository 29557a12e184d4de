"""What a user of plain Kafka types: the commands of its own tools, for any broker."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field

SEPARATOR = ":"
"""Between key and value of a line that the console producer is given."""


@dataclass(frozen=True)
class Console:
    """The commands for one topic: each is a line for a shell, in which Kafka's `bin` folder is on PATH."""

    bootstrap_servers: str
    topic: str
    partitions: int
    replication: int
    config: Mapping[str, str] = field(default_factory=dict)

    def create(self) -> str:
        """Return what makes the topic."""
        settings = [f"--config={name}={value}" for name, value in self.config.items()]
        counts = ["--partitions", str(self.partitions), "--replication-factor", str(self.replication)]
        return self._line("kafka-topics.sh", "--create", *counts, *settings)

    def describe(self) -> str:
        """Return what shows leader, replicas and in-sync replicas of each partition."""
        return self._line("kafka-topics.sh", "--describe")

    def produce(self) -> str:
        """Return what sends lines `key:value` of its input, each acknowledged by every broker in sync."""
        properties = ["parse.key=true", f"key.separator={SEPARATOR}"]
        reader = [word for each in properties for word in ("--reader-property", each)]
        return self._line("kafka-console-producer.sh", "--command-property", "acks=all", *reader)

    def consume(self, messages: int) -> str:
        """Return what prints partition, offset, key and value of the oldest messages, and ends after so many."""
        shown = [f"print.{what}=true" for what in ("partition", "offset", "key")]
        formatter = [word for each in shown for word in ("--formatter-property", each)]
        return self._line("kafka-console-consumer.sh", "--from-beginning", "--max-messages", str(messages), *formatter)

    def delete(self) -> str:
        """Return what deletes the topic."""
        return self._line("kafka-topics.sh", "--delete")

    def _line(self, tool: str, *words: str) -> str:
        return shlex.join([tool, "--bootstrap-server", self.bootstrap_servers, "--topic", self.topic, *words])
