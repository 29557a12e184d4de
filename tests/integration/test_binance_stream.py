"""Simulated Binance, its faults, the generator and a real Kafka: what arrives equals what the venue's REST says."""

import json
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition

from contracts.records import AggTrade, Gap, Kline, Record, decode
from contracts.streams import BINANCE_AGG_TRADES, CRYPTO_KLINE_DATA, INGEST_GAPS, Stream
from infra.stack import StackInfo
from tests.integration.conftest import coinlake, own_stack, pointed_at, simulator

SYMBOLS = ("BTCUSDT", "ETHUSDT")
SPEED = 60
CHAOS = {"seed": 5, "drop": 0.05, "double": 0.05, "reorder": 0.1, "disconnect": 0.0005, "life_seconds": 9}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    with own_stack(tmp_path_factory.mktemp("binance") / "home") as info:
        yield info


def messages(stack: StackInfo, stream: Stream) -> list[Record]:
    """Read a topic to its end."""
    consumer = Consumer(
        {"bootstrap.servers": stack.kafka_bootstrap_servers, "group.id": "test", "enable.partition.eof": True}
    )
    partitions = consumer.list_topics(stream.topic, timeout=10).topics[stream.topic].partitions
    consumer.assign([TopicPartition(stream.topic, partition, 0) for partition in partitions])
    found: list[Record] = []
    ended, deadline = 0, time.monotonic() + 30
    while ended < len(partitions):
        assert time.monotonic() < deadline
        for message in consumer.consume(1000, 0.2):
            if message.error() is None:
                found.append(decode(message.value() or b"", stream.record))
            else:
                ended += 1
    consumer.close()
    return found


def rest(base: str, path: str, **query: object) -> Any:
    url = f"{base}/binance/api/v3/{path}?{urllib.parse.urlencode(query)}"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.load(answer)


def test_klines_and_trades_equal_rest_whatever_the_connection_does(stack: StackInfo, tmp_path: Path) -> None:
    chaos = ("--streams", json.dumps(CHAOS))
    with simulator(tmp_path, "--speed", str(SPEED), "--span", "1h", "--trades-a-minute", "60", *chaos) as base:
        variables = {
            **pointed_at(base),
            "COINLAKE_BINANCE_URL": f"{base}/binance",
            "COINLAKE_BINANCE_STREAM_URL": f"{base}/binance".replace("http", "ws"),
            "COINLAKE_BINANCE_SYMBOLS": ",".join(SYMBOLS),
            "COINLAKE_BINANCE_SILENCE_SECONDS": "3",
        }
        feeds = ("--venue", "binance_klines", "--venue", "binance_agg_trades")
        coinlake(stack, "generate", *feeds, "--duration", "12s", **variables).well()
        time.sleep(2)
        coinlake(stack, "generate", *feeds, "--duration", "12s", **variables).well()
        coinlake(stack, "generate", *feeds, "--once", **variables).well()

        klines = [r for r in messages(stack, CRYPTO_KLINE_DATA) if isinstance(r, Kline) and r.closed]
        trades = [r for r in messages(stack, BINANCE_AGG_TRADES) if isinstance(r, AggTrade)]
        for symbol in SYMBOLS:
            ours = {round(k.open_time.timestamp() * 1000): k for k in klines if k.symbol == symbol}
            assert len(ours) == sum(kline.symbol == symbol for kline in klines)
            first, last = min(ours), max(ours)
            assert last - first >= 15 * 60_000
            rows = rest(base, "klines", symbol=symbol, interval="1m", startTime=first, endTime=last, limit=1000)
            assert sorted(ours) == [row[0] for row in rows]
            for row in rows:
                kline = ours[row[0]]
                assert [kline.open, kline.high, kline.low, kline.close, kline.volume] == [
                    *map(type(kline.open), row[1:6])
                ]
                assert kline.trades == row[8]

            ids = {t.agg_trade_id: t for t in trades if t.symbol == symbol}
            assert len(ids) == sum(trade.symbol == symbol for trade in trades)
            assert sorted(ids) == list(range(min(ids), max(ids) + 1))
            for row in rest(base, "aggTrades", symbol=symbol, fromId=min(ids), limit=1000):
                if row["a"] in ids:
                    trade = ids[row["a"]]
                    assert [trade.price, trade.quantity] == [Decimal(row["p"]), Decimal(row["q"])]
        with urllib.request.urlopen(f"{base}/_simulator/limits", timeout=10) as answer:
            limits = json.load(answer)["binance"]
        assert limits["connections"] >= 6
        assert (limits["refused"], limits["banned"], limits["message_breaches"], limits["stream_breaches"]) == (0,) * 4

    gaps = {(g.stream, g.symbol, g.from_time): g for g in messages(stack, INGEST_GAPS) if isinstance(g, Gap)}
    assert gaps
    assert [gap for gap in gaps.values() if gap.recoverable and gap.repaired_at is None] == []
