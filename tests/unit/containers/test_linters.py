"""What the linters of the field say of the container files: nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.containers.files import ROOT

BIN = Path(sys.executable).parent
COMPOSE = ("docker-compose.yml", "docker-compose-crypto.yml", "docker-compose-brokers.yml", "docker-compose-zmq.yml")
LINTERS = {
    "compose schema": ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", *COMPOSE],
    "hadolint": ["hadolint", "Dockerfile"],
    "shellcheck": ["shellcheck", "--enable=all", "entrypoint.sh"],
}


@pytest.mark.parametrize("linter", LINTERS)
def test_a_linter_finds_nothing(linter: str) -> None:
    tool, *arguments = LINTERS[linter]
    done = subprocess.run([BIN / tool, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.replace("ok -- validation done\n", ""), done.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("linter", "file", "old", "new"),
    [
        ("compose schema", "docker-compose.yml", "mem_limit: 768m", "mem_limits: 768m"),
        ("compose schema", "docker-compose-crypto.yml", "condition: service_healthy", "condition: service_well"),
        ("hadolint", "Dockerfile", "golang:1.26.4-alpine3.23", "golang:latest"),
        ("hadolint", "Dockerfile", "USER 185", "USER 0"),
        ("shellcheck", "entrypoint.sh", 'exec coinlake "$@"', "exec coinlake $@"),
    ],
)
def test_a_linter_sees_a_mistake(linter: str, file: str, old: str, new: str, tmp_path: Path) -> None:
    text = (ROOT / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    tool, *arguments = LINTERS[linter]
    options = [argument for argument in arguments if not (ROOT / argument).is_file()]
    done = subprocess.run([BIN / tool, *options, file], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode != 0, done.stdout + done.stderr


def test_the_entry_point_may_be_executed() -> None:
    assert (ROOT / "entrypoint.sh").stat().st_mode & 0o111 == 0o111
