"""The embedded QuestDB: on loopback, with passwords drawn at random, its readers' user unable to change anything."""

import secrets
from collections.abc import Mapping
from pathlib import Path

from infra.stack import class_archive
from infra.stack.layout import Layout, read_env, write_private
from infra.stack.ports import LOOPBACK

PART = "questdb"
ADMIN = "admin"
READER = "reader"
FLAGS = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
MAIN = "io.questdb.ServerMain"
CONF = Path(__file__).parent.parent / "questdb" / "server.conf"


def passwords(layout: Layout) -> tuple[str, str]:
    """Return the passwords of the user who writes and of the one who reads, drawn at random the first time."""
    if not layout.questdb_env.exists():
        admin, reader = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        write_private(layout.questdb_env, f"ADMIN_PASSWORD={admin}\nREADER_PASSWORD={reader}\n")
    known = read_env(layout.questdb_env)
    return known["ADMIN_PASSWORD"], known["READER_PASSWORD"]


def write_conf(layout: Layout) -> None:
    """Write its server.conf, as in compose; addresses and passwords come from `environment`."""
    conf = layout.questdb_data / "conf" / "server.conf"
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text(CONF.read_text())


def environment(layout: Layout, ports: Mapping[str, int]) -> dict[str, str]:
    """Return its environment: where it listens, and its users with their passwords in clear text."""
    admin, reader = passwords(layout)
    return {
        "QDB_HTTP_BIND_TO": f"{LOOPBACK}:{ports['questdb_server_http_port']}",
        "QDB_PG_NET_BIND_TO": f"{LOOPBACK}:{ports['questdb_server_pg_port']}",
        "QDB_HTTP_USER": ADMIN,
        "QDB_HTTP_PASSWORD": admin,
        "QDB_PG_USER": ADMIN,
        "QDB_PG_PASSWORD": admin,
        "QDB_PG_READONLY_USER": READER,
        "QDB_PG_READONLY_PASSWORD": reader,
    }


def command(layout: Layout, java: Path, jars: Path) -> list[str]:
    """Return the command line of QuestDB; it bears no secret."""
    archive = class_archive.archive_file(PART, java, jars, FLAGS)
    options = class_archive.use_or_make_option(archive, layout.new_class_archive(PART))
    return [str(java), *FLAGS, *options, "-cp", f"{jars}/*", MAIN, "-d", str(layout.questdb_data)]
