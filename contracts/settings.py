"""Settings: frozen, validated at start, and the only reader of the environment.

A value is taken from the process environment, else from `.env`, else from `stack.env`, the file in which
the embedded stack writes down its ports and keys. Names are upper case with the prefix `COINLAKE_`.
Secrets are `SecretStr`: masked in `repr`, in logs and in error messages.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from contracts.errors import SettingsError
from contracts.transport import KAFKA, ZmqAddress, known_transport, zmq_address


def home() -> Path:
    """Return the folder of the embedded stack: `COINLAKE_HOME`, else `.coinlake` in the working folder."""
    return Path(os.environ.get("COINLAKE_HOME") or ".coinlake").absolute()


def stack_env() -> Path:
    """Return the file in which the embedded stack writes its ports and keys."""
    return home() / "stack.env"


def _no_trailing_slash(text: str) -> str:
    return text.rstrip("/")


def _no_route(text: str) -> str:
    """Refuse an address that names a route: on the old ones, `/ws` and `/stream`, no liquidation is ever pushed."""
    if "/" in text.split("://", 1)[1] and text.rpartition("/")[2] in FUTURES_ROUTES:
        raise ValueError(
            "expected the venue's address without a route: coinlake takes /market/stream, and on the old routes,"
            " /ws and /stream, no liquidation is ever pushed"
        )
    return text


def _known_store(text: str) -> str:
    if not text.startswith(("s3a://", "file:///")):
        raise ValueError("expected a URI that starts with s3a:// or file:///")
    return text


def _divides_a_day(minutes: int) -> int:
    if minutes <= 0 or 1440 % minutes:
        raise ValueError("expected minutes that divide a day")
    return minutes


def _listed(text: object) -> object:
    """Split a comma-separated list; what is no text is left to the next validator."""
    return tuple(word.strip() for word in text.split(",") if word.strip()) if isinstance(text, str) else text


def _known_intervals(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in KLINE_INTERVALS:
            raise ValueError(f"expected intervals of {', '.join(KLINE_INTERVALS)}")
    return names


def _once_each(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


KLINE_INTERVALS = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d")
"""The venue's kline intervals of a fixed length of at least a minute. There is no 10m: coinlake builds it."""

FUTURES_ROUTES = ("ws", "stream", "market", "public", "private")
"""What an address of Binance's futures streams must not end with."""

Symbols = Annotated[
    tuple[Annotated[str, Field(pattern=r"^[A-Z0-9]{2,20}$")], ...],
    NoDecode,
    BeforeValidator(_listed),
    Field(min_length=1, max_length=500),
    AfterValidator(_once_each),
]
Intervals = Annotated[
    tuple[str, ...],
    NoDecode,
    BeforeValidator(_listed),
    Field(min_length=1),
    AfterValidator(_known_intervals),
    AfterValidator(_once_each),
]
XQuery = Annotated[str, Field(min_length=1, max_length=512)]
"""A search of X, in its own language."""
WebSocketUrl = Annotated[str, Field(pattern=r"^wss?://[^/]+"), AfterValidator(_no_trailing_slash)]
FuturesUrl = Annotated[WebSocketUrl, AfterValidator(_no_route)]
Url = Annotated[str, Field(pattern=r"^https?://[^/]+"), AfterValidator(_no_trailing_slash)]
StoreUri = Annotated[str, AfterValidator(_known_store), AfterValidator(_no_trailing_slash)]
Seconds = Annotated[float, Field(gt=0)]


class SettingsGroup(BaseSettings):
    """The base of every group of settings, also of those that live in the rooms."""

    model_config = SettingsConfigDict(env_prefix="COINLAKE_", frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def load(cls, **given: Any) -> Self:
        """Read and validate this group of settings; what is given by name goes before the environment.

        Raises:
            SettingsError: a value is missing or cannot be used; the message names each variable.
        """
        try:
            return cls(_env_file=(stack_env(), Path(".env").absolute()), **given)
        except ValidationError as error:
            raise SettingsError("; ".join(_explain(cls, problem) for problem in error.errors())) from None


def _explain(group: type[SettingsGroup], problem: object) -> str:
    assert isinstance(problem, dict)
    if not problem["loc"]:  # settings that do not fit together: the message names them
        return str(problem["msg"].removeprefix("Value error, "))
    name = str(problem["loc"][0])
    field = group.model_fields.get(name)
    variable = f"COINLAKE_{name.upper()}"
    if problem["type"] == "missing":
        return f"{variable}: expected a value, found none"
    secret = field is not None and "SecretStr" in str(field.annotation)
    found = "a secret that is not shown" if secret else repr(problem["input"])
    return f"{variable}: {problem['msg'].removeprefix('Value error, ')}, found {found}"


G = TypeVar("G", bound=SettingsGroup)


class KafkaSettings(SettingsGroup):
    """Where Kafka is."""

    kafka_bootstrap_servers: str = "127.0.0.1:9092"


class TransportSettings(SettingsGroup):
    """By which transport generators hand out records and consumers take them, and the limits of ZeroMQ's."""

    transport: Annotated[str, AfterValidator(known_transport)] = KAFKA
    """`kafka`, or `zmq://HOST:PORT`: there a generator binds and a consumer connects."""
    wait_for_subscribers: Annotated[int, Field(ge=0)] = 1
    """How many subscribers each topic must have before a generator on ZeroMQ begins; what has none is lost."""
    wait_for_subscribers_seconds: Seconds = 60
    """How long it waits for them."""
    zmq_high_water_mark: Annotated[int, Field(ge=1)] = 20_000
    """How many messages wait for one consumer at most, on each side: of ticks, more are lost to it; work waits."""
    zmq_delivery_seconds: Seconds = 30
    """How long work waits for a worker before a poll counts as undelivered."""
    zmq_linger_seconds: Seconds = 10
    """How long a generator that ends goes on sending what waits."""

    @property
    def zmq(self) -> ZmqAddress | None:
        """Where ZeroMQ's sockets are, None where Kafka is the transport."""
        return None if self.transport == KAFKA else zmq_address(self.transport)


class LakeSettings(SettingsGroup):
    """Where the lake is, and with which key it is read and written.

    `lake` holds the tables (`tables/`) and the published Parquet (`published/`); `state` holds checkpoints,
    leases and event logs.
    """

    lake: StoreUri = "s3a://lake-house"
    state: StoreUri = "s3a://spark"
    s3_endpoint: Url = "http://127.0.0.1:9000"
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr = SecretStr("")
    s3_secret_key: SecretStr = SecretStr("")

    def storage_options(self) -> dict[str, str]:
        """Return what delta-rs needs to reach the lake, the key in clear text; nothing for a lake in files."""
        if self.lake.startswith("file:"):
            return {}
        return {
            "AWS_ENDPOINT_URL": self.s3_endpoint,
            "AWS_REGION": self.s3_region,
            "AWS_ACCESS_KEY_ID": self.s3_access_key.get_secret_value(),
            "AWS_SECRET_ACCESS_KEY": self.s3_secret_key.get_secret_value(),
            "AWS_ALLOW_HTTP": "true",
            "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
            "conditional_put": "etag",
        }


class QuestDbSettings(SettingsGroup):
    """Where QuestDB is, and as whom its tables are read: a user of its PG wire who can change nothing."""

    questdb_host: str = "127.0.0.1"
    questdb_pg_port: Annotated[int, Field(ge=1, le=65535)] = 8812
    questdb_http_port: Annotated[int, Field(ge=1, le=65535)] = 9003
    """QuestDB's usual port, 9000, is the object store's."""
    questdb_user: str = "reader"
    questdb_password: SecretStr = SecretStr("")
    questdb_database: str = "qdb"


class IngestSettings(SettingsGroup):
    """Which venues are polled, how often, and within which budget."""

    coinmarketcap_url: Url = "https://pro-api.coinmarketcap.com"
    coinmarketcap_api_key: SecretStr = SecretStr("")
    coinmarketcap_api: Literal["v1", "v3"] = "v3"
    coinmarketcap_coins: Annotated[int, Field(ge=1, le=5000)] = 100
    coinmarketcap_credits_per_month: Annotated[int, Field(ge=1)] = 15_000
    wallex_url: Url = "https://api.wallex.ir"
    binance_url: Url = "https://api.binance.com"
    binance_stream_url: WebSocketUrl = "wss://stream.binance.com:9443"
    binance_symbols: Symbols = (
        *("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "AVAXUSDT", "DOTUSDT"),
        *("TRXUSDT", "LINKUSDT", "LTCUSDT", "BCHUSDT", "UNIUSDT", "ATOMUSDT", "XLMUSDT", "FILUSDT", "NEARUSDT"),
    )
    """Symbols of interest, separated by commas."""
    binance_kline_intervals: Intervals = ("1m",)
    binance_weight_per_minute: Annotated[int, Field(ge=100, le=6000)] = 3000
    """How much of the venue's 6,000 request weight a minute coinlake spends at most."""
    binance_silence_seconds: Seconds = 60
    """A connection on which nothing arrives for so long is given up for a new one."""
    binance_refill_hours: Annotated[float, Field(ge=0)] = 24
    """How far back a hole is filled over REST; what is older is left to `coinlake backfill`, and on record."""
    binance_futures_stream_url: FuturesUrl = "wss://fstream.binance.com"
    """Where liquidations are pushed, below `/market`."""
    binance_futures_silence_seconds: Annotated[float, Field(ge=4)] = 15
    """A connection whose route pushes nothing for so long, though a mark price is due every 3 s, is given up."""
    x_url: Url = "https://api.x.com"
    x_bearer_token: SecretStr = SecretStr("")
    x_query_bitcoin: XQuery = "(bitcoin OR #btc) lang:en -is:retweet"
    x_query_ethereum: XQuery = "(ethereum OR #eth) lang:en -is:retweet"
    """What is searched for each coin: its posts go to the topic of its name."""
    x_max_results: Annotated[int, Field(ge=10, le=100)] = 100
    """How many posts one page holds at most."""
    x_poll_seconds: Seconds = 10
    """How often each coin is searched."""
    x_requests_per_window: Annotated[int, Field(ge=1)] = 450
    """How many requests of 15 minutes are made at most; the venue allows an app 450."""
    poll_seconds: Seconds = 60
    request_timeout_seconds: Seconds = 10
    drain_seconds: Seconds = 10
    """How long a stopping generator waits for Kafka's acknowledgements."""
    health_host: str = "127.0.0.1"
    """The address of /healthz and /metrics; they show counts alone."""
    health_port: Annotated[int, Field(ge=0, le=65535)] = 0
    """Their port; 0 takes a free one."""


class JobSettings(SettingsGroup):
    """The rules of the Spark jobs that a user may change. Times are in seconds of event time."""

    lateness_coin_market_cap_seconds: Seconds = 15 * 60
    lateness_wallex_seconds: Seconds = 2 * 60
    max_ahead_seconds: Annotated[float, Field(ge=0)] = 60
    """A record whose event time is further ahead of its ingest time than this is rejected."""
    join_tolerance_seconds: Annotated[int, Field(gt=0)] = 30
    candle_minutes: Annotated[int, AfterValidator(_divides_a_day)] = 10
    """The length of a candle. Where it is changed, `coinlake rebuild` makes the candles of history."""
    sample_seconds: Annotated[int, Field(gt=0)] = 60
    """How often a price sample is expected: a 10-minute candle of complete polls has 10 samples."""
    market_cap_max_age_minutes: Annotated[int, Field(gt=0)] = 60
    shuffle_partitions: Annotated[int, Field(gt=0)] = 1
    max_offsets_per_batch: Annotated[int, Field(gt=0)] = 500_000
    """How many messages of one topic are landed in one batch, which bounds the memory of a run after a long pause."""
    join_fill_rows: Annotated[int, Field(ge=0)] = 200_000
    """A join that has no checkpoint and finds more rows than this in bronze fills its table in batch, without state."""
    join_bytes_per_batch: Annotated[int, Field(gt=0)] = 12_000_000
    """How much of each bronze table one batch of the join reads, at least one file: some 360,000 rows. It bounds the
    state, which holds all rows of a batch until the next."""
    accept_loss: bool = False
    """Go on where a topic's retention has deleted messages that were never landed; the hole is put on record."""


class JobMetricsSettings(SettingsGroup):
    """Where a driver of the lake shows Prometheus what it does."""

    process_metrics_host: str = "127.0.0.1"
    process_metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    """The port of /metrics; 0 takes a free one; empty: no page."""


class MovingAverageSettings(SettingsGroup):
    """The moving average: its source, its window, and how Spark is triggered."""

    live_source: Literal["binance_agg_trades", "crypto_kline_data"] = "binance_agg_trades"
    """The topic that is averaged: trades as they happen, or the pushes of open klines."""
    live_window_ms: Annotated[int, Field(gt=0)] = 3000
    live_slide_ms: Annotated[int, Field(gt=0)] = 500
    live_lateness_ms: Annotated[int, Field(ge=0)] = 5000
    """How far behind the newest event, as it was when the last batch ended, one may be and still be averaged."""
    live_trigger: Literal["real-time", "micro-batch"] = "real-time"
    """`real-time`: each event at once, by Spark 4.3 in an environment of its own. `micro-batch`: batch after batch."""
    live_checkpoint_seconds: Seconds = 300
    """How often `real-time` writes its checkpoint; after a crash so much is read again."""
    live_checkpoint: str = ""
    """The folder of the checkpoint, also as a file:// URI; empty: below COINLAKE_HOME."""
    live_max_ahead_seconds: Annotated[float, Field(ge=0)] = 60
    """A record whose event time is further ahead of its ingest time than this is not averaged."""

    @model_validator(mode="after")
    def _window_is_whole_slides(self) -> Self:
        if self.live_window_ms % self.live_slide_ms:
            raise ValueError(
                f"COINLAKE_LIVE_WINDOW_MS: expected a multiple of COINLAKE_LIVE_SLIDE_MS, {self.live_slide_ms},"
                f" found {self.live_window_ms}"
            )
        return self
