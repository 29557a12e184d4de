"""Archive files: their names, their shapes, their rows, and what is refused; by hand-written files and Decimal."""

import csv
import datetime as dt
import gzip
import hashlib
import io
import zipfile
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.errors import LeaseHeldError, SettingsError
from contracts.settings import LakeSettings
from contracts.tables import IMPORTED_AGG_TRADES, IMPORTED_KLINES, TABLES
from spark_jobs.archives import imports
from spark_jobs.archives.errors import ArchiveError
from spark_jobs.archives.imports import IMPORTED
from spark_jobs.archives.names import AS_NAMED, Contents, Overrides, contents_of
from spark_jobs.backfill import SIZES, Imported, Sizes, backfill
from spark_jobs.driver import OF_THE_JOBS
from spark_jobs.edges.lease import Lease
from spark_jobs.edges.store import FolderStore
from tests.unit.serve.rows import lake_in

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
MARCH = 1_679_004_900_000
HEADER = "open_time,open,high,low,close,volume"
KLINE = f"{MARCH},24899.18,24943.98,24896.29,24934.2,293.13711"
WHOLE = f"{KLINE},{MARCH + 59_999},7300000.12345678,5123,150.5,3700000.5,0"
TRADE = "13519807,0.00141342,23.00000000,15373518,15373520,1570752011620,True,True"


class Watched:
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.ended_files: list[Imported] = []

    def begins(self, path: Path) -> None: ...

    def moved(self, rows: int) -> None: ...

    def ended(self, imported: Imported) -> None:
        self.ended_files.append(imported)


def take(lake: LakeSettings, *paths: Path, sizes: Sizes = SIZES) -> list[int]:
    """Backfill files; return how many rows of each were new."""
    watched = Watched()
    backfill(lake, paths, AS_NAMED, watched, NOW, sizes)
    return [imported.new for imported in watched.ended_files]


def rows_of(lake: LakeSettings, table: str = "imported_klines") -> list[dict[str, object]]:
    found = imports.DeltaTable(f"{lake.lake}/tables/bronze/{table}").to_pyarrow_table().to_pylist()
    return sorted(found, key=lambda row: (row["file_name"], row["file_row"]))


def written(folder: Path, name: str, *lines: str) -> Path:
    path = folder / name
    text = "".join(f"{line}\n" for line in lines).encode()
    if name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(name.replace(".zip", ".csv"), text)
    else:
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("BTCUSDT-1m-2023-03.zip", Contents("BTCUSDT", "BTC", "USDT", "1m")),
        ("BTCUSDT-1m.csv.gz", Contents("BTCUSDT", "BTC", "USDT", "1m")),
        ("XRPETH-aggTrades-2019-10-11.csv", Contents("XRPETH", "XRP", "ETH", None)),
        ("BTCFDUSD-1d-2024-01-02.csv", Contents("BTCFDUSD", "BTC", "FDUSD", "1d")),
        ("1INCHTRY-12h-2024-01.zip", Contents("1INCHTRY", "1INCH", "TRY", "12h")),
    ],
)
def test_a_name_says_symbol_and_kind(name: str, expected: Contents) -> None:
    assert contents_of(Path(name)) == expected


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BTCUSDT.csv", "give --symbol and --interval"),
        ("BTCUSDT-1m.json", "expected a file that ends in"),
        ("BTCUSDT-7m.csv", "expected aggTrades or an interval"),
        ("ABCXYZ-1m.csv", "give --quote"),
    ],
)
def test_a_name_that_does_not_say_it_is_refused(name: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        contents_of(Path(name))


def test_options_stand_in_for_a_name() -> None:
    said = Overrides(symbol="ABCXYZ", interval="5m", quote="XYZ")
    assert contents_of(Path("some.csv"), said) == Contents("ABCXYZ", "ABC", "XYZ", "5m")


@pytest.mark.parametrize("name", ["BTCUSDT-1m.csv", "BTCUSDT-1m.csv.gz", "BTCUSDT-1m-2023-03.zip"])
@pytest.mark.parametrize("header", [True, False])
def test_six_columns_become_a_kline_with_nulls(tmp_path: Path, name: str, header: bool) -> None:
    lake = lake_in(tmp_path)
    path = written(tmp_path, name, *([HEADER] if header else []), KLINE)
    assert take(lake, path) == [1]
    (row,) = rows_of(lake)
    assert row == {
        "venue": "binance",
        "event_time": dt.datetime(2023, 3, 16, 22, 15, 59, 999000, dt.UTC),
        "ingest_time": NOW,
        "symbol": "BTCUSDT",
        "base": "BTC",
        "quote": "USDT",
        "interval": "1m",
        "open_time": dt.datetime(2023, 3, 16, 22, 15, tzinfo=dt.UTC),
        "close_time": dt.datetime(2023, 3, 16, 22, 16, tzinfo=dt.UTC),
        "open": Decimal("24899.18"),
        "high": Decimal("24943.98"),
        "low": Decimal("24896.29"),
        "close": Decimal("24934.2"),
        "volume": Decimal("293.13711"),
        "closed": True,
        **dict.fromkeys(("quote_volume", "trades", "taker_volume", "taker_quote_volume")),
        "file_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "file_name": name,
        "file_row": 0,
        "date": dt.date(2023, 3, 16),
    }


@pytest.mark.parametrize(
    "header",
    [
        (),
        ("open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,"
         "taker_buy_quote_volume,ignore",),
    ],
)  # fmt: skip
def test_twelve_columns_are_all_taken(tmp_path: Path, header: tuple[str, ...]) -> None:
    lake = lake_in(tmp_path)
    take(lake, written(tmp_path, "BTCUSDT-1m.csv", *header, WHOLE))
    (row,) = rows_of(lake)
    names = ("quote_volume", "trades", "taker_volume", "taker_quote_volume")
    assert [row[name] for name in names] == [Decimal("7300000.12345678"), 5123, Decimal("150.5"), Decimal("3700000.5")]


def test_milliseconds_and_microseconds_are_told_apart_row_by_row(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    micros = f"{MARCH + 60_000}000,1,1,1,1,0,{MARCH + 119_999}999"
    millis = f"{MARCH},1,1,1,1,0,{MARCH + 59_999}"
    take(lake, written(tmp_path, "BTCUSDT-1m.csv", millis, micros))
    first, second = rows_of(lake)
    minute = dt.timedelta(minutes=1)
    for name in ("open_time", "close_time", "event_time"):
        assert second[name] - first[name] == minute  # type: ignore[operator]
    assert first["close_time"] - first["open_time"] == minute  # type: ignore[operator]


def test_an_aggregate_trade_is_taken(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    take(lake, written(tmp_path, "XRPETH-aggTrades-2019-10-11.csv", TRADE))
    (row,) = rows_of(lake, IMPORTED_AGG_TRADES.name)
    assert (row["agg_trade_id"], row["first_trade_id"], row["last_trade_id"]) == (13519807, 15373518, 15373520)
    assert (row["price"], row["quantity"]) == (Decimal("0.00141342"), Decimal(23))
    assert row["event_time"] == dt.datetime(2019, 10, 11, 0, 0, 11, 620000, dt.UTC)
    assert row["buyer_is_maker"] is True


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"{MARCH + 60_000},x,1,1,1,0", r"row 1: expected open as decimal128\(38, 18\), found 'x'"),
        (f"{MARCH + 60_000},,1,1,1,0", "row 1: expected open"),
        (f"{MARCH + 60_000},1.0000000000000000001,2,1,1,0", "row 1: expected open"),
        (f"{MARCH + 60_000},1,1,1", "row 1: expected 6 columns, found 4"),
        (f"{MARCH + 60_001},1,1,1,1,0", "row 1: expected an open time on the grid of 1m"),
        (f"{MARCH // 1000 + 60},1,1,1,1,0", "row 1: expected a time in milliseconds or microseconds"),
        (f"{MARCH + 60_000},1,1,2,1,0", "row 1: expected low <= open <= high"),
        (f"{MARCH + 60_000},1,1,1,1,-1", "row 1: expected volume not below zero"),
        (f"{int(NOW.timestamp() * 1000)},1,1,1,1,0", "row 1: expected a kline that is closed"),
    ],
)
def test_a_bad_row_is_named_and_nothing_of_its_commit_is_written(tmp_path: Path, line: str, words: str) -> None:
    lake = lake_in(tmp_path)
    with pytest.raises(ArchiveError, match=f"BTCUSDT-1m.csv: {words}"):
        take(lake, written(tmp_path, "BTCUSDT-1m.csv", HEADER, KLINE, line))
    assert not (tmp_path / "lake" / IMPORTED_KLINES.path).exists()


def test_files_before_a_bad_one_are_in(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    good, bad = written(tmp_path, "BTCUSDT-1m.csv", KLINE), written(tmp_path, "ETHUSDT-1m.csv", "no,kline")
    with pytest.raises(ArchiveError, match=r"ETHUSDT-1m\.csv: expected 6 to 12 columns"):
        take(lake, good, bad)
    assert [row["symbol"] for row in rows_of(lake)] == ["BTCUSDT"]


def test_a_checksum_that_differs_stops_before_anything_is_written(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    path = written(tmp_path, "BTCUSDT-1m.csv", KLINE)
    beside = tmp_path / "BTCUSDT-1m.csv.CHECKSUM"
    beside.write_text(f"{'0' * 64}  BTCUSDT-1m.csv\n")
    with pytest.raises(ArchiveError, match=f"expected sha256 {'0' * 64} .*found [0-9a-f]{{64}}"):
        take(lake, path)
    assert not (tmp_path / "lake" / IMPORTED_KLINES.path).exists()
    beside.write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  BTCUSDT-1m.csv\n")
    assert take(lake, path) == [1]


@pytest.mark.parametrize("name", ["BTCUSDT-1m.zip", "BTCUSDT-1m.csv.gz"])
def test_a_cut_file_is_refused(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, *(KLINE for _ in range(50)))
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(ArchiveError, match=f"{name}: expected a whole file"):
        take(lake_in(tmp_path), path)


def many(count: int) -> list[str]:
    return [f"{MARCH + 60_000 * number},1,2,1,{1 + number % 2},{number}" for number in range(count)]


def test_a_run_that_was_cut_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    lake, path = lake_in(tmp_path), written(tmp_path, "BTCUSDT-1m.csv", *many(300))
    expected = list(csv.reader(io.StringIO(path.read_text())))

    class CutError(Exception):
        """The power goes."""

    class Cut(Watched):
        read_rows = 0

        def moved(self, rows: int) -> None:
            self.read_rows += rows
            if self.read_rows > 150:
                raise CutError

    with pytest.raises(CutError):
        backfill(lake, [path], AS_NAMED, Cut(), NOW, Sizes(40, 1000))
    so_far = len(rows_of(lake))
    assert 0 < so_far < 300
    # Other borders than before: the place to go on is a row, not a block.
    assert take(lake, path, sizes=Sizes(70, 1700)) == [300 - so_far]
    found = rows_of(lake)
    assert [row["file_row"] for row in found] == list(range(300))
    assert [row["volume"] for row in found] == [Decimal(row[5]) for row in expected]
    version = imports.DeltaTable(f"{lake.lake}/{IMPORTED_KLINES.path}").version()
    assert take(lake, path, path) == [0, 0]
    assert imports.DeltaTable(f"{lake.lake}/{IMPORTED_KLINES.path}").version() == version


def test_a_run_that_is_interrupted_as_a_commit_lands_doubles_nothing(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    files = [written(tmp_path, f"{coin}USDT-1m.csv", *many(count)) for coin, count in (("BTC", 30), ("ETH", 31))]

    class Interrupted(Watched):
        def ended(self, imported: Imported) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(lake, files, AS_NAMED, Interrupted(), NOW, Sizes(20, 1000))
    assert 30 < len(rows_of(lake)) <= 61
    take(lake, *files)
    places = [(row["file_name"], row["file_row"]) for row in rows_of(lake)]
    assert places == [*(("BTCUSDT-1m.csv", row) for row in range(30)), *(("ETHUSDT-1m.csv", row) for row in range(31))]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (Overrides(symbol="ETHUSDT"), "expected --symbol BTCUSDT as its name says, found ETHUSDT"),
        (Overrides(interval="5m"), "expected --interval 1m as its name says, found 5m"),
        (Overrides(base="ETH", quote="USDT"), "expected --base and --quote to make BTCUSDT, found ETH and USDT"),
        (Overrides(quote="EUR"), "expected --base and --quote to make BTCUSDT, found BTCUSDT and EUR"),
    ],
)
def test_what_is_said_against_a_file_s_own_name_is_refused(tmp_path: Path, said: Overrides, message: str) -> None:
    lake, path = lake_in(tmp_path), written(tmp_path, "BTCUSDT-1m-2023-03.csv", KLINE)
    with pytest.raises(SettingsError, match=message):
        backfill(lake, [path], said, Watched(), NOW)


def test_a_symbol_that_can_be_cut_in_two_ways_asks_which(tmp_path: Path) -> None:
    ada = Path("ADAEUR-1m-2024-01.zip")
    with pytest.raises(SettingsError, match="ADAEUR ends in AEUR and in EUR: say which with --quote"):
        contents_of(ada)
    assert contents_of(ada, Overrides(quote="EUR")) == Contents("ADAEUR", "ADA", "EUR", "1m")
    assert contents_of(Path("AEURUSDT-1m.zip")) == Contents("AEURUSDT", "AEUR", "USDT", "1m")


def test_a_quote_volume_that_was_a_float_is_rounded_half_up_to_what_the_venue_counts_in(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    volumes = ("1036258.3199999999", "0.000000005", "7")
    lines = [line.replace("7300000.12345678", v) for line, v in zip([WHOLE] * 3, volumes, strict=True)]
    take(lake, *(written(tmp_path, f"{coin}USDT-1m.csv", line) for coin, line in zip("ABC", lines, strict=True)))
    assert [row["quote_volume"] for row in rows_of(lake)] == [
        Decimal("1036258.32000000"),
        Decimal("0.00000001"),
        Decimal("7.00000000"),
    ]


def test_empty_lines_before_a_header_are_passed_over(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    assert take(lake, written(tmp_path, "BTCUSDT-1m.csv", "", "", HEADER, KLINE)) == [1]


def test_a_file_twice_in_one_run_is_taken_once(tmp_path: Path) -> None:
    lake, path = lake_in(tmp_path), written(tmp_path, "BTCUSDT-1m.csv", KLINE)
    (tmp_path / "copy").mkdir()
    copy = written(tmp_path / "copy", "BTCUSDT-1m.csv", KLINE)
    assert sorted(take(lake, path, copy)) == [0, 1]
    assert len(rows_of(lake)) == 1


def test_small_files_share_a_commit(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    take(lake, *(written(tmp_path, f"{coin}USDT-1m.csv", KLINE) for coin in ("BTC", "ETH", "SOL")))
    table = imports.DeltaTable(f"{lake.lake}/{IMPORTED_KLINES.path}")
    assert (table.version(), len(table.file_uris())) == (1, 1)


def test_it_runs_beside_the_jobs_and_not_beside_itself(tmp_path: Path) -> None:
    lake, path = lake_in(tmp_path), written(tmp_path, "BTCUSDT-1m.csv", KLINE)
    state = FolderStore(Path(lake.state.removeprefix("file://")))
    assert {*OF_THE_JOBS, *IMPORTED} == {*TABLES} and not {*OF_THE_JOBS} & {*IMPORTED}
    with Lease(state, OF_THE_JOBS):
        assert take(lake, path) == [1]
    with Lease(state, IMPORTED), pytest.raises(LeaseHeldError):
        take(lake, path)
