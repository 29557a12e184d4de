"""What of the embedded stack runs."""

import time
from pathlib import Path

import psutil

from contracts.errors import StackError
from infra.stack import connect, kafka, processes, questdb, spark
from infra.stack.info import PartStatus, StackInfo, read_info, read_ports
from infra.stack.layout import Layout
from infra.stack.supervisor import ALIVE, ProgramState, Supervisor

PORTS = {
    **{part: kafka.port_setting(part) for part in kafka.PARTS},
    "minio": "minio_port",
    questdb.PART: "questdb_server_http_port",
    connect.PART: "connect_port",
    spark.MASTER: "spark_master_port",
}
"""Where each part takes work; a worker takes it from its master alone, and shows its web page."""


def running_info(home: Path) -> StackInfo | None:
    """Return where the stack is when every part of it runs, else None."""
    layout = Layout(home.absolute())
    programs = _programs(layout)
    if not programs or any(program.state not in ALIVE for program in programs.values()):
        return None
    return read_info(layout)


def status(home: Path) -> list[PartStatus]:
    """Return a row for supervisord and one for each part; none at all when nothing was ever started."""
    layout = Layout(home.absolute())
    programs, ports = _programs(layout), read_ports(layout)
    found = {each.part: each.process.pid for each in processes.find(layout)}
    if not programs and not found and not ports:
        return []
    names = list(programs) or [part for part in (*PORTS, *spark.workers_among(ports)) if _port_setting(part) in ports]
    names.sort(key=[*PORTS, *spark.workers_among(ports)].index)
    return [
        _row(
            name,
            programs[name].state.lower() if name in programs else None,
            found.get(name),
            ports.get(_port_setting(name)),
        )
        for name in names
    ] + [_row("supervisord", None, found.get("supervisord"), None)]


def _port_setting(part: str) -> str:
    return PORTS.get(part) or spark.ui_setting(part)


def _programs(layout: Layout) -> dict[str, ProgramState]:
    try:
        return Supervisor(layout.socket).states()
    except StackError:
        return {}


def _row(name: str, state: str | None, pid: int | None, port: int | None) -> PartStatus:
    if pid is None:
        # supervisord answers no more, or says why it does not run the part.
        return PartStatus(name, state or "stopped", None, port, None, None)
    try:
        process = psutil.Process(pid)
        children = [] if name == "supervisord" else process.children(recursive=True)
        memory = sum(each.memory_full_info().pss for each in (process, *children))
        uptime = time.time() - process.create_time()
    except psutil.NoSuchProcess:
        return PartStatus(name, "stopped", None, port, None, None)
    except psutil.AccessDenied:
        uptime, memory = None, None
    shown = "running" if state in (None, "starting") else state
    return PartStatus(name, shown, pid, port, uptime, memory)
