"""Who may read: pages of our own origin, and whoever knows the token. No I/O."""

import hmac
import ipaddress
from collections.abc import Collection, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from contracts.errors import SettingsError


def _listed(text: object) -> object:
    """Split a comma-separated list; what is no text is left to the next validator."""
    return tuple(word.strip() for word in text.split(",") if word.strip()) if isinstance(text, str) else text


Origin = Annotated[str, Field(pattern=r"^https?://[^/]+$")]
Origins = Annotated[tuple[Origin, ...], NoDecode, BeforeValidator(_listed)]
"""Origins as a setting, separated by commas."""


def is_loopback(host: str) -> bool:
    """Say whether an address or name means this machine alone.

    >>> [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "charts.example")]
    [True, True, True, False, False]
    """
    if host.lower() == "localhost":
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def check_exposure(group: str, host: str, token: SecretStr, is_open: bool) -> None:
    """Refuse to serve everybody unless that was asked for. `group` is what the variables begin with, such as LIVE.

    Raises:
        SettingsError: the host is not loopback, there is no token, and it is not said to be open.
    """
    if is_loopback(host) or token.get_secret_value() or is_open:
        return
    raise SettingsError(
        f"COINLAKE_{group}_HOST: {host} is not loopback, so others could read the data: set"
        f" COINLAKE_{group}_TOKEN, or COINLAKE_{group}_OPEN=true where everybody may"
    )


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class Access:
    """The rules of one server.

    A page of another origin must not open a WebSocket, nor one whose own name leads to us, which makes it of our
    origin: on loopback, and where no token is asked for (by a container, say, that is published on loopback). An
    address is no such name; other names are for `live_origins`.
    """

    def __init__(self, *, host: str, token: str, origins: Collection[str]) -> None:
        self._on_loopback = is_loopback(host)
        self._token = token.encode()
        self._origins = {origin.lower() for origin in origins}

    def allows_origin(self, origin: str | None, host: str) -> bool:
        """Judge the Origin header of a request beside its Host header. Who sends no Origin is no browser."""
        if origin is None or origin.lower() in self._origins:
            return True
        try:
            parts = urlsplit(origin)
        except ValueError:
            return False
        if parts.scheme not in {"http", "https"} or parts.netloc.lower() != host.lower():
            return False
        return self._allows_name(parts.hostname or "")

    def allows_host(self, host: str) -> bool:
        """Judge the Host header of a request: a page whose own name leads to us is of our origin, and says no Origin.

        >>> access = Access(host="127.0.0.1", token="", origins=["http://charts.example"])
        >>> [access.allows_host(host) for host in ("127.0.0.1:8766", "charts.example", "evil.example:8766")]
        [True, True, False]
        """
        if f"http://{host.lower()}" in self._origins or f"https://{host.lower()}" in self._origins:
            return True
        try:
            return self._allows_name(urlsplit(f"//{host}").hostname or "")
        except ValueError:
            return False

    def _allows_name(self, name: str) -> bool:
        if self._on_loopback:
            return is_loopback(name)
        return bool(self._token) or is_loopback(name) or _is_address(name)

    def allows_reader(self, query: Mapping[str, str], authorization: str | None) -> bool:
        """Judge the token of a request: `?token=`, else `Authorization: Bearer`."""
        if not self._token:
            return True
        given = query.get("token")
        if given is None:
            scheme, _, given = (authorization or "").partition(" ")
            given = given.strip() if scheme.lower() == "bearer" else ""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._token)
