"""supervisord, the process that runs the parts: its configuration, its start and its commands."""

import http.client
import os
import shlex
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import StackError
from infra.interrupts import uninterrupted
from infra.stack.layout import Layout, write_private

STOP_SECONDS = 15
"""How long a part may take to stop before it is killed; Kafka writes its class archive in that time once."""
ALIVE = frozenset({"STARTING", "RUNNING"})
_AT_REST = frozenset({"STOPPED", "EXITED", "FATAL"})
MODULE = "supervisor.supervisord"
_INHERITED = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "JAVA_HOME", "TZ")


@dataclass(frozen=True)
class Program:
    """One process to supervise."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]


@dataclass(frozen=True)
class ProgramState:
    """What supervisord knows of a program; `pid` is 0 when it does not run."""

    name: str
    state: str
    pid: int
    exit_code: int
    started: float


def write_conf(layout: Layout, programs: Sequence[Program]) -> None:
    """Write supervisord's configuration.

    Paths are relative to the home folder, in which supervisord is started: it expands a percent sign in a
    path twice, so no escape gets through.
    """
    sections = [
        f"""[supervisord]
nodaemon=true
logfile=logs/supervisord.log
logfile_maxbytes=1MB
logfile_backups=1
pidfile=supervisord.pid

[unix_http_server]
file={_socket(layout)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
    ]
    write_private(layout.supervisor_conf, "\n".join([*sections, *map(_section, programs)]))


def _section(program: Program) -> str:
    return f"""[program:{program.name}]
command={_escape(shlex.join(program.command))}
environment={_escape(",".join(f'{key}="{value}"' for key, value in program.env.items()))}
autostart=false
autorestart=true
startsecs=1
startretries=3
stopwaitsecs={STOP_SECONDS}
stopasgroup=true
killasgroup=true
redirect_stderr=true
stdout_logfile=logs/{program.name}.log
stdout_logfile_maxbytes=10MB
stdout_logfile_backups=1
"""


@contextmanager
def added(layout: Layout, programs: Sequence[Program]) -> Iterator[None]:
    """Give a running supervisord more programs, which the block starts; take them away when the block fails.

    Raises:
        StackError: supervisord does not answer or refuses.
    """
    before = layout.supervisor_conf.read_text()
    supervisor = Supervisor(layout.socket)
    for program in programs:
        layout.set_log_aside(program.name)
    try:
        write_private(layout.supervisor_conf, "\n".join([before, *map(_section, programs)]))
        supervisor.add([program.name for program in programs])
        yield
    except BaseException:
        with uninterrupted():
            write_private(layout.supervisor_conf, before)
            supervisor.remove([program.name for program in programs])
        raise


def start(layout: Layout) -> None:
    """Start supervisord in a session of its own, and wait until it takes commands.

    Raises:
        StackError: it ended, or took no command within 20 seconds.
    """
    output = layout.log("supervisord")
    with output.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", MODULE, "-n", "-c", str(layout.supervisor_conf)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
            cwd=layout.home,
            # Our own secrets are no business of the parts.
            env={name: os.environ[name] for name in _INHERITED if name in os.environ},
            start_new_session=True,
        )
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if Supervisor(layout.socket).answers():
            return
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise StackError(f"supervisord did not start: {last_line(output)} (log: {output})")


def last_line(log: Path) -> str:
    """Return what a log says last: its last line that names an error, else its last line."""
    lines = [line.strip() for line in log.read_text(errors="replace").splitlines()] if log.exists() else []
    lines = [line for line in lines if line and not line.startswith("at ")]
    errors = [line for line in lines[-200:] if any(word in line for word in ("ERROR", "FATAL", "Exception", "Error"))]
    return (errors or lines or ["it logged nothing"])[-1][:300]


class Supervisor:
    """The commands of a running supervisord."""

    def __init__(self, socket_path: Path) -> None:
        self._proxy = xmlrpc.client.ServerProxy("http://localhost", transport=_UnixTransport(socket_path))

    def answers(self) -> bool:
        """Tell whether supervisord takes commands."""
        try:
            self._call("getState")
        except StackError:
            return False
        return True

    def states(self) -> dict[str, ProgramState]:
        """Return the state of each program by name."""
        answer = self._call("getAllProcessInfo")
        assert isinstance(answer, list)
        return {
            item["name"]: ProgramState(
                name=item["name"],
                state=item["statename"],
                pid=item["pid"],
                exit_code=item["exitstatus"],
                started=float(item["start"]),
            )
            for item in answer
        }

    def start(self, name: str) -> None:
        """Start a program and return at once."""
        self._call("startProcess", name, False)

    def stop(self, name: str) -> None:
        """Ask a program to stop and return at once."""
        self._call("stopProcess", name, False)

    def add(self, names: Sequence[str]) -> None:
        """Read the configuration anew and take programs from it, without starting them."""
        self._call("reloadConfig")
        for name in names:
            self._call("addProcessGroup", name)

    def remove(self, names: Sequence[str]) -> None:
        """Stop programs, those that are there, and forget them.

        Raises:
            StackError: supervisord refuses, or one does not stop.
        """
        waiting = {name for name in names if name in self.states()}
        deadline = time.monotonic() + STOP_SECONDS + 5
        while waiting and time.monotonic() < deadline:
            for name in sorted(waiting):
                state = self.states()[name].state
                if state in _AT_REST:
                    self._call("removeProcessGroup", name)
                    waiting.remove(name)
                elif state != "STOPPING":
                    # Refused where it has come to rest by itself since.
                    with suppress(StackError):
                        self.stop(name)
            time.sleep(0.05)
        if waiting:
            raise StackError(f"still running: {', '.join(sorted(waiting))}")

    def shutdown(self) -> None:
        """Ask supervisord to stop every program and then itself; return at once."""
        self._call("shutdown")

    def _call(self, method: str, *arguments: str | bool) -> object:
        try:
            return getattr(self._proxy.supervisor, method)(*arguments)
        except xmlrpc.client.Fault as fault:
            raise StackError(f"supervisord refused {method}: {fault.faultString}") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise StackError(f"supervisord does not answer: {error}") from None


class _UnixTransport(xmlrpc.client.Transport):
    """XML-RPC over a Unix socket."""

    def __init__(self, socket_path: Path) -> None:
        super().__init__()
        self._path = socket_path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, socket_path: Path) -> None:
        super().__init__("localhost", timeout=5)
        self._path = socket_path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def _socket(layout: Layout) -> str:
    return layout.socket.name if layout.socket.parent == layout.home else _escape(str(layout.socket))


def _escape(text: str) -> str:
    """Escape a value for supervisord, which reads `%(name)s` as a variable."""
    return text.replace("%", "%%")
