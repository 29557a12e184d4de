"""What must be true of the systemd units."""

import shlex
from collections.abc import Iterator

from tests.unit.schedule.commands import refused
from tests.unit.schedule.cron_checks import VENV
from tests.unit.schedule.units import HARDENING, Unit, parse, unknown_keys
from tests.unit.schedule.written import Files

PROCESS, TIMER, GENERATE = (
    f"systemd/coinlake-{name}" for name in ("process.service", "process.timer", "generate.service")
)
SAME = ("User", "Group", "WorkingDirectory", "StateDirectory", "CacheDirectory", "EnvironmentFile", "KillMode")


def problems(texts: Files) -> list[str]:
    """List what is wrong with the units."""
    units = {path: parse(text) for path, text in texts.items() if path.startswith("systemd/")}
    return [
        *(f"systemd: {set(units)}" for _ in range(set(units) != {PROCESS, TIMER, GENERATE})),
        *(f"{path}: {key} is not known" for path, unit in units.items() for key in unknown_keys(unit)),
        *(problem for path in (PROCESS, GENERATE) for problem in _service(path, units[path])),
        *_together(units),
        *_process(units[PROCESS]["Service"]),
        *_timer(units[TIMER]),
        *_generate(units[GENERATE]),
    ]


def commands(unit: Unit) -> list[list[str]]:
    """Return the command lines of a service, without the program."""
    lines = [*unit["Service"].get("ExecStartPre", []), *unit["Service"]["ExecStart"]]
    return [shlex.split(line)[1:] for line in lines]


def environment(unit: Unit) -> dict[str, str]:
    """Return the variables that a service is given in its unit."""
    words = [word for line in unit["Service"].get("Environment", []) for word in shlex.split(line)]
    return dict(word.split("=", 1) for word in words)


def _service(path: str, unit: Unit) -> Iterator[str]:
    service = unit["Service"]
    for key in ("ExecStartPre", "ExecStart"):
        for line in service.get(key, []):
            if shlex.split(line)[0] != f"{VENV}/coinlake":
                yield f"{path}: {key} is not of {VENV}"
    for words in commands(unit):
        yield from refused(words)
    for key, value in HARDENING.items():
        if service.get(key) != [value]:
            yield f"{path}: expected {key}={value}, found {service.get(key)}"
    home = environment(unit).get("COINLAKE_HOME")
    if service["WorkingDirectory"] != [home] or home != f"/var/lib/{service['StateDirectory'][0]}":
        yield f"{path}: working folder, state folder and COINLAKE_HOME differ"
    if environment(unit).get("XDG_CACHE_HOME") != f"/var/cache/{service['CacheDirectory'][0]}":
        yield f"{path}: the cache is not in CacheDirectory"
    if unit["Unit"].get("After") != ["network-online.target"] or unit["Unit"].get("Wants") != unit["Unit"]["After"]:
        yield f"{path}: does not wait for the network"


def _together(units: dict[str, Unit]) -> Iterator[str]:
    for key in SAME:
        if units[PROCESS]["Service"].get(key) != units[GENERATE]["Service"].get(key):
            yield f"systemd: {key} differs between the services"


def _process(service: dict[str, list[str]]) -> Iterator[str]:
    if service["Type"] != ["oneshot"]:
        yield "process: not a oneshot"
    if "Restart" in service:
        yield "process: the timer starts it again, nothing else"
    if service.get("SuccessExitStatus") != ["143"]:
        yield "process: a stop by hand counts as a failure"
    if [line.split()[1:] for line in service["ExecStart"]] != [["process"]]:
        yield "process: runs something else"


def _timer(unit: Unit) -> Iterator[str]:
    if unit["Timer"].get("Persistent") != ["yes"]:
        yield "timer: a run missed while the machine was off is not made up for"
    if unit.get("Install", {}).get("WantedBy") != ["timers.target"]:
        yield "timer: is not started with the machine"


def _generate(unit: Unit) -> Iterator[str]:
    service = unit["Service"]
    if (service.get("Type"), service.get("Restart")) != (["exec"], ["on-failure"]):
        yield "generate: is not restarted on failure"
    if service.get("RestartPreventExitStatus") != ["2"]:
        yield "generate: a wrong setting is tried for ever"
    if unit["Unit"].get("StartLimitIntervalSec") != ["0"]:
        yield "generate: gives up when its broker is away for long"
    if unit.get("Install", {}).get("WantedBy") != ["multi-user.target"]:
        yield "generate: is not started with the machine"
    if commands(unit) != [["topics", "apply"], ["generate", "--forever"]]:
        yield "generate: runs something else"
