"""Loopback ports: which are free, and who has the ones that are not."""

import socket
from collections.abc import Mapping

import psutil

from contracts.errors import StackError

LOOPBACK = "127.0.0.1"


def choose_ports(wanted: Mapping[str, int]) -> dict[str, int]:
    """Return a port for each setting: the wanted one, or any free one where 0 is wanted.

    Args:
        wanted: the port by the name of the setting, such as `kafka_port`.

    Raises:
        StackError: a wanted port is in use, and the message names the process and the variable to change; or
            one port is wanted twice.
    """
    _refuse_twins(wanted)
    chosen: dict[str, int] = {}
    held: list[socket.socket] = []
    try:
        # Named ports first, so that a free one is none of them.
        for setting, port in sorted(wanted.items(), key=lambda item: item[1] == 0):
            probe = socket.socket()
            held.append(probe)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((LOOPBACK, port))
            except OSError as error:
                raise StackError(_refused(port, setting, error)) from None
            chosen[setting] = probe.getsockname()[1]
    finally:
        for probe in held:
            probe.close()
    return chosen


def _refuse_twins(wanted: Mapping[str, int]) -> None:
    first: dict[int, str] = {}
    for setting, port in wanted.items():
        if port and first.setdefault(port, setting) != setting:
            pair = f"COINLAKE_{first[port].upper()} and COINLAKE_{setting.upper()}"
            raise StackError(f"{pair} are both {port}: choose another for one")


def _refused(port: int, setting: str, error: OSError) -> str:
    variable = f"COINLAKE_{setting.upper()}"
    if isinstance(error, PermissionError):
        return f"port {port} may not be used ({error.strerror}): choose another with {variable} (0 takes any free port)"
    return (
        f"port {port} is in use (by {_owner(port)}): stop it, or choose another with {variable} (0 takes any free port)"
    )


def _owner(port: int) -> str:
    """Name the process that listens on a port, as far as the system tells."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                return f"{psutil.Process(connection.pid).name()}, pid {connection.pid}"
    except psutil.Error:
        pass
    return "a process of another user"
