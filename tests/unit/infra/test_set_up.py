"""The set-up runs its parts side by side, says how they get on, and names what the machine lacks."""

import threading
import time
from pathlib import Path

import pytest

from contracts.errors import StackError
from infra.jars import ensure_kafka_jars, ensure_spark_jars
from infra.setup.java import find_java
from infra.setup.minio import ensure_minio
from infra.setup.python_packages import pinned_uv
from infra.setup.side_by_side import Part, run_parts

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing on PATH and nothing in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)


def fake_jdk(home: Path, version: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").write_text("#!/bin/sh\n")
    (home / "bin" / "java").chmod(0o755)
    (home / "release").write_text(f'IMPLEMENTOR="Debian"\nJAVA_VERSION="{version}"\n')
    return home


def not_called() -> None:
    raise AssertionError("stopped without a reason")


def test_parts_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=5)
    parts = [Part("one", meeting.wait, "waiting"), Part("two", meeting.wait, "waiting")]
    assert run_parts(parts, say=lambda _line: None, stop=not_called) == {}


def test_a_failed_part_is_reported_and_the_others_are_finished() -> None:
    finished: list[str] = []

    def fail() -> None:
        raise StackError("no network")

    def finish() -> None:
        time.sleep(0.1)
        finished.append("two")

    lines: list[str] = []
    errors = run_parts([Part("one", fail, "-"), Part("two", finish, "-")], say=lines.append, stop=not_called)
    assert {name: str(error) for name, error in errors.items()} == {"one": "no network"}
    assert finished == ["two"]
    assert lines[0].endswith("one: failed")


def test_a_line_is_said_for_each_part_that_is_still_at_work() -> None:
    enough = threading.Event()
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        if len(lines) >= 4:
            enough.set()

    parts = [Part("jars", lambda: enough.wait(5), "fetching"), Part("packages", lambda: enough.wait(5), "installing")]
    run_parts(parts, say=say, stop=not_called, every=0.05)
    assert lines[:4] == ["    0 s  jars: fetching", "    0 s  packages: installing"] * 2


def test_ctrl_c_stops_the_work_of_every_part() -> None:
    stopped = threading.Event()

    def interrupt(_line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_parts([Part("jars", lambda: stopped.wait(5), "fetching")], say=interrupt, stop=stopped.set, every=0.05)
    assert stopped.is_set()


@pytest.mark.usefixtures("bare_machine")
def test_missing_tools_are_named_in_one_line_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StackError, match=r"^no Java on PATH: install a JDK 17, or set JAVA_HOME to one$"):
        ensure_kafka_jars()
    with pytest.raises(StackError, match=r"^go is not on PATH: install Go 1\.24 or newer to build MinIO once"):
        ensure_minio()
    monkeypatch.setenv("JAVA_HOME", str(fake_jdk(tmp_path / "jdk", "17.0.9")))
    with pytest.raises(StackError, match=r"^mvn is not on PATH: install Maven 3\.8 or newer$"):
        ensure_spark_jars()


def test_minio_on_path_is_taken_before_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "minio").write_text("#!/bin/sh\n")
    (tmp_path / "minio").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert ensure_minio() == tmp_path / "minio"


def test_java_home_goes_before_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_jdk(tmp_path / "jdk", "21.0.2")))
    assert find_java() == tmp_path / "jdk" / "bin" / "java"


def test_a_jdk_that_is_too_old_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = fake_jdk(tmp_path / "jdk", "11.0.22")
    monkeypatch.setenv("JAVA_HOME", str(home))
    with pytest.raises(StackError) as caught:
        find_java()
    assert str(caught.value) == (
        f"expected Java 17 or newer, found 11.0.22 at {home}/bin/java: set JAVA_HOME to a JDK 17"
    )


def test_a_java_home_without_java_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(StackError, match=rf"^no Java in JAVA_HOME={tmp_path}: install a JDK 17"):
        find_java()


def test_the_lock_pins_uv_and_the_build_tool_with_hashes_and_names_no_host() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert pinned_uv(lock).count("--hash=sha256:") > 1
    assert "\nsetuptools==" in lock
    assert "://" not in lock


def test_poms_name_no_repository() -> None:
    for pom in (ROOT / "infra" / "jars").glob("*.xml"):
        text = pom.read_text().replace("http://maven.apache.org/POM/4.0.0", "")
        assert "<repositor" not in text
        assert "<pluginRepositor" not in text
        assert "://" not in text
