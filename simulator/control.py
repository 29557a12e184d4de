"""The control endpoints below `/_simulator`: faults, changed rows, the request log and the clock."""

from typing import TypeVar

import msgspec
from aiohttp import web

from contracts.errors import SettingsError
from simulator.clock import SimulatedClock
from simulator.faults import Fault, Injection, Injections
from simulator.request_log import RequestLog
from simulator.spoiling import RowChange
from simulator.venues import demand_known

T = TypeVar("T", bound=Injection)


class Control:
    """Handlers that never start the clock and are not logged."""

    def __init__(
        self, clock: SimulatedClock, faults: Injections[Fault], rows: Injections[RowChange], log: RequestLog
    ) -> None:
        self._clock = clock
        self._faults = faults
        self._rows = rows
        self._log = log

    def routes(self) -> list[web.RouteDef]:
        """List the routes."""
        return [
            web.get("/_simulator/clock", self._show_clock),
            web.get("/_simulator/requests", self._show_requests),
            web.get("/_simulator/faults", self._show_faults),
            web.post("/_simulator/faults", self._place_fault),
            web.delete("/_simulator/faults", self._clear_faults),
            web.get("/_simulator/rows", self._show_rows),
            web.post("/_simulator/rows", self._place_row),
            web.delete("/_simulator/rows", self._clear_rows),
        ]

    async def _show_clock(self, http: web.Request) -> web.Response:
        started = self._clock.started_at
        return _json({"simulated_time": self._clock.now(), "wall_time": self._clock.wall(), "started_at": started})

    async def _show_requests(self, http: web.Request) -> web.Response:
        after = http.query.get("after", "0")
        if not after.isdecimal():
            return _json({"error": f"after: expected a number, found {after!r}"}, status=400)
        return _json(self._log.entries(http.query.get("venue"), int(after)))

    async def _show_faults(self, http: web.Request) -> web.Response:
        return _json(self._faults.pending())

    async def _place_fault(self, http: web.Request) -> web.Response:
        return await self._place(http, Fault, self._faults)

    async def _clear_faults(self, http: web.Request) -> web.Response:
        self._faults.clear()
        return _json([])

    async def _show_rows(self, http: web.Request) -> web.Response:
        return _json(self._rows.pending())

    async def _place_row(self, http: web.Request) -> web.Response:
        return await self._place(http, RowChange, self._rows)

    async def _clear_rows(self, http: web.Request) -> web.Response:
        self._rows.clear()
        return _json([])

    async def _place(self, http: web.Request, kind: type[T], injections: Injections[T]) -> web.Response:
        try:
            injection = msgspec.json.decode(await http.read(), type=kind)
            demand_known(injection.venue)
        except (msgspec.MsgspecError, SettingsError) as error:
            return _json({"error": f"expected a {kind.__name__}, found: {error}"}, status=400)
        injections.place(injection, self._clock.now())
        return _json(injections.pending(), status=201)


def _json(body: object, status: int = 200) -> web.Response:
    return web.Response(body=msgspec.json.encode(body), status=status, content_type="application/json")
