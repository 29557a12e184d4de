"""The settings of the query API's server."""

from typing import Annotated

from pydantic import Field, SecretStr

from contracts.settings import SettingsGroup
from serve.access import Origins

Count = Annotated[int, Field(gt=0)]
Memory = Annotated[str, Field(pattern=r"^[1-9][0-9]*(MB|GB)$")]


class QuerySettings(SettingsGroup):
    """Where the query API is served, to whom, and how much a query may take."""

    query_host: str = "127.0.0.1"
    """The address to listen on. One that is not loopback needs a token, or `query_open`."""
    query_port: Annotated[int, Field(ge=0, le=65535)] = 8766
    """0 takes a free one."""
    query_token: SecretStr = SecretStr("")
    """Who asks has to know it (`?token=` or a bearer token); empty: everybody may."""
    query_open: bool = False
    """Serve everybody without a token on an address that is not loopback."""
    query_origins: Origins = ()
    """By which URLs the server is called, such as http://query:8766, separated by commas: needed where that is a name,
    and there is no token."""
    queries: str = ""
    """The file of queries; empty: the one that is shipped."""
    query_max_running: Count = 4
    """How many queries run side by side on each store."""
    query_max_waiting: Count = 200
    """How many more may wait for their turn on each store."""
    query_max_parameter_characters: Count = 200
    query_fresh_seconds: Annotated[float, Field(ge=0)] = 1
    """How old what is known of the lake's files and of Kafka's offsets may be."""
    query_threads: Count = 2
    """How many threads DuckDB has."""
    query_memory: Memory = "512MB"
    """How much memory DuckDB has; it writes nothing to disk."""
