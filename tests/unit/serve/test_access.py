"""Who may read."""

import pytest
from pydantic import SecretStr

from contracts.errors import SettingsError
from serve.access import Access, check_exposure


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
        check_exposure("LIVE", host, SecretStr(""), False)
    check_exposure("LIVE", host, SecretStr("x"), False)
    check_exposure("LIVE", host, SecretStr(""), True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    check_exposure("LIVE", host, SecretStr(""), False)


@pytest.mark.parametrize(
    ("bound", "token", "host", "allowed"),
    [
        ("127.0.0.1", "", "127.0.0.1:8766", True),
        ("127.0.0.1", "", "LOCALHOST:8766", True),
        ("127.0.0.1", "", "[::1]:8766", True),
        ("127.0.0.1", "", "evil.example:8766", False),  # a name that was led to our address
        ("127.0.0.1", "x", "evil.example:8766", False),
        ("127.0.0.1", "", "query:8766", True),  # on the list
        ("127.0.0.1", "", "query:9999", False),
        ("127.0.0.1", "", "", False),
        ("127.0.0.1", "", "[", False),
        ("0.0.0.0", "", "192.168.1.5:8766", True),
        ("0.0.0.0", "", "evil.example:8766", False),
        ("0.0.0.0", "x", "lake.example", True),
    ],
)
def test_hosts(bound: str, token: str, host: str, allowed: bool) -> None:
    access = Access(host=bound, token=token, origins=["http://query:8766"])
    assert access.allows_host(host) is allowed
