"""What must be true of the crontab."""

from collections.abc import Iterator

from tests.unit.schedule.commands import commands_in, refused
from tests.unit.schedule.crontab_lines import Crontab, due_in_a_day, parse
from tests.unit.schedule.shell import complaints
from tests.unit.schedule.written import Files

VENV = "/opt/coinlake/venv/bin"
MINUTES_OF_A_DAY = 24 * 60


def problems(texts: Files) -> list[str]:
    """List what is wrong with the crontab."""
    tab = parse(texts["crontab"])
    return [*_environment(tab), *_commands(tab), *_generator(tab), *_shell(tab)]


def _environment(tab: Crontab) -> Iterator[str]:
    if tab.env.get("PATH", "").split(":")[0] != VENV:
        yield f"crontab: PATH does not begin with {VENV}"
    if tab.env.get("SHELL") != "/bin/bash":
        yield "crontab: pipefail needs bash"
    for job in tab.jobs:
        if 'cd "$COINLAKE_HOME" &&' not in job.command:
            yield "crontab: a command does not run where its .env is"
        if "set -o pipefail;" not in job.command or "|| echo" not in job.command:
            yield "crontab: a failure is not told"
        if "%" in job.command:
            yield "crontab: cron takes % for the end of a line"


def _commands(tab: Crontab) -> Iterator[str]:
    found = [words for job in tab.jobs for words in commands_in(job.command.split(" 2>&1")[0])]
    if sorted(found) != [["generate", "--forever"], ["process"]]:
        yield f"crontab: expected process and generate --forever, found {found}"
    for words in found:
        yield from refused(words)
    if "flock" in tab.job("coinlake process").command:
        yield "crontab: the processor needs no lock beside its lease"


def _generator(tab: Crontab) -> Iterator[str]:
    job = tab.job("coinlake generate")
    if "flock --nonblock --conflict-exit-code 0 " not in job.command:
        yield "crontab: a second generator would be started, or its refusal told as a failure"
    if len(due_in_a_day(job.times)) != MINUTES_OF_A_DAY:
        yield "crontab: the generator is not looked after every minute"


def _shell(tab: Crontab) -> Iterator[str]:
    for job in tab.jobs:
        if found := complaints(job.command + "\n"):
            yield f"crontab: {found}"
