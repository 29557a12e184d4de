"""A secret put in the environment is found in no log, no `repr`, no table, no checkpoint and no event log."""

import base64
import os
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from contracts.settings import IngestSettings, LakeSettings
from contracts.tables import TABLES
from infra.stack.layout import Layout
from tests.integration.conftest import CMC_SECRET, SpoiledRun, lake_of, rows_of


def forms(secret: str) -> set[bytes]:
    """Return a secret as it is, quoted for an address, and in base64 at each of its three alignments."""
    cut = {0: 0, 1: 2, 2: 3}
    encoded = {base64.b64encode(b"x" * shift + secret.encode()).rstrip(b"=")[first:-2] for shift, first in cut.items()}
    return {secret.encode(), urllib.parse.quote(secret, safe="").encode(), *encoded}


@pytest.fixture(scope="module")
def secrets(spoiled_run: SpoiledRun) -> set[bytes]:
    job_secret = spoiled_run.stack.s3_secret_key.get_secret_value()
    assert len(job_secret) >= 40
    return forms(CMC_SECRET) | forms(job_secret)


def files_below(folder: Path) -> Iterator[Path]:
    yield from (Path(at) / name for at, _, names in os.walk(folder) for name in names)


def test_run_used_the_secrets(spoiled_run: SpoiledRun) -> None:
    assert spoiled_run.processed.code == 0, spoiled_run.processed.err
    assert any("poll_served" in line and "coin_market_cap" in line for line in spoiled_run.generated.err)


def test_secret_is_in_no_file_that_a_run_leaves(spoiled_run: SpoiledRun, secrets: set[bytes]) -> None:
    """Logs, output, broker, event log, and the object store's drive: tables, checkpoints, leases.

    Left out are the two places where the jobs' key has to be: `stack.env`, readable by its owner alone, from which
    every command takes it; and MinIO's store of its users, which checks signatures with it and keeps it in clear.
    """
    home = Layout(spoiled_run.stack.home)
    users = home.minio_data / ".minio.sys" / "config" / "iam"
    kept = [home.stack_env, *files_below(users)]
    searched = [path for path in files_below(spoiled_run.folder) if path not in kept and path.is_file()]
    found = {path for path in searched for secret in secrets if secret in path.read_bytes()}
    assert found == set()
    for kind in ("minio/spark/checkpoints", "minio/spark/leases", "minio/lake-house/tables", "kafka/data", "logs"):
        assert any(str(path).startswith(f"{home.home}/{kind}") for path in searched), kind
    assert any(path.parent.parent == spoiled_run.folder / "events" or "events" in path.parts for path in searched)


def test_search_would_find_a_secret(spoiled_run: SpoiledRun, secrets: set[bytes]) -> None:
    kept = Layout(spoiled_run.stack.home).stack_env.read_bytes()
    assert any(secret in kept for secret in secrets)


def test_secret_is_in_no_row_of_a_table(spoiled_run: SpoiledRun, secrets: set[bytes]) -> None:
    for table in TABLES:
        for row in rows_of(lake_of(spoiled_run.stack), table):
            said = repr(row).encode() + (row.get("payload") or b"")
            assert not any(secret in said for secret in secrets)


def test_secret_is_in_no_repr_of_settings(spoiled_run: SpoiledRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COINLAKE_COINMARKETCAP_API_KEY", CMC_SECRET)
    job_secret = spoiled_run.stack.s3_secret_key.get_secret_value()
    monkeypatch.setenv("COINLAKE_S3_SECRET_KEY", job_secret)
    ingest, lake = IngestSettings.load(), LakeSettings.load()
    assert ingest.coinmarketcap_api_key.get_secret_value() == CMC_SECRET
    assert lake.s3_secret_key.get_secret_value() == job_secret
    for shown in (repr(ingest), str(ingest), ingest.model_dump_json(), repr(lake), str(lake), lake.model_dump_json()):
        assert CMC_SECRET not in shown
        assert job_secret not in shown
