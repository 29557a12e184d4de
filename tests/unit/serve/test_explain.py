"""`coinlake explain`: candle -> bronze rows -> Kafka offsets -> wire values, on a small lake in files."""

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from contracts.errors import BrokerError, NoDataError, SettingsError
from contracts.settings import KafkaSettings, LakeSettings
from contracts.tables import BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX, CANDLES, MARKET_SNAPSHOTS
from serve.explain import explain
from serve.kafka_messages import KafkaMessages, Position
from serve.tables_of_record import TablesOfRecord
from tests.unit.serve.rows import KeptMessages, candle, lake_in, quote, snapshot, ticker, write


def message(**fields: object) -> bytes | None:
    return json.dumps(fields).encode()


def place(offset: int, topic: str = "coin_market_cap") -> Position:
    return Position(topic, 0, offset)


@pytest.fixture
def lake(tmp_path: Path) -> LakeSettings:
    """A candle of three samples, 1 + 2 + 2 = 5, whose mean is no finite decimal."""
    lake = lake_in(tmp_path)
    row = candle(0, "2 2 1 2 1.666666666666666667")
    write(lake, CANDLES, [{**row, "samples": 3, "complete": False}])
    write(
        lake,
        BRONZE_COIN_MARKET_CAP,
        [
            quote(-1, 1, "99"),
            quote(1, 2, "2"),
            quote(3, 4, "1"),
            quote(3, 9, "1", repeat=True),
            quote(9, 5, "2.000000000000000000"),
            quote(10, 6, "99"),
            quote(5, 7, "99", coin="ETH", cmc_id=2),
        ],
    )
    return lake


def told(lake: LakeSettings, kept: KeptMessages | KafkaMessages, time: str = "2024-03-19T12:05", **of: object) -> str:
    console = Console(file=io.StringIO(), width=60)
    series = {"venue": "coin_market_cap", "quotes": (), **of}
    explain(TablesOfRecord(lake), kept, "BTC", time, console=console, **series)  # type: ignore[arg-type]
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def rows_of(page: str) -> list[list[str]]:
    """Return the lines of the table of bronze rows as their words."""
    lines = page.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("event time"))
    return [line.split() for line in lines[first + 1 : lines.index("", first)]]


def test_every_sample_stands_there_with_its_offset_its_wire_text_and_its_part_in_the_candle(lake: LakeSettings) -> None:
    exact = "2.0000000000000000004"
    kept = {place(2): message(price=exact), place(4): message(price="1"), place(5): message(price="2")}
    assert rows_of(told(lake, KeptMessages(kept))) == [
        ["12:01:00", "coin_market_cap/0/2", "price", exact, "2", "open,", "high"],
        ["12:03:00", "coin_market_cap/0/4", "price", "1", "1", "low"],
        ["12:09:00", "coin_market_cap/0/5", "price", "2", "2", "close"],
    ]


def test_the_average_is_shown_as_the_division_it_is(lake: LakeSettings) -> None:
    page = told(lake, KeptMessages({}))
    assert "5 / 3 = 1.666666666666666667, rounded half up at 18 places" in page
    assert "the candle equals what these rows give, to the last of 18 places" in page


def test_a_message_that_compaction_replaced_is_shown_by_the_repeat_that_stayed(lake: LakeSettings) -> None:
    page = told(lake, KeptMessages({place(9): message(price="1.0")}))
    assert [row[3:-1] for row in rows_of(page)] == [
        ["no", "longer", "in", "Kafka", "2", "open,"],
        ["1.0", "(again", "at", "9)", "1"],
        ["no", "longer", "in", "Kafka", "2"],
    ]


def test_a_candle_that_is_not_what_its_rows_give_is_said_to_differ(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(lake, CANDLES, [{**candle(0, "2 2 1 2 1.5"), "samples": 1}])
    write(lake, BRONZE_COIN_MARKET_CAP, [quote(1, 2, "2")])
    page = told(lake, KeptMessages({}))
    assert "differs: low: the table says 1.000000000000000000, its rows give 2.000000000000000000" in page
    assert "differs: average: the table says 1.500000000000000000, its rows give 2.000000000000000000" in page
    assert "equals" not in page


def test_a_wallex_candle_leaves_out_the_polls_without_a_price(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    write(lake, CANDLES, [{**candle(0, "5 5 5 5 5", venue="wallex", quote="TMN"), "samples": 1}])
    write(
        lake, BRONZE_WALLEX, [ticker(1, 3, None), ticker(2, 8, "5"), ticker(2, 9, "6", symbol="BTCUSDT", quote="USDT")]
    )
    page = told(lake, KeptMessages({place(8, "wallex"): message(price="5.0")}), venue="wallex")
    assert rows_of(page) == [["12:02:00", "wallex/0/8", "price", "5.0", "5", "open,", "high,", "low,", "close"]]
    assert "the candle equals what these rows give" in page


def test_a_base_price_leads_through_the_nearest_snapshot_to_a_quote_and_a_ticker(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    # 80000.5 * 100000.2 = 8000050000 + 16000.1; the market whose poll is further away has another rate.
    base = "8000066000.1"
    write(lake, CANDLES, [{**candle(0, " ".join([base] * 5), venue="base_tmn", quote="TMN"), "samples": 1}])
    write(lake, BRONZE_COIN_MARKET_CAP, [quote(5, 7, "80000.5")])
    rate = Decimal("99999")
    write(
        lake,
        BRONZE_WALLEX,
        [ticker(5.1, 9, "1", usdt_tmn=Decimal("100000.2")), ticker(5.3, 11, "1", symbol="BTCUSDT", usdt_tmn=rate)],
    )
    write(
        lake,
        MARKET_SNAPSHOTS,
        [
            snapshot(5, "BTCTMN", ticker_time=ticker(5.1, 9, "1")["event_time"]),
            snapshot(5, "BTCUSDT", ticker_time=ticker(5.3, 11, "1")["event_time"], ticker_offset=11, base_tmn=rate),
        ],
    )
    kept = {place(7): message(price="80000.50"), place(9, "wallex"): message(price="1", usdt_tmn="100000.200")}
    page = told(lake, KeptMessages(kept), venue="base_tmn")
    assert rows_of(page) == [
        ["12:05:00", "coin_market_cap/0/7", "price", "80000.50", "80000.5"],
        ["wallex/0/9", "usdt_tmn", "100000.200", "100000.2"],
        ["product", base, "open,", "high,", "low,", "close"],
    ]
    assert "the candle equals what these rows give" in page


def test_without_a_broker_bronze_is_shown_and_the_page_says_why_the_wire_is_not(lake: LakeSettings) -> None:
    nobody = KafkaMessages(KafkaSettings(kafka_bootstrap_servers="127.0.0.1:1"), patience_seconds=0.5)
    with pytest.raises(BrokerError):
        nobody.read([place(1)])
    page = told(lake, nobody)
    assert [row[3:5] for row in rows_of(page)] == [["not", "read"]] * 3
    assert "wire values are not shown: Kafka at 127.0.0.1:1 does not answer" in page


@pytest.mark.parametrize("time", ["2024-03-19T12:00", "2024-03-19T12:09:59.999Z", "2024-03-19T15:39:00+03:30"])
def test_any_time_from_open_to_just_before_close_finds_the_candle(lake: LakeSettings, time: str) -> None:
    assert told(lake, KeptMessages({}), time).startswith(
        "BTC/USD 10m candle of coin_market_cap, 2024-03-19T12:00:00.000Z to 2024-03-19T12:10:00.000Z\n"
    )


@pytest.mark.parametrize(
    ("time", "series", "message"),
    [
        (
            "2024-03-19T12:10",
            {},
            "expected a candle of BTC at 2024-03-19 12:10 UTC of coin_market_cap, found no candle of that coin then",
        ),
        (
            "2024-03-19T12:05",
            {"venue": "wallex", "quotes": ["tmn"]},
            "expected a candle of BTC at 2024-03-19 12:05 UTC of wallex TMN, found coin_market_cap USD",
        ),
    ],
)
def test_a_candle_that_is_not_there_is_answered_with_what_is(
    lake: LakeSettings, time: str, series: dict[str, object], message: str
) -> None:
    with pytest.raises(NoDataError) as raised:
        told(lake, KeptMessages({}), time, **series)
    assert str(raised.value) == message


def test_a_time_that_is_none_and_a_lake_without_tables_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as no_time:
        told(lake_in(tmp_path), KeptMessages({}), "noon")
    assert str(no_time.value) == "expected a time such as 2024-03-19T22:05, found 'noon'"
    with pytest.raises(NoDataError) as no_table:
        told(lake_in(tmp_path), KeptMessages({}))
    assert str(no_table.value) == 'expected table candles, found none: run "coinlake process" first'
