"""The option `--transport` of commands that hand out messages, and of those that take them."""

from contracts.settings import TransportSettings

TRANSPORT = "kafka, or zmq://HOST:PORT; without it COINLAKE_TRANSPORT"


def transport_settings(transport: str | None, *, wait_for_subscribers: int | None = None) -> TransportSettings:
    """Read the settings of the transport; an option that was given goes before its variable.

    Raises:
        SettingsError: a value cannot be used.
    """
    given = {"transport": transport, "wait_for_subscribers": wait_for_subscribers}
    return TransportSettings.load(**{name: value for name, value in given.items() if value is not None})
