"""The crash test notices what it is there to notice, and draws what it says it draws."""

import datetime as dt
import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.records import Gap, MarketTicker, encode
from contracts.streams import INGEST_GAPS, WALLEX, key_of
from contracts.tables import (
    BRONZE_COIN_MARKET_CAP,
    BRONZE_WALLEX,
    CANDLES,
    LAND_WALLEX,
    MARKET_CAP,
    MARKET_SNAPSHOTS,
    PUBLISHED,
    TABLES,
)
from infra.crashtest.compare import Compared, digest, row_text
from infra.crashtest.landed import agree
from infra.crashtest.plan import (
    KillAtCommit,
    KillAtPublish,
    KillBroker,
    LoseCheckpoint,
    LoseCommit,
    Moment,
    again,
    draw,
)
from infra.crashtest.polls import Polls, polls_of
from infra.crashtest.reader import Seen
from infra.crashtest.sight import NONE, Place, Sight, moment_of
from ingest.runner import UNACKNOWLEDGED

NOON = dt.datetime(2024, 3, 19, 12, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)


def cap_row(minute: int, market_cap: str = "2500000000000.12345678") -> dict[str, object]:
    at = NOON + minute * MINUTE
    return {
        "open_time": at,
        "close_time": at + 10 * MINUTE,
        "interval": "10m",
        "market_cap": Decimal(market_cap),
        "coins": 100,
        "oldest_age_seconds": 2400,
        "largest_coin": "BTC",
        "dominance": None,
        "date": at.date(),
    }


ROWS = [cap_row(0), cap_row(10), cap_row(20)]


class TestDigest:
    def test_order_of_rows_does_not_matter(self) -> None:
        assert digest(ROWS, MARKET_CAP) == digest(ROWS[::-1], MARKET_CAP)

    def test_one_changed_digit_is_noticed(self) -> None:
        changed = [*ROWS[:2], cap_row(20, "2500000000000.12345679")]
        assert digest(changed, MARKET_CAP).sha256 != digest(ROWS, MARKET_CAP).sha256

    def test_one_lost_row_is_noticed(self) -> None:
        assert digest(ROWS[:2], MARKET_CAP) != digest(ROWS, MARKET_CAP)

    def test_one_doubled_row_is_noticed(self) -> None:
        doubled = digest([*ROWS, ROWS[0]], MARKET_CAP)
        assert (doubled.rows, doubled.doubled) == (4, 1)
        assert doubled.sha256 != digest(ROWS, MARKET_CAP).sha256

    def test_a_row_doubled_in_both_lakes_is_not_equal(self) -> None:
        doubled = digest([*ROWS, ROWS[0]], MARKET_CAP)
        assert not Compared("market_cap", doubled, doubled).equal
        assert Compared("market_cap", digest(ROWS, MARKET_CAP), digest(ROWS, MARKET_CAP)).equal

    def test_two_empty_tables_are_equal_but_an_empty_one_equals_no_full_one(self) -> None:
        empty = digest([], MARKET_CAP)
        assert Compared("market_cap", empty, empty).equal
        assert not Compared("market_cap", digest(ROWS, MARKET_CAP), empty).equal

    def test_repeats_do_not_count_but_a_doubled_offset_does(self) -> None:
        first = bronze_row(ticker(), offset=7)
        repeat = {**bronze_row(ticker(), offset=8), "repeat": True}
        assert digest([first, repeat], BRONZE_WALLEX).sha256 == digest([first], BRONZE_WALLEX).sha256
        assert digest([first, repeat], BRONZE_WALLEX).doubled == 0
        assert digest([first, {**repeat, "kafka_offset": 7}], BRONZE_WALLEX).doubled == 1

    def test_text_keeps_every_place_and_tells_null_from_its_word(self) -> None:
        row = {"a": Decimal("1.10"), "b": None, "c": "null", "d": b"\x00\xff", "e": NOON, "f": NOON.date()}
        text = '["1.10", null, "null", "00ff", "2024-03-19T12:00:00+00:00", "2024-03-19"]'
        assert row_text(row, tuple(row)) == text.replace("12:00:00+", "12:00:00.000000+")

    def test_float_is_refused(self) -> None:
        with pytest.raises(TypeError, match="float"):
            row_text({"a": 0.1}, ("a",))


@pytest.mark.parametrize("seed", range(200))
def test_every_seed_covers_all_kinds(seed: int) -> None:
    steps = draw(seed)
    assert {step.moment for step in steps if isinstance(step, KillAtCommit)} == set(Moment)
    stages = [step.table for step in steps if isinstance(step, KillAtCommit)]
    assert stages[0] in (BRONZE_COIN_MARKET_CAP, BRONZE_WALLEX)
    assert stages[1] == MARKET_SNAPSHOTS
    assert stages[2] in (CANDLES, MARKET_CAP)
    lost = {step.table.name for step in steps if isinstance(step, LoseCheckpoint)}
    assert lost == {stages[0].name, "market_snapshots", "candles"}
    assert sum(isinstance(step, LoseCommit) for step in steps) == 1
    assert sum(isinstance(step, KillBroker) for step in steps) == 1
    assert sum(isinstance(step, KillAtPublish) for step in steps) == 1


def test_same_seed_draws_the_same_and_others_draw_others() -> None:
    assert draw(42) == draw(42)
    assert len({tuple(map(str, draw(seed))) for seed in range(50)}) > 40


def test_no_commit_is_lost_right_before_its_whole_checkpoint() -> None:
    for seed in range(200):
        steps = draw(seed)
        place = next(n for n, step in enumerate(steps) if isinstance(step, LoseCommit))
        lost = steps[place]
        assert isinstance(lost, LoseCommit)
        for step in steps[place + 1 :]:
            if not isinstance(step, LoseCheckpoint):
                break
            assert step.table != lost.table


def test_missed_moment_is_drawn_again_where_there_is_work_to_strike() -> None:
    chance = random.Random(1)
    loss, kill = again(KillAtCommit(BRONZE_WALLEX, Moment.AFTER, passing=1), chance)
    assert isinstance(loss, LoseCheckpoint)
    assert kill == KillAtCommit(loss.table, Moment.AFTER)
    assert again(KillBroker(2.0), chance) == [KillBroker(2.0, at_start=True)]
    assert isinstance(again(KillAtPublish(PUBLISHED[0], 3), chance)[-1], KillAtPublish)


def sight(*, begun: int = NONE, ended: int = NONE, version: int = 0, files: tuple[str, ...] = ()) -> Sight:
    return Sight(begun, ended, version, frozenset(files))


@pytest.mark.parametrize(
    ("now", "moment"),
    [
        (sight(), None),
        (sight(begun=0), Moment.BEFORE),
        (sight(begun=0, files=("part-1.parquet",)), Moment.DURING),
        (sight(begun=0, version=1, files=("part-1.parquet",)), Moment.AFTER),
        (sight(begun=0, ended=0, version=1, files=("part-1.parquet",)), None),
        (sight(begun=0, ended=0), None),
    ],
)
def test_moment_is_read_from_what_is_on_disk(now: Sight, moment: Moment | None) -> None:
    assert moment_of(sight(), now) is moment


def test_batch_left_over_from_an_earlier_run_is_not_one_that_begins() -> None:
    assert moment_of(sight(begun=3, ended=2), sight(begun=3, ended=2)) is None


def test_sight_reads_names_of_objects_and_of_files(tmp_path: Path) -> None:
    root = tmp_path / "lake" / MARKET_SNAPSHOTS.path
    (root / "_delta_log" / "00000000000000000002.json").mkdir(parents=True)
    (root / "_delta_log" / "00000000000000000001.crc").mkdir()
    (root / "date=2024-03-19" / "part-0.zstd.parquet").mkdir(parents=True)
    (root / "date=2024-03-19" / ".part-1.parquet.crc").mkdir()
    offsets = tmp_path / "state" / "checkpoints" / "market_snapshots" / "offsets"
    offsets.mkdir(parents=True)
    for name in ("9", "10", ".10.crc"):
        (offsets / name).touch()
    seen = Place(tmp_path / "lake", tmp_path / "state").look(MARKET_SNAPSHOTS)
    assert seen == Sight(begun=10, ended=NONE, version=2, files=frozenset({"part-0.zstd.parquet"}))
    assert {table.name for table in TABLES if Place(tmp_path, tmp_path).look(table).version != NONE} == set()


def ticker(minute: int = 0, symbol: str = "BTCTMN", price: str = "6.5e9") -> MarketTicker:
    at = NOON + minute * MINUTE
    return MarketTicker(
        venue="wallex", event_time=at, ingest_time=at, symbol=symbol, base="BTC", quote="TMN", price=Decimal(price)
    )


def bronze_row(record: MarketTicker, offset: int) -> dict[str, object]:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    where = {"kafka_topic": "wallex", "kafka_partition": 0, "kafka_offset": offset}
    return {**fields, **where, "kafka_time": NOON, "repeat": False, "date": NOON.date()}


def message(record: MarketTicker, offset: int, of: int = 1) -> Seen:
    return Seen("wallex", 0, offset, key_of(WALLEX, record), encode(record), {"poll_records": str(of).encode()})


def gap(from_minute: int, to_minute: int | None, offset: int = 0, cause: str = "test") -> Seen:
    record = Gap(
        venue="wallex",
        event_time=NOON + from_minute * MINUTE,
        ingest_time=NOON,
        symbol="*",
        stream="wallex",
        from_time=NOON + from_minute * MINUTE,
        to_time=None if to_minute is None else NOON + to_minute * MINUTE,
        cause=cause,
        recoverable=False,
    )
    return Seen(INGEST_GAPS.topic, 0, offset, key_of(INGEST_GAPS, record), encode(record), {})


def polled(served: list[int], messages: list[Seen]) -> Polls:
    return polls_of("wallex", WALLEX, [NOON + minute * MINUTE for minute in served], messages)


class TestPolls:
    def test_whole_polls_need_no_gap(self) -> None:
        messages = [
            message(ticker(minute, symbol), minute, of=2) for minute in (0, 1) for symbol in ("BTCTMN", "ETHTMN")
        ]
        assert polled([0, 1], messages).unexplained(MINUTE) == []

    def test_poll_that_lacks_one_record_is_noticed_unless_a_gap_says_so(self) -> None:
        messages = [message(ticker(0), 0), message(ticker(1), 1, of=2), message(ticker(2), 2)]
        (problem, pause) = polled([0, 1, 2], messages).unexplained(MINUTE)
        assert "12:01:00 is not whole" in problem
        assert "between 12:00:00 and 12:02:00" in pause
        assert polled([0, 1, 2], [*messages, gap(0, 2)]).unexplained(MINUTE) == []

    def test_answer_that_is_nowhere_is_noticed(self) -> None:
        assert "12:01:00 is not whole" in polled([0, 1], [message(ticker(0), 0)]).unexplained(MINUTE)[0]

    def test_pause_without_answers_is_noticed_though_nothing_was_served(self) -> None:
        messages = [message(ticker(0), 0), message(ticker(5), 1)]
        assert len(polled([0, 5], messages).unexplained(MINUTE)) == 1
        assert polled([0, 5], [*messages, gap(0, 5)]).unexplained(MINUTE) == []
        assert len(polled([0, 5], [*messages, gap(1, 5)]).unexplained(MINUTE)) == 1

    def test_newest_record_of_a_gap_counts(self) -> None:
        messages = [message(ticker(0), 0), message(ticker(5), 1), gap(0, None, 0), gap(0, 3, 1)]
        assert len(polled([0, 5], messages).unexplained(MINUTE)) == 1

    def test_gap_that_was_never_closed_explains_nothing_after_the_next_poll(self) -> None:
        messages = [message(ticker(0), 0), message(ticker(5), 1), gap(0, None)]
        (problem,) = polled([0, 5], messages).unexplained(MINUTE)
        assert problem == "wallex: the gap since 12:00:00 is open though there is a later poll"

    def test_gap_may_be_open_after_the_last_poll(self) -> None:
        messages = [message(ticker(0), 0), message(ticker(1), 1), gap(1, None)]
        assert polled([0, 1, 2], messages).unexplained(MINUTE) == []

    def test_gap_over_a_whole_poll_is_noticed_and_one_between_two_is_right(self) -> None:
        messages = [message(ticker(minute), minute) for minute in (0, 1, 3)]
        (problem,) = polled([0, 1, 3], [*messages, gap(0, 3)]).unexplained(MINUTE)
        assert problem == "wallex: the whole poll of 12:01:00 is in the gap since 12:00:00"
        assert polled([0, 1, 3], [*messages, gap(1, 3)]).unexplained(MINUTE) == []

    def test_gap_over_a_poll_whose_acknowledgement_was_lost_is_right(self) -> None:
        messages = [message(ticker(minute), minute) for minute in (0, 1, 2)]
        assert polled([0, 1, 2], [*messages, gap(0, 2, cause=UNACKNOWLEDGED)]).unexplained(MINUTE) == []


def agreed(messages: list[Seen], rows: list[Mapping[str, object]], *, compacted: bool = False) -> int:
    return agree(LAND_WALLEX, messages, rows, {}, compacted=compacted).wrong


class TestLanded:
    def test_same_rows_agree(self) -> None:
        assert agreed([message(ticker(), 7)], [bronze_row(ticker(), 7)]) == 0

    def test_lost_added_doubled_and_changed_rows_are_noticed(self) -> None:
        messages = [message(ticker(0), 7), message(ticker(1), 8)]
        rows = [bronze_row(ticker(0), 7), bronze_row(ticker(1), 8)]
        assert agreed(messages, rows[:1]) == 1
        assert agreed(messages[:1], rows) == 1
        assert agreed(messages, [*rows, rows[0]]) == 1
        assert agreed(messages, [rows[0], bronze_row(ticker(1, price="6500000000.000000001"), 8)]) == 1

    def test_places_beyond_those_of_the_column_are_rounded_half_up(self) -> None:
        sent = ticker(price="0.0000000000000000125")
        assert agreed([message(sent, 7)], [bronze_row(ticker(price="0.000000000000000013"), 7)]) == 0
        assert agreed([message(sent, 7)], [bronze_row(ticker(price="0.000000000000000012"), 7)]) == 1

    def test_compacted_record_may_lack_where_a_newer_one_of_its_key_landed(self) -> None:
        messages = [message(ticker(0), 7), message(ticker(1), 8)]
        assert agreed(messages, [bronze_row(ticker(1), 8)], compacted=True) == 0
        assert agreed(messages, [bronze_row(ticker(0), 7)], compacted=True) == 1
        assert agreed(messages, [bronze_row(ticker(1), 8)], compacted=False) == 1
