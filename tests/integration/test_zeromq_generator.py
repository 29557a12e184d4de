"""The real generator in front of the simulator, over ZeroMQ: what was served arrives, also around a kill."""

import datetime as dt
import json
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path

from contracts.streams import COIN_MARKET_CAP, INGEST_GAPS, WALLEX
from infra.children import Child
from serve.export.feed import Lane
from tests.integration.conftest import COINLAKE, Ran, place_fault, pointed_at, ran, simulator
from tests.integration.zmq_posts_and_ticks import Reading, transport


def generating(*venues: str) -> list[str]:
    return [*COINLAKE, "generate", *(word for venue in venues for word in ("--venue", venue))]


def surroundings(folder: Path, base: str, address: str) -> dict[str, str]:
    """Return the variables of a generator that has no Kafka anywhere."""
    return {
        "COINLAKE_HOME": str(folder),
        "COINLAKE_TRANSPORT": address,
        "COINLAKE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        **pointed_at(base),
    }


def served(base: str, venue: str) -> list[dt.datetime]:
    """Return the times that the simulator said in its answers, by its own log."""
    with urllib.request.urlopen(f"{base}/_simulator/requests?venue={venue}", timeout=10) as answer:
        log = json.load(answer)
    requests = log["requests"] if isinstance(log, dict) else log
    return [
        dt.datetime.fromisoformat(one["simulated_time"]).replace(microsecond=0)
        for one in requests
        if one["status"] == 200
    ]


def markets(base: str) -> int:
    """Ask for one answer, and return how many markets are in it."""
    with urllib.request.urlopen(f"{base}/wallex/v1/markets", timeout=10) as answer:
        return len(json.load(answer)["result"]["symbols"])


def test_every_answer_of_the_venues_arrives_once_and_in_order_without_any_kafka(tmp_path: Path) -> None:
    settings = transport()
    with simulator(tmp_path, "--speed", "30", "--span", "1h") as base:
        with Reading(settings, WALLEX, COIN_MARKET_CAP, INGEST_GAPS) as reading:
            run = generate_for(tmp_path, base, settings.transport, "6s").well()
        polls, size = served(base, "wallex"), markets(base)
    assert "event=nothing_to_resume" in "\n".join(run.err)
    tickers = [json.loads(message.value) for message in reading.messages if message.lane.topic == "wallex"]
    times = [dt.datetime.fromisoformat(ticker["event_time"]) for ticker in tickers]
    assert len(polls) == 6
    assert Counter(times) == Counter(dict.fromkeys(polls, size))
    assert times == sorted(times)
    assert len({(ticker["symbol"], ticker["event_time"]) for ticker in tickers}) == len(tickers)
    assert reading.lost == []


def generate_for(folder: Path, base: str, address: str, duration: str) -> Ran:
    env = surroundings(folder, base, address)
    return ran([*generating("wallex", "coin_market_cap"), "--duration", duration], folder / "generate.log", env)


def test_a_hole_at_the_venue_arrives_as_a_gap(tmp_path: Path) -> None:
    settings = transport()
    with simulator(tmp_path, "--speed", "30", "--span", "1h") as base:
        place_fault(base, {"venue": "wallex", "kind": "html", "count": 60})
        with Reading(settings, WALLEX, COIN_MARKET_CAP, INGEST_GAPS) as reading:
            generate_for(tmp_path, base, settings.transport, "3s")
    gaps = [json.loads(message.value) for message in reading.messages if message.lane.topic == "ingest_gaps"]
    assert {gap["stream"] for gap in gaps} == {"wallex"}
    assert max(gap["missed"] for gap in gaps) >= 2


def test_a_generator_that_was_killed_is_another_run_after_it_and_its_consumers_stay(tmp_path: Path) -> None:
    settings = transport()
    with simulator(tmp_path, "--speed", "30", "--span", "1h") as base:
        command, env = generating("wallex"), surroundings(tmp_path, base, settings.transport)
        with Reading(settings, WALLEX) as reading:
            with Child("generator", [*command, "--forever"], env=env, log=tmp_path / "killed.log") as killed:
                reading.wait_for(300)
                subprocess.run(["kill", "-9", str(killed.pid)], check=True)
                killed.wait(10)
            time.sleep(0.3)
            before = len(reading.messages)
            ran([*command, "--duration", "3s"], tmp_path / "again.log", env).well()
    lanes = list(dict.fromkeys(message.lane for message in reading.messages))
    assert [lane.topic for lane in lanes] == ["wallex", "wallex"]
    assert lanes[0] != lanes[1]
    assert {message.lane for message in reading.messages[before:]} == {lanes[1]}
    for lane in lanes:
        assert numbers(reading, lane) == list(range(len(numbers(reading, lane))))
    assert reading.lost == []


def numbers(reading: Reading, lane: Lane) -> list[int]:
    return [message.offset for message in reading.messages if message.lane == lane]


def test_a_stop_ends_a_generator_that_waits_for_subscribers(tmp_path: Path) -> None:
    env = surroundings(tmp_path, "http://127.0.0.1:1", transport().transport)
    log = tmp_path / "waits.log"
    with Child("generator", [*generating("wallex"), "--forever"], env=env, log=log) as waiting:
        deadline = time.monotonic() + 120
        while "waiting_for_subscribers" not in (log.read_text() if log.exists() else ""):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        subprocess.run(["kill", "-TERM", str(waiting.pid)], check=True)
        assert waiting.wait(60) == 0
    assert "topics=wallex" in log.read_text()


def test_tail_prints_what_it_takes_as_lines_and_ends_with_the_generator(tmp_path: Path) -> None:
    address = transport().transport
    lines: list[str] = []
    tail = [*COINLAKE, "tail", "wallex", "ingest_gaps", "--transport", address]
    with simulator(tmp_path, "--speed", "30", "--span", "1h") as base:
        env = surroundings(tmp_path, base, address)
        with Child("tail", tail, env=env, each_line=lines.append, log=tmp_path / "tail.log") as tailing:
            ran([*generating("wallex"), "--duration", "3s"], tmp_path / "generate.log", env).well()
            assert tailing.wait(120) == 0
        size = markets(base)
    assert len(lines) == 3 * size
    assert {json.loads(line)["venue"] for line in lines} == {"wallex"}
