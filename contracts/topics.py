"""Topics as data: the shape of `infra/kafka/topics.toml`, and nothing that talks to a broker."""

import tomllib

import msgspec

from contracts.errors import SettingsError


class Topic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One topic as it should be: its partitions, and the settings that are not the broker's own."""

    partitions: int
    config: dict[str, str] = msgspec.field(default_factory=dict)


def parse_topics(text: str) -> dict[str, Topic]:
    """Parse a topics file into topics by name, in file order.

    Raises:
        SettingsError: the text is not TOML, or a topic has a field it should not have or lacks one.
    """
    try:
        return msgspec.convert(tomllib.loads(text), dict[str, Topic])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise SettingsError(
            f"topics file: expected [topic] tables with partitions and config, found: {error}"
        ) from error
