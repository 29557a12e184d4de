"""What takes liquidations from Kafka to QuestDB says the same in all its files."""

import re
import shutil
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from contracts.decimals import MONEY_SCALE, PRICE_SCALE
from contracts.errors import SettingsError
from contracts.records import Liquidation, fields_of
from contracts.settings import QuestDbSettings
from contracts.streams import ALT_LIQUIDATIONS, ALT_LIQUIDATIONS_DEAD_LETTERS
from infra.connect import plugin
from infra.connect.connectors import Connector
from infra.connect.settings import ConnectSettings
from infra.questdb.settings import QuestDbAdminSettings
from infra.questdb.tables import read_statements
from infra.settings import LiquidationSettings
from infra.stack import Liquidations, StackInfo, connect, kafka, minio, processes, questdb, spark
from infra.stack.info import read_info, write_info
from infra.stack.layout import Layout
from infra.stack.ready import PROBES
from infra.stack.status import PORTS as PORTS_OF_PARTS
from tests.unit.containers.versions import kafka_version, version_in

OFFICIAL = {
    *("client.conf.string", "table", "include.key", "key.prefix", "value.prefix", "skip.unsupported.types"),
    *("symbols", "doubles", "timestamp.field.name", "timestamp.units", "timestamp.kafka.native"),
    *("timestamp.string.fields", "timestamp.string.format", "allowed.lag", "retry.backoff.ms", "max.retries"),
    "dlq.send.batch.on.error",
}
"""The options of QuestDB's own connector, from its documentation and source."""
OF_CONNECT = ("connector.class", "tasks.max", "topics", "key.converter", "value.converter", "transforms", "errors.")
PORTS = {
    **{"kafka_port": 1, "questdb_server_http_port": 2, "questdb_server_pg_port": 3, "connect_port": 4},
    "minio_port": 5,
}
CONNECTOR = Connector.read()


def columns() -> dict[str, str]:
    """Return the columns of the table with their types, in its order."""
    (statement,) = read_statements()
    body = statement.partition("(")[2].partition(") TIMESTAMP(")[0]
    return dict(re.findall(r"^    (\w+) (\w+(?:\([\d, ]+\))?)", body, re.MULTILINE))


# --- the connector's file --------------------------------------------------------------------------------------------


def test_the_connector_has_options_of_connect_and_of_questdbs_own_connector_alone() -> None:
    own = {name for name in CONNECTOR.config if not name.startswith(OF_CONNECT)}
    assert own <= OFFICIAL
    defined = set(
        re.findall(r'"([a-z.]+)"', (plugin.SOURCES / "src/main/java/coinlake/connect/SinkOptions.java").read_text())
    )
    assert own <= defined
    assert {name for name in defined if "." in name} <= OFFICIAL


def test_embedded_nothing_of_the_connector_differs_but_its_class() -> None:
    embedded = CONNECTOR.of_class(plugin.SINK)
    differing = {name for name, value in CONNECTOR.config.items() if embedded.config[name] != value}
    assert (embedded.name, set(embedded.config), differing) == (
        CONNECTOR.name,
        set(CONNECTOR.config),
        {"connector.class"},
    )
    assert CONNECTOR.config["connector.class"] == ConnectSettings.model_construct().connect_sink


def test_the_connector_reads_the_topic_and_writes_dead_letters_where_they_are_declared() -> None:
    assert CONNECTOR.config["topics"] == ALT_LIQUIDATIONS.topic
    assert CONNECTOR.config["errors.deadletterqueue.topic.name"] == ALT_LIQUIDATIONS_DEAD_LETTERS


def test_the_connector_names_the_columns_of_the_table_by_their_types() -> None:
    of_type = {kind: [name for name, found in columns().items() if found == kind] for kind in ("SYMBOL", "TIMESTAMP")}
    assert CONNECTOR.config["symbols"].split(",") == of_type["SYMBOL"]
    event_time, *received, stamped = of_type["TIMESTAMP"]
    assert CONNECTOR.config["timestamp.field.name"] == event_time
    assert CONNECTOR.config["timestamp.string.fields"].split(",") == received
    assert CONNECTOR.config["transforms.kafka_time.timestamp.field"] == stamped
    assert CONNECTOR.config["transforms.as_time.field"] == stamped
    assert CONNECTOR.config["table"] in read_statements()[0]


# --- the table -------------------------------------------------------------------------------------------------------


def test_the_table_has_each_field_of_the_record_and_the_brokers_time() -> None:
    assert sorted(columns()) == sorted([*(field.name for field in fields_of(Liquidation)), "kafka_time"])


def test_the_table_has_decimals_where_the_record_has_and_of_the_same_scale() -> None:
    price, money = f"DECIMAL(38, {PRICE_SCALE})", f"DECIMAL(38, {MONEY_SCALE})"
    amounts = ("quantity", "filled_quantity", "bankruptcy_price", "average_price")
    assert {name: kind for name, kind in columns().items() if "DECIMAL" in kind} == {
        **dict.fromkeys(amounts, price),
        "notional": money,
    }


def test_the_table_keeps_one_row_of_an_identity() -> None:
    assert read_statements()[0].endswith(f"DEDUP UPSERT KEYS({', '.join(ALT_LIQUIDATIONS.identity)})")


def test_statements_are_read_without_comments_and_semicolons(tmp_path: Path) -> None:
    file = tmp_path / "tables.sql"
    file.write_text("-- one; two;\nCREATE TABLE a (\n    b INT\n);\n\nALTER TABLE a ADD COLUMN c INT;\n")
    assert read_statements(file) == ["CREATE TABLE a (\n    b INT\n)", "ALTER TABLE a ADD COLUMN c INT"]


# --- the parts -------------------------------------------------------------------------------------------------------


def test_connect_is_given_every_variable_that_its_files_name(tmp_path: Path) -> None:
    texts = [connect.WORKER.read_text(), *CONNECTOR.config.values()]
    named = {name for text in texts for name in re.findall(r"\$\{env:(\w+)\}", text)}
    assert named == set(connect.environment(Layout(tmp_path), PORTS))
    allowed = re.search(r"allowlist.pattern=(.*)", texts[0])
    assert allowed is not None
    assert all(re.fullmatch(allowed[1], name) for name in named)


def test_each_part_of_a_stack_is_known_by_its_command_and_is_asked_whether_it_is_ready(tmp_path: Path) -> None:
    layout, java, jars = Layout(tmp_path), Path("/usr/bin/java"), tmp_path / "jars"
    jars.mkdir()
    commands = {
        "kafka": kafka.command(layout, java, jars),
        "minio": minio.command(layout, Path("/opt/minio"), {"minio_port": 1, "minio_console_port": 2}),
        questdb.PART: questdb.command(layout, java, jars),
        connect.PART: connect.command(layout, java, jars),
    }
    assert {part: processes.part_of(layout, command) for part, command in commands.items()} == {
        part: part for part in commands
    }
    elsewhere = Layout(tmp_path / "elsewhere")
    assert {processes.part_of(elsewhere, command) for command in commands.values()} == {None}
    assert processes.part_of(layout, ["vi", str(layout.connect_conf)]) is None
    assert set(PROBES) == set(PORTS_OF_PARTS) == {*commands, spark.MASTER}


def test_the_worker_is_that_of_compose_but_for_its_plugins(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    connect.write_properties(layout, tmp_path / "plugins")
    pairs = zip(connect.WORKER.read_text().splitlines(), layout.connect_conf.read_text().splitlines(), strict=True)
    assert [embedded for compose, embedded in pairs if embedded != compose] == [
        f"plugin.path={tmp_path}/plugins",
        "plugin.discovery=service_load",
    ]


def test_passwords_are_drawn_once_kept_private_and_in_no_command(tmp_path: Path) -> None:
    layout, jars = Layout(tmp_path), tmp_path / "jars"
    jars.mkdir()
    secrets = questdb.passwords(layout)
    assert questdb.passwords(layout) == secrets
    assert len(set(secrets)) == 2
    assert questdb.passwords(Layout(tmp_path / "jars")) != secrets
    assert stat.S_IMODE(layout.questdb_env.stat().st_mode) == 0o600
    java = Path("/usr/bin/java")
    commands = [questdb.command(layout, java, jars), connect.command(layout, java, jars)]
    assert not [word for command in commands for word in command if any(secret in word for secret in secrets)]


def test_readers_learn_where_questdb_is_and_never_the_writers_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COINLAKE_HOME", str(tmp_path))
    admin, reader = questdb.passwords(Layout(tmp_path))
    info = StackInfo(tmp_path, PORTS, "s3a://a", "s3a://b", SecretStr("k"), SecretStr("s"), SecretStr(reader))
    write_info(info)
    settings = QuestDbSettings.load()
    assert (settings.questdb_http_port, settings.questdb_pg_port) == (2, 3)
    assert (settings.questdb_user, settings.questdb_password.get_secret_value()) == (questdb.READER, reader)
    assert ConnectSettings.load() == ConnectSettings(connect_url="http://127.0.0.1:4", connect_sink=plugin.SINK)
    assert admin not in (tmp_path / "stack.env").read_text()
    again = read_info(Layout(tmp_path))
    assert again is not None
    assert again.questdb_password == info.questdb_password


def test_a_password_that_the_sinks_client_would_cut_short_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("COINLAKE_QUESTDB_ADMIN_PASSWORD", "hunter;2")
    with pytest.raises(SettingsError, match=r"COINLAKE_QUESTDB_ADMIN_PASSWORD.*without a semicolon") as caught:
        QuestDbAdminSettings.load()
    assert "hunter" not in str(caught.value)


def test_a_stack_without_questdb_says_nothing_of_it(tmp_path: Path) -> None:
    info = StackInfo(tmp_path, {"kafka_port": 1, "minio_port": 2}, "s3a://a", "s3a://b", SecretStr("k"), SecretStr("s"))
    assert not [name for name in info.env() if "QUESTDB" in name or "CONNECT" in name]
    assert info.connect_url is None


def test_on_free_ports_no_port_of_the_environment_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in LiquidationSettings.model_fields:
        monkeypatch.setenv(f"COINLAKE_{name.upper()}", "7")
    assert set(Liquidations.on_free_ports().wanted_ports().values()) == {0}


# --- the sink --------------------------------------------------------------------------------------------------------


def test_the_sink_is_built_for_the_connect_that_runs_it() -> None:
    assert version_in("infra/connect/sink/pom.xml", "connect-api") == kafka_version()


def test_the_sink_names_its_class_where_connect_looks_for_it() -> None:
    service = plugin.SOURCES / "src/main/resources/META-INF/services/org.apache.kafka.connect.sink.SinkConnector"
    assert service.read_text() == f"{plugin.SINK}\n"
    assert (plugin.SOURCES / "src/main/java" / f"{plugin.SINK.replace('.', '/')}.java").is_file()


def test_a_changed_source_is_another_sink(tmp_path: Path) -> None:
    sources = tmp_path / "sink"
    shutil.copytree(plugin.SOURCES, sources)
    assert plugin.entry_name(sources) == plugin.entry_name(plugin.SOURCES)
    changed = next(sources.rglob("RowWriter.java"))
    changed.write_text(changed.read_text() + "\n")
    assert plugin.entry_name(sources) != plugin.entry_name(plugin.SOURCES)
