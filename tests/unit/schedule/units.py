"""Unit files of systemd: parsed, and the keys that its manual knows."""

import datetime as dt
import re

from tests.unit.schedule.crontab_lines import DAY

Unit = dict[str, dict[str, list[str]]]
"""Values by section and key; a key may be there more than once."""

HARDENING = {
    "UMask": "0027",
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX AF_NETLINK",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "RemoveIPC": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
}
"""What each service must be denied; two things are left out for reasons that coinlake-process.service says."""

KNOWN = {
    "Unit": frozenset({"Description", "Wants", "After", "StartLimitIntervalSec"}),
    "Service": frozenset(
        {
            *HARDENING,
            "Type",
            "User",
            "Group",
            "WorkingDirectory",
            "StateDirectory",
            "CacheDirectory",
            "Environment",
            "EnvironmentFile",
            "ExecStartPre",
            "ExecStart",
            "TimeoutStartSec",
            "TimeoutStopSec",
            "KillMode",
            "SuccessExitStatus",
            "Restart",
            "RestartSec",
            "RestartPreventExitStatus",
        }
    ),
    "Timer": frozenset({"OnCalendar", "Persistent", "RandomizedDelaySec", "AccuracySec"}),
    "Install": frozenset({"WantedBy"}),
}
"""Keys out of systemd.unit(5), systemd.service(5), systemd.exec(5), systemd.kill(5) and systemd.timer(5)."""

_SPANS = {"": 1, "s": 1, "min": 60, "h": 3600}


def parse(text: str) -> Unit:
    """Read a unit file; a line that is neither section nor assignment raises ValueError."""
    unit: Unit = {}
    section = ""
    for line in text.splitlines():
        if not line.strip() or line.startswith(("#", ";")):
            continue
        if match := re.fullmatch(r"\[(\w+)\]", line):
            section = match[1]
            unit.setdefault(section, {})
        elif (match := re.fullmatch(r"(\w+)=(.*)", line)) and section:
            unit[section].setdefault(match[1], []).append(match[2])
        else:
            raise ValueError(f"expected a section or an assignment, found {line!r}")
    return unit


def unknown_keys(unit: Unit) -> list[str]:
    """List what the manual does not know."""
    return [f"{section}: {key}" for section in unit for key in unit[section] if key not in KNOWN.get(section, ())]


def seconds(span: str) -> int:
    """Read a time span of one unit: 30, 30s, 10min, 1h."""
    match = re.fullmatch(r"(\d+) ?(s|min|h)?", span)
    if match is None:
        raise ValueError(f"expected a time span such as 30s, found {span!r}")
    return int(match[1]) * _SPANS[match[2] or ""]


def due_in_a_day(calendar: str) -> list[dt.datetime]:
    """List when `OnCalendar=` is due within one day; of its grammar, what repeats every some minutes in UTC."""
    match = re.fullmatch(r"\*-\*-\* \*:(\d\d)/(\d+):00 UTC", calendar)
    if match is None:
        raise ValueError(f"expected *-*-* *:MM/MM:00 UTC, found {calendar!r}")
    minutes = range(int(match[1]), 60, int(match[2]))
    return [DAY + dt.timedelta(hours=hour, minutes=minute) for hour in range(24) for minute in minutes]
