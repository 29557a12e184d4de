"""The crontab's own command lines, run by bash with a coinlake and a logger that only say what they were given."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.schedule.crontab_lines import parse
from tests.unit.schedule.written import files

Line = Callable[[str, int], "subprocess.CompletedProcess[str]"]
COINLAKE = """#!/bin/sh
echo "$PWD: $*"
exit $CODE
"""
LOGGER = """#!/bin/sh
cat >> "$COINLAKE_HOME/log"
"""


@pytest.fixture
def line(tmp_path: Path) -> Line:
    """Run the line of one command as cron would, with stand-ins that end with a given code."""
    tab = parse(files()["crontab"])
    for name, text in (("coinlake", COINLAKE), ("logger", LOGGER)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    env = {**tab.env, "PATH": f"{tmp_path}:/usr/bin:/bin", "COINLAKE_HOME": str(tmp_path)}

    def run(command: str, code: int) -> "subprocess.CompletedProcess[str]":
        shell = [tab.env["SHELL"], "-c", tab.job(command).command]
        return subprocess.run(shell, env={**env, "CODE": str(code)}, capture_output=True, text=True, check=False)

    return run


@pytest.mark.parametrize("command", ["process", "generate --forever"])
def test_a_run_that_ends_well_is_logged_and_sends_no_mail(command: str, line: Line, tmp_path: Path) -> None:
    ran = line(f"coinlake {command}", 0)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert (tmp_path / "log").read_text() == f"{tmp_path}: {command}\n"


@pytest.mark.parametrize("command", ["process", "generate"])
def test_a_run_that_fails_sends_its_exit_code(command: str, line: Line) -> None:
    assert line(f"coinlake {command}", 2).stdout == f"coinlake {command}: exit code 2, see syslog\n"


def test_a_second_generator_is_not_started_and_is_no_failure(line: Line, tmp_path: Path) -> None:
    with subprocess.Popen(["flock", str(tmp_path / "generate.lock"), "cat"], stdin=subprocess.PIPE) as holder:
        wait_until_locked(tmp_path / "generate.lock")
        ran = line("coinlake generate", 0)
        assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
        assert (tmp_path / "log").read_text() == ""
        holder.communicate()


def wait_until_locked(lock: Path) -> None:
    while subprocess.run(["flock", "--nonblock", str(lock), "true"], check=False).returncode == 0:
        pass
