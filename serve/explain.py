"""`coinlake explain`: one candle walked back to the messages it came from."""

import datetime as dt
import json
from collections.abc import Mapping, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from contracts.errors import BrokerError, SettingsError
from contracts.records import wire_time
from serve.amounts import exact
from serve.candle_trace import BronzeValue, Sample, Trace, differences, summarise
from serve.kafka_messages import Messages, Position
from serve.tables_of_record import TablesOfRecord
from serve.uncut import Uncut

Wire = Mapping[Position, bytes | None]
GONE = "no longer in Kafka"
NOT_READ = "not read"


def explain(
    tables: TablesOfRecord,
    messages: Messages,
    coin: str,
    time: str,
    venue: str,
    quotes: Sequence[str],
    console: Console,
) -> None:
    """Print the candles of a coin and venue at a time, the bronze rows behind each, and what Kafka holds of those.

    Without a broker the wire values are left out, and the page says so.

    Raises:
        SettingsError: `time` is none.
        NoDataError: there is no such candle; the message says what there is.
        StoreError: the object store does not answer or refuses.
    """
    for trace in tables.trace(coin, moment_of(time), venue, quotes):
        wire: Wire | None = None
        problem = ""
        try:
            wire = messages.read(trace.positions())
        except BrokerError as error:
            problem = str(error)
        console.print(Uncut(page(trace, wire, problem)), crop=False)


def moment_of(text: str) -> dt.datetime:
    """Read a time; without a zone it is UTC.

    Raises:
        SettingsError: the text is no time.

    >>> moment_of("2024-03-19T22:05").isoformat()
    '2024-03-19T22:05:00+00:00'
    """
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError(f"expected a time such as 2024-03-19T22:05, found {text!r}") from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)


def page(trace: Trace, wire: Wire | None, problem: str = "") -> Group:
    """Lay out one candle: what the table says, its rows, and the sum that leads from these to that."""
    candle = trace.candle
    parts: list[RenderableType] = [
        Text(
            f"{candle.coin}/{candle.quote} {candle.interval} candle of {candle.venue},"
            f" {wire_time(candle.open_time)} to {wire_time(candle.close_time)}",
            style="bold",
        ),
        *(_line(name, exact(getattr(candle, name))) for name in ("open", "high", "low", "close", "average")),
        _line("samples", f"{candle.samples} of {candle.expected}, {'complete' if candle.complete else 'not complete'}"),
        Text(),
        rows_table(trace.samples, wire),
        Text(),
    ]
    if trace.samples:
        parts += _sum(trace.samples)
    wrong = differences(candle, trace.samples)
    parts += [Text(f"differs: {line}", style="red") for line in wrong]
    if not wrong:
        parts.append(Text("the candle equals what these rows give, to the last of 18 places", style="green"))
    if problem:
        parts.append(Text(f"wire values are not shown: {problem}", style="yellow"))
    return Group(*parts)


def rows_table(samples: Sequence[Sample], wire: Wire | None) -> Table:
    """Build the table of bronze rows: when, where in Kafka, on the wire, in bronze, and what each is in the candle.

    A sample of two inputs has a third line with their product.
    """
    table = Table(
        title="from these rows of bronze", title_justify="left", box=None, header_style="dim", padding=(0, 2, 0, 0)
    )
    for column in ("event time", "topic/partition/offset", "field"):
        table.add_column(column, no_wrap=True)
    for column in ("on the wire", "in bronze"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("is the", no_wrap=True)
    for sample, role in zip(samples, _roles(samples), strict=True):
        time = f"{sample.event_time:%H:%M:%S}"
        for value in sample.inputs:
            alone = len(sample.inputs) == 1
            place = "/".join(map(str, value.position))
            table.add_row(time, place, value.field, on_the_wire(value, wire), exact(value.value), role if alone else "")
            time = ""
        if len(sample.inputs) > 1:
            table.add_row("", "", "product", "", exact(sample.price), role)
    return table


def on_the_wire(value: BronzeValue, wire: Wire | None) -> str:
    """Write a value as its message has it, digit for digit.

    Compaction leaves the newest of several messages that say the same event; that one is shown then, with its offset.
    """
    if wire is None:
        return NOT_READ
    for position in (value.position, *value.repeats):
        payload = wire.get(position)
        if payload is not None:
            text = str(json.loads(payload, parse_float=str, parse_int=str).get(value.field))
            return text if position == value.position else f"{text} (again at {position.offset})"
    return GONE


def _roles(samples: Sequence[Sample]) -> list[str]:
    roles: list[list[str]] = [[] for _ in samples]
    if samples:
        summary = summarise(samples)
        for name in ("open", "high", "low", "close"):
            roles[getattr(summary, name)].append(name)
    return [", ".join(names) for names in roles]


def _sum(samples: Sequence[Sample]) -> list[Text]:
    summary = summarise(samples)
    return [
        _line("open, close", "the first and the last sample by (event time, offset)"),
        _line("high, low", "the highest and the lowest sample"),
        _line(
            "average",
            f"{exact(summary.total)} / {len(samples)} = {exact(summary.average)}, rounded half up at 18 places",
        ),
    ]


def _line(name: str, text: str) -> Text:
    return Text.assemble((f"{name:<14}", "dim"), text, no_wrap=True, overflow="ignore")
