"""`coinlake lease`: the health check of a container with a driver in it."""

import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contracts.settings import LakeSettings
from contracts.tables import TABLES
from infra.cli import run
from spark_jobs.edges.lease import Holder, Lease
from spark_jobs.edges.store import ObjectStore, open_store


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    (tmp_path / "spark").mkdir()
    monkeypatch.setenv("COINLAKE_HOME", str(tmp_path))
    monkeypatch.setenv("COINLAKE_LAKE", f"file://{tmp_path}/lake-house")
    monkeypatch.setenv("COINLAKE_STATE", f"file://{tmp_path}/spark")
    settings = LakeSettings.load()
    yield open_store(settings, settings.state)


def test_a_driver_on_this_host_is_shown_and_is_healthy(store: ObjectStore, capsys: pytest.CaptureFixture[str]) -> None:
    with Lease(store, TABLES):
        assert run(["lease", "--here"]) == 0
    header, *rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert header == ["table", "host", "pid", "until"]
    assert sorted(row[0] for row in rows) == sorted(table.name for table in TABLES)
    assert {row[1] for row in rows} == {socket.gethostname()}


def test_a_lease_that_was_given_back_is_left_out(store: ObjectStore, capsys: pytest.CaptureFixture[str]) -> None:
    with Lease(store, TABLES):
        pass
    assert run(["lease"]) == 0
    assert capsys.readouterr().out == "no driver is writing\n"
    assert run(["lease", "--here"]) == 1


def test_a_driver_on_another_host_is_shown_and_is_not_ours(
    store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    with Lease(store, TABLES[:1]):
        key = f"leases/{TABLES[0].name}.json"
        stored = store.get(key)
        assert stored is not None
        elsewhere = msgspec.structs.replace(msgspec.json.decode(stored.body, type=Holder), host="elsewhere")
        assert store.put_if(key, msgspec.json.encode(elsewhere), stored.tag)
        assert run(["lease"]) == 0
        assert "elsewhere" in capsys.readouterr().out
        assert run(["lease", "--here"]) == 1
