import datetime as dt
import gzip
import re
from pathlib import Path

import aiohttp
import pytest

from contracts.errors import CoinlakeError, NoDataError, SettingsError
from simulator.config import SimulatorConfig
from simulator.opening import open_venues
from simulator.recording import Played, read_file
from tests.unit.simulator.conftest import Start
from tests.unit.simulator.fakes import FakeWall

LISTINGS, QUOTES = "/v1/cryptocurrency/listings/latest", "/v1/cryptocurrency/quotes/latest"


def line(at: str, path: str, body: str, query: str = "{}", status: int = 200, headers: str = "{}") -> str:
    request = f'{{"method":"GET","path":"{path}","query":{query}}}'
    return f'{{"at":"{at}","request":{request},"response":{{"status":{status},"headers":{headers},"body":{body}}}}}\n'


def listing(at: str, price: str) -> str:
    updated = f"{at[:-3]}00Z"
    body = (
        f'{{"status":{{"timestamp":"{at}","credit_count":1}},"data":[{{"price":{price},"last_updated":"{updated}"}}]}}'
    )
    return line(at, LISTINGS, body, '{"limit":"1"}')


def folder(path: Path, **venues: str) -> Path:
    for venue, text in venues.items():
        (path / f"{venue}.jsonl").write_text(text)
    return path


async def text_of(session: aiohttp.ClientSession, url: str) -> tuple[int, str]:
    async with session.get(url) as response:
        return response.status, await response.text()


async def test_newest_answer_not_after_the_clock_is_served_with_its_numbers_as_they_were(
    start: Start, session: aiohttp.ClientSession, wall: FakeWall, tmp_path: Path
) -> None:
    text = listing("2022-06-13T00:01:00Z", "1.50") + listing("2022-06-13T00:02:00Z", "2.00e-5")
    server = await start(SimulatorConfig(recording=folder(tmp_path, coinmarketcap=text)))
    url = server.url("coinmarketcap") + LISTINGS
    prices = []
    for _ in range(3):
        prices.append(re.findall('"price":([^,]*)', (await text_of(session, url))[1]))
        wall.advance(seconds=59)
    assert prices == [["1.50"], ["1.50"], ["2.00e-5"]]
    async with session.get(url) as response:
        assert response.headers["Date"] == "Mon, 13 Jun 2022 00:03:57 GMT"


async def test_paging_may_differ_from_the_recording_but_not_what_is_asked_for(
    start: Start, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    at = "2022-06-13T00:01:00Z"
    text = listing(at, "1") + line(at, QUOTES, '{"data":{"HERO":{}}}', '{"symbol":"HERO"}')
    server = await start(SimulatorConfig(recording=folder(tmp_path, coinmarketcap=text)))
    url = server.url("coinmarketcap")
    assert (await text_of(session, f"{url}{LISTINGS}?limit=100&start=1"))[0] == 200
    assert (await text_of(session, f"{url}{QUOTES}?symbol=HERO"))[0] == 200
    assert (await text_of(session, f"{url}{QUOTES}?symbol=BTC"))[0] == 404


async def test_bodies_that_were_no_json_and_errors_are_played_as_they_came(
    start: Start, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    headers = '{"Content-Type":"text/html","Retry-After":"7","Content-Encoding":"gzip"}'
    text = line("2022-06-13T00:01:00Z", "/v1/markets", '"<p>\\"too much\\"</p>"', status=429, headers=headers)
    server = await start(SimulatorConfig(recording=folder(tmp_path, wallex=text)))
    async with session.get(server.url("wallex") + "/v1/markets") as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "7")
        assert (response.content_type, await response.text()) == ("text/html", '<p>"too much"</p>')


async def test_recordings_are_shifted_to_the_start_of_the_earliest_with_the_times_in_their_bodies(
    start: Start, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    recording = folder(
        tmp_path,
        coinmarketcap=listing("2022-06-14T01:01:30Z", "1"),
        wallex=line("2022-06-13T00:00:00Z", "/v1/markets", '{"x":1}'),
    )
    server = await start(SimulatorConfig(recording=recording, common_start=True))
    assert await text_of(session, server.url("wallex") + "/v1/markets") == (200, '{"x":1}')
    status, text = await text_of(session, server.url("coinmarketcap") + LISTINGS)
    assert status == 200
    assert '"timestamp":"2022-06-13T00:00:00.000Z"' in text
    assert '"last_updated":"2022-06-12T23:59:30.000Z"' in text


async def test_without_a_shift_a_venue_that_starts_later_has_nothing_yet(
    start: Start, session: aiohttp.ClientSession, wall: FakeWall, tmp_path: Path
) -> None:
    recording = folder(
        tmp_path,
        coinmarketcap=listing("2022-06-13T00:01:00Z", "1"),
        wallex=line("2022-06-13T00:00:00Z", "/v1/markets", '{"x":1}'),
    )
    server = await start(SimulatorConfig(recording=recording))
    url = server.url("coinmarketcap") + LISTINGS
    assert (await text_of(session, url))[0] == 404
    wall.advance(seconds=60)
    assert (await text_of(session, url))[0] == 200


async def test_key_and_limits_hold_for_a_recording_too(
    start: Start, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    server = await start(
        SimulatorConfig(recording=folder(tmp_path, coinmarketcap=listing("2022-06-13T00:01:00Z", "1")))
    )
    statuses = [(await text_of(session, server.url("coinmarketcap") + LISTINGS))[0] for _ in range(31)]
    assert statuses == [200] * 30 + [429]
    async with aiohttp.request("GET", server.url("coinmarketcap") + LISTINGS) as response:
        assert (await response.json())["status"]["error_code"] == 1002


def test_identical_bodies_are_held_once(tmp_path: Path) -> None:
    path = tmp_path / "wallex.jsonl.gz"
    lines = [line(f"2022-06-13T00:0{minute}:00Z", "/v1/markets", '{"big":[1,2,3]}') for minute in range(5)]
    path.write_bytes(gzip.compress("".join(lines).encode()))
    played = read_file(path)
    assert len(played) == 5
    assert len({id(one.answer.body) for one in played if isinstance(one, Played)}) == 1


AT = dt.datetime(2022, 6, 13, tzinfo=dt.UTC).isoformat()
GOOD = line(AT, "/v1/markets", "{}")


@pytest.mark.parametrize(
    ("name", "text", "kind", "message"),
    [
        ("wallex.jsonl", GOOD + "{oops\n", SettingsError, "wallex.jsonl line 2: expected one exchange of wire traffic"),
        ("wallex.jsonl", '{"at":"soon"}\n', SettingsError, "wallex.jsonl line 1: expected one exchange"),
        ("wallex.jsonl", line("2022-06-13T00:00:00", "/", "{}"), SettingsError, "expected a time with a zone"),
        ("wallex.jsonl", GOOD + line("2021-01-01T00:00:00Z", "/", "{}"), SettingsError, "expected lines in time order"),
        ("wallex.jsonl", "", NoDataError, "found an empty file"),
        ("wallex.jsonl.gz", GOOD, SettingsError, "expected a readable recording"),
        ("kraken.jsonl", GOOD, SettingsError, "expected files coinmarketcap.jsonl.*, found .*kraken.jsonl"),
        ("notes.txt", GOOD, NoDataError, "found nothing of it"),
    ],
)
def test_recording_that_cannot_be_played_is_one_clear_line(
    tmp_path: Path, name: str, text: str, kind: type[CoinlakeError], message: str
) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(kind, match=message) as caught:
        open_venues(SimulatorConfig(recording=tmp_path))
    assert "\n" not in str(caught.value)


def test_missing_folder_and_doubled_file_are_clear_lines(tmp_path: Path) -> None:
    with pytest.raises(NoDataError, match=r"expected a folder with .*, found none at .*/absent"):
        open_venues(SimulatorConfig(recording=tmp_path / "absent"))
    folder(tmp_path, wallex=GOOD)
    (tmp_path / "wallex.jsonl.gz").write_bytes(gzip.compress(GOOD.encode()))
    with pytest.raises(SettingsError, match="expected one file for wallex, found both kinds"):
        open_venues(SimulatorConfig(recording=tmp_path))


def test_truncated_gzip_is_a_clear_line(tmp_path: Path) -> None:
    whole = gzip.compress((GOOD * 50).encode())
    (tmp_path / "wallex.jsonl.gz").write_bytes(whole[:-20])
    with pytest.raises(SettingsError, match="expected a readable recording"):
        open_venues(SimulatorConfig(recording=tmp_path))
