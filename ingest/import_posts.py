"""Take a file of posts into the topic of its coin: each once, however often this is run or killed."""

import asyncio
import datetime as dt
import itertools
from collections.abc import Callable, Iterator, Set
from hashlib import blake2b
from pathlib import Path

import msgspec

from contracts.errors import SettingsError
from contracts.records import Post, Record, Rejected
from contracts.settings import JobSettings, KafkaSettings, TransportSettings
from contracts.streams import INGEST_REJECTED, POSTS, Stream
from ingest.clock import Clock, utc_now
from ingest.posts_file import VENUE, read_posts
from ingest.sink import Sink, route
from ingest.transport import sink_of, tail_of

BATCH_RECORDS = 500


class Imported(msgspec.Struct, frozen=True):
    """What became of the rows of a file: new in Kafka, there before, or rejected; why the first one was."""

    rows: int = 0
    new: int = 0
    rejected: int = 0
    first_reason: str = ""


Watch = Callable[[Imported], None]
"""Is told after each batch what Kafka has acknowledged so far."""


def stream_named(coin: str) -> Stream:
    """Return the stream of a coin's posts.

    Raises:
        SettingsError: it has none.
    """
    for stream in POSTS:
        if stream.topic == coin:
            return stream
    raise SettingsError(f"expected a coin of {', '.join(stream.topic for stream in POSTS)}, found {coin}")


def import_posts(
    path: Path,
    coin: str,
    kafka: KafkaSettings,
    job: JobSettings,
    watch: Watch,
    transport: TransportSettings | None = None,
) -> Imported:
    """Send the posts of a file that the topic does not hold yet, and the rows that are none to `ingest_rejected`.

    A run that was killed is taken up by the next: what the topics hold is not sent again.

    Raises:
        SettingsError: the coin has no topic, or the file cannot be read.
        NoDataError: there is no such file.
        BrokerError, TopicError: Kafka cannot be reached, or a topic is not there; on ZeroMQ no worker came.
        UndeliveredError: Kafka did not acknowledge a batch, or no worker took it.
    """
    transport = transport or TransportSettings(_env_file=None)
    return asyncio.run(_import(path, stream_named(coin), kafka, job, watch, transport))


async def _import(
    path: Path, stream: Stream, kafka: KafkaSettings, job: JobSettings, watch: Watch, transport: TransportSettings
) -> Imported:
    max_ahead = dt.timedelta(seconds=job.max_ahead_seconds)
    async with sink_of(transport, kafka, Clock()) as sink:
        await sink.start([stream, INGEST_REJECTED])
        tail = tail_of(transport, kafka)
        known = set().union(*[await tail.names(VENUE, one, name_of) for one in (stream, INGEST_REJECTED)])
        return await send_new(read_posts(path, stream, utc_now(), max_ahead), known, sink, watch)


async def send_new(records: Iterator[Post | Rejected], known: Set[bytes], sink: Sink, watch: Watch) -> Imported:
    """Send what is not known, batch after batch, each acknowledged before the next.

    Raises:
        UndeliveredError: Kafka did not acknowledge a batch.
    """
    imported = Imported()
    while batch := list(itertools.islice(records, BATCH_RECORDS)):
        new = [record for record in batch if name_of(record) not in known]
        refused = [record.reason for record in batch if isinstance(record, Rejected)]
        await sink.send_poll(route(new))
        imported = Imported(
            rows=imported.rows + len(batch),
            new=imported.new + sum(isinstance(record, Post) for record in new),
            rejected=imported.rejected + len(refused),
            first_reason=imported.first_reason or next(iter(refused), ""),
        )
        watch(imported)
    return imported


def name_of(record: Record) -> bytes:
    """Name what is there once: a post by its id, a rejected row by its bytes and the reason, with file and line.

    A name has 16 bytes, however large the row is: those of all that a topic holds are in memory.
    """
    said = [record.reason, record.payload] if isinstance(record, Rejected) else [getattr(record, "post_id", None)]
    return blake2b(msgspec.json.encode(said), digest_size=16).digest()
