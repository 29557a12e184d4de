"""Run the query API's server."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web

from contracts.settings import KafkaSettings, LakeSettings, QuestDbSettings
from serve.access import check_exposure
from serve.http_server import listen, run_until_signal, url_of, write_port
from serve.query.application import Parts, application
from serve.query.duck import Duck
from serve.query.kafka_facts import KafkaFacts
from serve.query.kafka_store import KafkaStore
from serve.query.lake_store import LakeStore
from serve.query.lake_tables import LakeTables
from serve.query.metrics import Metrics
from serve.query.queries import STORE_NAMES, StoreName
from serve.query.query_file import SHIPPED, QueryFile
from serve.query.questdb_store import QuestDbStore
from serve.query.settings import QuerySettings
from serve.query.slots import Slots
from serve.query.store import Store

_SHUTDOWN_SECONDS = 3.0


def run(
    settings: QuerySettings,
    lake: LakeSettings,
    questdb: QuestDbSettings,
    kafka: KafkaSettings,
    *,
    port_file: Path | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises:
        SettingsError, StackError: see `serve`.
    """
    run_until_signal(serve(settings, lake, questdb, kafka, port_file=port_file, say=say))


async def serve(
    settings: QuerySettings,
    lake: LakeSettings,
    questdb: QuestDbSettings,
    kafka: KafkaSettings,
    *,
    port_file: Path | None,
    say: Callable[[str], None],
) -> None:
    """Serve until cancelled; say where, and write the port down.

    Raises:
        SettingsError: the host is not loopback, there is no token, and `query_open` is not set; or the file of queries
            is not as it has to be.
        StackError: the port is in use, or the host is none of ours.
    """
    check_exposure("QUERY", settings.query_host, settings.query_token, settings.query_open)
    async with opened(settings, lake, questdb, kafka) as parts:
        # A client that leaves takes its question back.
        runner = web.AppRunner(
            application(parts), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS, handler_cancellation=True
        )
        await runner.setup()
        try:
            port = await listen(
                runner, "query API", settings.query_host, settings.query_port, variable="COINLAKE_QUERY_PORT"
            )
            if port_file is not None:
                await asyncio.to_thread(write_port, port_file, port)
            say(f"query API: {url_of(settings.query_host, port)}")
            await asyncio.Event().wait()
        finally:
            await runner.cleanup()


@asynccontextmanager
async def opened(
    settings: QuerySettings, lake: LakeSettings, questdb: QuestDbSettings, kafka: KafkaSettings
) -> AsyncIterator[Parts]:
    """Open the stores and the file of queries for the length of a block. No store has to be there yet.

    Raises:
        SettingsError: the file of queries is not as it has to be.
    """
    running, fresh = settings.query_max_running, settings.query_fresh_seconds
    slots: Mapping[StoreName, Slots] = {name: Slots(running, settings.query_max_waiting) for name in STORE_NAMES}
    duck = Duck(threads=settings.query_threads, memory=settings.query_memory, running=running)
    tables = LakeTables(lake, fresh)
    stores: Mapping[StoreName, Store] = {
        "questdb": QuestDbStore(questdb, slots["questdb"]),
        "lake": LakeStore(lake, tables, duck, slots["lake"], fresh),
        "kafka": KafkaStore(KafkaFacts(kafka.kafka_bootstrap_servers), tables, duck, slots["kafka"], fresh),
    }
    try:
        file = QueryFile(
            Path(settings.queries) if settings.queries else SHIPPED,
            {name: store.check for name, store in stores.items()},
        )
        metrics = Metrics(slots)
        metrics.watch(file)
        yield Parts(settings, file, stores, metrics)
    finally:
        for store in stores.values():
            await store.close()
        await asyncio.to_thread(duck.close)
