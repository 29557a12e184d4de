"""`python -m benchmarks.live_engines.generator`: trades at an even pace, and a log of what was sent.

A process of its own, so that nothing else delays a trade. The event time is the moment of sending. The log is written
at the end, when it can disturb nothing any more.
"""

import datetime as dt
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from confluent_kafka import Producer

from benchmarks.live_engines.windows import Sent
from contracts.errors import BrokerError
from contracts.records import AggTrade, encode
from contracts.settings import KafkaSettings
from contracts.streams import BINANCE_AGG_TRADES, key_of

SYMBOLS = tuple(f"{letter}{letter}AUSDT" for letter in "ABCDEFGHIJKLMNOPQRST")
LINGER_MS = 1
SEED = 7
_CENT = Decimal("0.01")


def trades(symbols: tuple[str, ...] = SYMBOLS, seed: int = SEED) -> Iterator[AggTrade]:
    """Yield trades without end, the symbols in turn, each stamped with the moment at which it is taken."""
    chance = random.Random(seed)
    prices = {symbol: Decimal(100 * place) for place, symbol in enumerate(symbols, start=1)}
    number = 0
    while True:
        for symbol in symbols:
            number += 1
            prices[symbol] = max(_CENT, prices[symbol] + chance.randint(-20, 20) * _CENT)
            now = dt.datetime.now(dt.UTC)
            yield AggTrade(
                venue="binance",
                event_time=now,
                ingest_time=now,
                symbol=symbol,
                base=symbol.removesuffix("USDT"),
                quote="USDT",
                agg_trade_id=number,
                price=prices[symbol],
                quantity=Decimal(chance.randint(1, 100_000)).scaleb(-5),
                first_trade_id=number,
                last_trade_id=number,
                buyer_is_maker=chance.random() < 0.5,
            )


class Sender:
    """Sends trades to their topic, each symbol to the partition that Kafka's Java client would choose.

    Every engine is fed in this same way: idempotent, acknowledged, and waiting at most `LINGER_MS` for others.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        self._refused: list[str] = []
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap_servers,
                "enable.idempotence": True,
                "linger.ms": LINGER_MS,
                "partitioner": "murmur2_random",
            }
        )

    def send(self, trade: AggTrade) -> Sent:
        """Hand a trade to Kafka's client and say what was sent, and when."""
        value = encode(trade)
        sent_ns = time.time_ns()
        self._producer.produce(
            BINANCE_AGG_TRADES.topic, value, key_of(BINANCE_AGG_TRADES, trade), on_delivery=self._delivered
        )
        self._producer.poll(0)
        return Sent(
            trade.symbol,
            # Kafka's text has whole milliseconds: finer digits are cut off.
            int(trade.event_time.timestamp()) * 1000 + trade.event_time.microsecond // 1000,
            sent_ns,
            float(trade.price),
            float(trade.quantity),
        )

    def finish(self) -> None:
        """Wait until all is acknowledged.

        Raises:
            BrokerError: something was not.
        """
        if (left := self._producer.flush(30)) or self._refused:
            raise BrokerError(f"{left} trades were not acknowledged, {len(self._refused)} refused: {self._refused[:1]}")

    def _delivered(self, error: object, _: object) -> None:
        if error:
            self._refused.append(str(error))


def send_evenly(sender: Sender, rate: float, seconds: float) -> list[Sent]:
    """Send so many trades a second for so long; what comes late does not delay what comes after it."""
    made, sent = trades(), []
    began = time.monotonic()
    for number in range(round(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        sent.append(sender.send(next(made)))
    sender.finish()
    return sent


def generate(
    rate: Annotated[float, typer.Option(help="trades a second")],
    seconds: Annotated[float, typer.Option(help="for how long")],
    log: Annotated[Path, typer.Option(help="the file for what was sent")],
) -> None:
    """Send trades to the Kafka of the environment and write down what was sent."""
    sent = send_evenly(Sender(KafkaSettings.load().kafka_bootstrap_servers), rate, seconds)
    log.write_bytes(msgspec.msgpack.encode(sent))


def read_log(log: Path) -> list[Sent]:
    """Read back what was sent, in order."""
    return msgspec.msgpack.decode(log.read_bytes(), type=list[Sent])


if __name__ == "__main__":
    typer.run(generate)
