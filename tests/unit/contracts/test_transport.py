"""The one setting that chooses the transport, and what it refuses."""

from pathlib import Path

import pytest

from contracts.errors import SettingsError
from contracts.settings import TransportSettings
from contracts.streams import BITCOIN, ETHEREUM, STREAMS


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COINLAKE_TRANSPORT", raising=False)


def test_without_a_word_it_is_kafka() -> None:
    assert TransportSettings.load().zmq is None


def test_an_address_gives_two_endpoints_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINLAKE_TRANSPORT", "zmq://generator:5556")
    address = TransportSettings.load().zmq
    assert address is not None
    assert (address.ticks, address.work) == ("tcp://generator:5556", "tcp://generator:5557")


def test_what_is_given_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINLAKE_TRANSPORT", "zmq://generator:5556")
    assert TransportSettings.load(transport="kafka").zmq is None


@pytest.mark.parametrize(
    "text",
    [
        "zmq",
        "zmq://",
        "zmq://:5556",
        "zmq://*:5556",
        "zmq://localhost",
        "zmq://localhost:0",
        "zmq://localhost:65535",
        "zmq://localhost:5556/",
        "tcp://localhost:5556",
        "zmq://a b:5556",
        "rabbit",
        "Kafka",
    ],
)
def test_an_address_that_is_none_is_refused_and_shown(text: str) -> None:
    expected = "COINLAKE_TRANSPORT: expected kafka or zmq://HOST:PORT with a port from 1 to 65534, found"
    with pytest.raises(SettingsError) as refused:
        TransportSettings.load(transport=text)
    assert str(refused.value) == f"{expected} {text!r}"


def test_posts_are_work_and_all_else_is_for_everybody() -> None:
    assert {stream for stream in STREAMS if stream.work} == {BITCOIN, ETHEREUM}
