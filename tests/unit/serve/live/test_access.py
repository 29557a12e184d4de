"""Who may read, how often a client may speak, and what is measured of what it reports."""

import pytest
from pydantic import SecretStr

from contracts.errors import SettingsError
from serve.live.access import Access, check_exposure
from serve.live.allowance import Allowance
from serve.live.messages import Sample
from serve.live.metrics import Metrics
from serve.live.settings import LiveSettings


@pytest.mark.parametrize(
    ("origin", "host", "allowed"),
    [
        (None, "127.0.0.1:8000", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://LOCALHOST:8000", "localhost:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("https://charts.example", "127.0.0.1:8000", True),  # on the list
        ("http://127.0.0.1:9999", "127.0.0.1:8000", False),  # another port is another origin
        ("http://evil.example", "127.0.0.1:8000", False),
        ("http://evil.example:8000", "evil.example:8000", False),  # a name that was led to our address
        ("null", "127.0.0.1:8000", False),
        ("", "", False),
        ("http://[", "127.0.0.1:8000", False),
        ("file://127.0.0.1:8000", "127.0.0.1:8000", False),
        ("http://127.0.0.1:8000.evil.example", "127.0.0.1:8000", False),
    ],
)
def test_origins(origin: str | None, host: str, allowed: bool) -> None:
    access = Access(host="127.0.0.1", token="", origins=["https://charts.example"])
    assert access.allows_origin(origin, host) is allowed


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://127.0.0.1:8765", True),
        ("http://localhost:8765", True),
        ("http://192.168.1.5:8765", True),
        ("http://[fd00::5]:8765", True),
        ("http://charts.example:8765", True),  # on the list
        ("http://evil.example:8765", False),  # a name that was led to our address
    ],
)
def test_a_server_without_a_token_is_reached_by_its_address_or_by_a_listed_name(origin: str, allowed: bool) -> None:
    access = Access(host="0.0.0.0", token="", origins=["http://charts.example:8765"])
    assert access.allows_origin(origin, origin.removeprefix("http://")) is allowed


def test_a_server_for_others_may_be_called_by_any_name() -> None:
    access = Access(host="0.0.0.0", token="x", origins=[])
    assert access.allows_origin("https://charts.example", "charts.example")
    assert not access.allows_origin("https://evil.example", "charts.example")


@pytest.mark.parametrize(
    ("query", "authorization", "allowed"),
    [
        ({"token": "s3cret-ü"}, None, True),
        ({}, "Bearer s3cret-ü", True),
        ({}, "bearer s3cret-ü", True),
        ({}, None, False),
        ({"token": ""}, None, False),
        ({"token": "s3cret"}, None, False),
        ({"token": "wrong"}, "Bearer s3cret-ü", False),
        ({}, "Basic s3cret-ü", False),
        ({}, "s3cret-ü", False),
        ({"token": "\ud800"}, None, False),
    ],
)
def test_tokens(query: dict[str, str], authorization: str | None, allowed: bool) -> None:
    access = Access(host="0.0.0.0", token="s3cret-ü", origins=[])
    assert access.allows_reader(query, authorization) is allowed


def test_without_a_token_everybody_reads() -> None:
    assert Access(host="127.0.0.1", token="", origins=[]).allows_reader({"token": "any"}, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "charts.example", ""])
def test_a_host_that_is_not_loopback_needs_a_token_or_to_be_open(host: str) -> None:
    with pytest.raises(SettingsError, match="COINLAKE_LIVE_TOKEN"):
        check_exposure(LiveSettings(live_host=host))
    check_exposure(LiveSettings(live_host=host, live_token=SecretStr("x")))
    check_exposure(LiveSettings(live_host=host, live_open=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    check_exposure(LiveSettings(live_host=host))


def test_a_client_may_send_a_burst_and_then_its_rate() -> None:
    allowance = Allowance(10, now=100.0)
    assert [allowance.take(100.0) for _ in range(21)] == [True] * 20 + [False]
    assert [allowance.take(100.25) for _ in range(3)] == [True, True, False]
    assert [allowance.take(999.0) for _ in range(21)].count(True) == 20


def value(metrics: Metrics, name: str, **labels: str) -> float:
    found = metrics.registry.get_sample_value(name, labels)
    assert found is not None
    return found


def test_reported_times_are_measured_and_absurd_ones_counted() -> None:
    metrics = Metrics()
    good = Sample(event=1000, broker=1010, result=1020, sent=1030, painted=1050)
    behind = Sample(event=1000, broker=1000, result=1000, sent=1500, painted=1000)
    early = Sample(event=5000, broker=1, result=1, sent=1030, painted=1050)
    late = Sample(event=1, broker=1, result=1, sent=1, painted=60_002)
    metrics.painted([good, behind, early, late])
    count = "coinlake_live_latency_seconds_count"
    total = "coinlake_live_latency_seconds_sum"
    assert value(metrics, count, stage="sent_to_painted") == 2
    assert value(metrics, total, stage="sent_to_painted") == pytest.approx(0.020)
    assert value(metrics, total, stage="event_to_painted") == pytest.approx(0.050)
    assert value(metrics, "coinlake_live_samples_absurd_total") == 2
