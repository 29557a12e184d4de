"""The settings of the live chart's server."""

from typing import Annotated

from pydantic import Field, SecretStr

from contracts.settings import Seconds, SettingsGroup
from serve.access import Origins

Count = Annotated[int, Field(gt=0)]


class LiveSettings(SettingsGroup):
    """Where the live chart is served, to whom, and how much each client may take and ask."""

    live_host: str = "127.0.0.1"
    """The address to listen on. One that is not loopback needs a token, or `live_open`."""
    live_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """0 takes a free one."""
    live_token: SecretStr = SecretStr("")
    """Who reads data has to know it (`?token=` or a bearer token); empty: everybody may."""
    live_open: bool = False
    """Serve everybody without a token on an address that is not loopback."""
    live_origins: Origins = ()
    """Further origins, such as https://charts.example, whose pages may open a WebSocket, separated by commas. A server
    without a token that is reached by a name needs its own origin here."""
    live_chart_library: str = ""
    """The module of Lightweight Charts that is there already; empty: fetched by npm into the cache."""
    live_history_seconds: Seconds = 120
    live_heartbeat_seconds: Seconds = 5
    """How long a client hears nothing at most."""
    live_ping_seconds: Seconds = 20
    """A client that sent nothing for so long is pinged; it has half of this time to answer."""
    live_send_seconds: Seconds = 10
    """A client that takes nothing for so long is cut off."""
    live_pace_seconds: Annotated[float, Field(ge=0)] = 0.005
    """The least time between two rounds of sending: what comes within it goes out together."""
    live_max_clients: Count = 2000
    live_max_symbols: Count = 500
    """How many symbols are known, and how many a client may subscribe to."""
    live_max_pending: Count = 1000
    """How many points wait for a client at most; beyond that it is sent the history anew."""
    live_max_message_bytes: Count = 16384
    live_max_messages_per_second: Count = 100
    """How many messages a client may send, on average; twice as many at once."""
