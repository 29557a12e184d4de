"""What the demo plays, and what it says when a part of it does not answer."""

import sys
from pathlib import Path

import pytest

from contracts.errors import BrokerError, StackError
from contracts.settings import KafkaSettings
from infra.children import Child
from infra.demo.replay import FEEDS, recorded_api, recorded_market, records_in, simulated_time
from simulator.venues import VENUES

NOWHERE = "127.0.0.1:1"


def recorded(folder: Path, venue: str, path: str, *times: str) -> None:
    request = f'{{"method":"GET","path":"{path}"}}'
    lines = [
        f'{{"at":"{at}","request":{request},"response":{{"status":200,"headers":{{}},"body":{{}}}}}}\n' for at in times
    ]
    (folder / f"{venue}.jsonl").write_text("".join(lines))


def test_span_of_a_recording_is_that_of_its_longest_venue_wherever_the_others_begin(tmp_path: Path) -> None:
    recorded(tmp_path, "wallex", "/v1/markets", "2022-06-13T00:00:00Z", "2022-06-13T00:10:00Z")
    listings = "/v1/cryptocurrency/listings/latest"
    recorded(tmp_path, "coinmarketcap", listings, "2025-11-24T10:00:00Z", "2025-11-24T10:30:00Z")
    assert recorded_market(tmp_path, 60).span_seconds == 31 * 60


def test_version_of_the_api_is_the_recorded_one_or_none_without_coinmarketcap(tmp_path: Path) -> None:
    recorded(tmp_path, "wallex", "/v1/markets", "2022-06-13T00:00:00Z")
    assert recorded_api(tmp_path) is None
    recorded(tmp_path, "coinmarketcap", "/v3/cryptocurrency/listings/latest", "2025-11-24T10:00:00Z")
    assert recorded_api(tmp_path) == "v3"


def test_something_is_taken_of_every_venue_that_a_recording_may_hold() -> None:
    assert set(FEEDS) == set(VENUES)


def test_simulator_that_ended_is_named_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import sys; sys.exit('coinlake: the disk is full')"]
    with Child("simulator", command, log=tmp_path / "log") as simulator:
        simulator.wait(30)
        with pytest.raises(StackError) as raised:
            simulated_time(f"http://{NOWHERE}", simulator)
    assert str(raised.value) == "the simulator ended: the disk is full"


def test_kafka_that_does_not_answer_is_named_with_its_address() -> None:
    with pytest.raises(BrokerError, match=f"^Kafka cannot be reached at {NOWHERE}: "):
        records_in(KafkaSettings(kafka_bootstrap_servers=NOWHERE), seconds=0.5)
