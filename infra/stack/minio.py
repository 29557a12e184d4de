"""The embedded object store: MinIO on loopback, with root credentials that no job is ever given."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from infra.stack.layout import Layout, read_env, write_private
from infra.stack.ports import LOOPBACK


def root_credentials(layout: Layout) -> tuple[str, str]:
    """Return MinIO's own user and password, drawn at random the first time."""
    if not layout.root_env.exists():
        user, password = f"root-{secrets.token_hex(4)}", secrets.token_urlsafe(32)
        write_private(layout.root_env, f"MINIO_ROOT_USER={user}\nMINIO_ROOT_PASSWORD={password}\n")
    known = read_env(layout.root_env)
    return known["MINIO_ROOT_USER"], known["MINIO_ROOT_PASSWORD"]


def command(layout: Layout, binary: Path, ports: Mapping[str, int]) -> list[str]:
    """Return the command line of MinIO; it bears no secret."""
    return [
        str(binary),
        "server",
        "--quiet",
        "--address",
        f"{LOOPBACK}:{ports['minio_port']}",
        "--console-address",
        f"{LOOPBACK}:{ports['minio_console_port']}",
        str(layout.minio_data),
    ]


def environment(layout: Layout) -> dict[str, str]:
    """Return MinIO's environment: the name of the file with its credentials, not the credentials."""
    return {"MINIO_CONFIG_ENV_FILE": str(layout.root_env), "MINIO_UPDATE": "off"}
