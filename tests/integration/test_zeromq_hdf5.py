"""One recording, played by the simulator once into Kafka and once over ZeroMQ: the HDF5 files say the same."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from infra.children import Child
from infra.stack import StackInfo
from tests.integration import zmq_recording
from tests.integration.conftest import coinlake, own_stack, pointed_at, simulator
from tests.integration.export_load import exporting
from tests.integration.zmq_posts_and_ticks import transport

SPEED = 20
TOPICS = ("coin_market_cap", "binance_agg_trades", "bitcoin")
VENUES = ("coin_market_cap", "binance_agg_trades", "x_bitcoin")
KEYS = {
    **dict.fromkeys(("bars", "open_bars"), ("venue", "topic", "symbol", "kline", "open_time")),
    **dict.fromkeys(("pending", "late"), ("venue", "topic", "symbol", "kline", "event_time", "tie")),
    "posts": ("venue", "coin", "post_id"),
}
"""The tables that say something of the market, and what a row of each is known by."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    with own_stack(tmp_path_factory.mktemp("same") / "home") as info:
        yield info


@pytest.fixture(scope="module")
def folders(stack: StackInfo, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Play the recording twice, and return the folder of what came through Kafka and that of what came over ZeroMQ."""
    place = tmp_path_factory.mktemp("files")
    recording = place / "recording"
    zmq_recording.write(recording)
    topics = [word for topic in TOPICS for word in ("--topic", topic)]
    kafka, zmq = place / "kafka", place / "zmq"
    generate(stack, recording, place, "kafka")
    coinlake(stack, "export", "hdf5", str(kafka), *topics, "--once").well()
    address = transport().transport
    command = exporting(zmq, *topics, "--once", "--every", "1s", "--transport", address)
    with Child("export", command, env={"COINLAKE_HOME": str(place)}, log=place / "export.log") as export:
        generate(stack, recording, place, address)
        assert export.wait(60) == 0, (place / "export.log").read_text()
    return kafka, zmq


def generate(stack: StackInfo, recording: Path, place: Path, to: str) -> None:
    """Play the recording from its beginning to its end through the generator."""
    with simulator(place, str(recording), "--speed", str(SPEED), "--begin", zmq_recording.BEGIN.isoformat()) as base:
        venues = [word for venue in VENUES for word in ("--venue", venue)]
        seconds = zmq_recording.SECONDS // SPEED
        coinlake(
            *(stack, "generate", *venues, "--duration", f"{seconds}s", "--transport", to),
            **pointed_at(base),
            COINLAKE_BINANCE_SYMBOLS=",".join(zmq_recording.SYMBOLS),
        ).well()


def table(folder: Path, name: str) -> pd.DataFrame:
    frames: list[pd.DataFrame] = [pd.read_hdf(path, name) for path in sorted(folder.glob("2*.h5"))]
    return pd.concat(frames).sort_values(list(KEYS[name])).reset_index(drop=True)


@pytest.mark.parametrize("name", KEYS)
def test_the_tables_are_equal(folders: tuple[Path, Path], name: str) -> None:
    kafka, zmq = (table(folder, name) for folder in folders)
    pd.testing.assert_frame_equal(kafka, zmq)


def test_every_recorded_trade_and_post_is_in_them(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        bars = pd.concat([table(folder, "bars"), table(folder, "open_bars")])
        trades = bars[bars["topic"] == "binance_agg_trades"]
        expected = [second + 0.5 for second in zmq_recording.TRADES]
        for symbol in zmq_recording.SYMBOLS:
            of_it = trades[trades["symbol"] == symbol]
            assert (of_it["count"].sum(), of_it["sum"].sum()) == (len(expected), sum(expected))
        assert len(bars[bars["topic"] == "coin_market_cap"]) > 0
        ids = {str(zmq_recording.id_at(zmq_recording.milliseconds(second))) for second in zmq_recording.POSTS}
        assert sorted(table(folder, "posts")["post_id"]) == sorted(ids)


def test_nothing_was_lost_on_the_way(folders: tuple[Path, Path]) -> None:
    for folder in folders:
        lost: pd.DataFrame = pd.read_hdf(folder / "progress.h5", "lost")
        assert lost.empty
