"""Parts of the embedded stack that need no server."""

import os
import signal
import socket
import stat
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest
from supervisor.options import ServerOptions

from contracts.errors import StackError
from contracts.streams import STREAMS
from infra.kafka.topics import read_topics
from infra.object_store import job_policy
from infra.stack import class_archive
from infra.stack.crash import send_to_those_alive
from infra.stack.layout import LONGEST_SOCKET_PATH, Layout, read_env, write_private
from infra.stack.ports import choose_ports
from infra.stack.supervisor import Program, last_line, write_conf


def test_free_ports_are_distinct_and_free() -> None:
    chosen = choose_ports({"kafka_port": 0, "kafka_controller_port": 0, "minio_port": 0})
    assert len(set(chosen.values())) == 3
    for port in chosen.values():
        socket.create_server(("127.0.0.1", port)).close()


def test_a_wanted_port_is_kept_and_a_free_one_is_another() -> None:
    wanted = choose_ports({"minio_port": 0})["minio_port"]
    chosen = choose_ports({"kafka_port": 0, "minio_port": wanted})
    assert chosen["minio_port"] == wanted
    assert chosen["kafka_port"] != wanted


def test_a_port_in_use_on_all_addresses_is_noticed() -> None:
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StackError) as caught:
            choose_ports({"minio_console_port": port})
    owner = f"{psutil.Process().name()}, pid {os.getpid()}"
    assert str(caught.value) == (
        f"port {port} is in use (by {owner}): stop it, or choose another with COINLAKE_MINIO_CONSOLE_PORT "
        "(0 takes any free port)"
    )


def test_the_same_port_wanted_twice_is_refused() -> None:
    port = choose_ports({"minio_port": 0})["minio_port"]
    with pytest.raises(StackError) as caught:
        choose_ports({"kafka_port": port, "minio_port": port})
    assert str(caught.value) == f"COINLAKE_KAFKA_PORT and COINLAKE_MINIO_PORT are both {port}: choose another for one"


def test_private_file_is_the_owners_alone_even_over_an_open_one(tmp_path: Path) -> None:
    file = tmp_path / "stack.env"
    file.write_text("OLD=1\n")
    file.chmod(0o644)
    write_private(file, "A=1\nB=x=y\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_env(file) == {"A": "1", "B": "x=y"}
    assert [path.name for path in tmp_path.iterdir()] == ["stack.env"]


def test_a_home_too_deep_for_a_socket_gets_a_short_one(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    assert len(os.fsencode(Layout(deep).socket)) <= LONGEST_SOCKET_PATH
    assert Layout(deep).socket != Layout(tmp_path / ("e" * 120)).socket
    assert Layout(Path("/srv/lake")).socket == Path("/srv/lake/supervisor.sock")


def test_a_socket_folder_in_the_temporary_one_is_ours_alone_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    layout = Layout(tmp_path / ("d" * 120))
    folder = layout.socket.parent
    assert folder.parent == tmp_path
    layout.make()
    layout.make()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    folder.chmod(0o770)
    with pytest.raises(StackError, match=f"expected {folder} to be a folder that only we can write to, found drwxrwx"):
        layout.make()
    folder.rmdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StackError, match="found lrwxrwxrwx"):
        layout.make()


def test_supervisor_configuration_keeps_spaces_quotes_and_percent_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout(tmp_path / "100% mine, 'really'")
    layout.make()
    command = ["/bin/echo", "two words", "50%", "it's", str(layout.home)]
    write_conf(layout, [Program("minio", command, {"A_FILE": str(layout.root_env)})])
    monkeypatch.chdir(layout.home)
    options = ServerOptions()
    options.realize(args=["-c", str(layout.supervisor_conf)])
    program = options.process_group_configs[0].process_configs[0]
    process = program.make_process()
    process.config.options = options
    assert process.get_execv_args()[1] == command
    assert program.environment == {"A_FILE": str(layout.root_env)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("started\nstopping\n", "stopping"),
        ("ERROR no space left\n\tat kafka.Log\nbye\n", "ERROR no space left"),
        ("java.lang.IllegalStateException: no\n   at x.y(Z.java:1)\n", "java.lang.IllegalStateException: no"),
        ("\n\n", "it logged nothing"),
    ],
)
def test_last_words_of_a_log_are_its_last_error_else_its_last_line(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "log").write_text(text)
    assert last_line(tmp_path / "log") == expected


def test_a_log_that_was_never_written_says_so(tmp_path: Path) -> None:
    assert last_line(tmp_path / "log") == "it logged nothing"


def test_a_signal_passes_over_a_process_that_has_ended_and_reaches_those_after_it() -> None:
    with subprocess.Popen(["sleep", "60"]) as ended, subprocess.Popen(["sleep", "60"]) as alive:
        processes = [psutil.Process(ended.pid), psutil.Process(alive.pid)]
        ended.kill()
        ended.wait()
        send_to_those_alive(processes, signal.SIGKILL)
        assert alive.wait(timeout=10) == -signal.SIGKILL


def test_every_stream_has_a_declared_topic_stamped_by_the_broker() -> None:
    topics = read_topics()
    for stream in STREAMS:
        assert topics[stream.topic].config["message.timestamp.type"] == "LogAppendTime"


def test_jobs_policy_allows_list_get_put_and_delete_in_its_buckets_alone() -> None:
    statements = job_policy()["Statement"]
    assert isinstance(statements, list)
    assert {action for statement in statements for action in statement["Action"]} == {
        "s3:ListBucket",
        "s3:GetBucketLocation",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3:ListBucketMultipartUploads",
        "s3:ListMultipartUploadParts",
        "s3:AbortMultipartUpload",
    }
    for statement in statements:
        assert statement["Effect"] == "Allow"
        assert not any("*" in action for action in statement["Action"])
        buckets = {resource.removeprefix("arn:aws:s3:::").split("/")[0] for resource in statement["Resource"]}
        assert buckets == {"lake-house", "spark"}


def test_class_archive_is_named_after_the_jdk_and_the_jars(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    java, jars = tmp_path / "jdk" / "bin" / "java", tmp_path / "jars"
    java.parent.mkdir(parents=True)
    jars.mkdir()
    release = tmp_path / "jdk" / "release"
    release.write_text('JAVA_VERSION="17.0.1"\n')
    first = class_archive.archive_file("kafka", java, jars, ["-Xmx1g"])
    release.write_text('JAVA_VERSION="17.0.2"\n')
    second = class_archive.archive_file("kafka", java, jars, ["-Xmx1g"])
    (jars / "kafka.jar").touch()
    third = class_archive.archive_file("kafka", java, jars, ["-Xmx1g"])
    assert len({first, second, third}) == 3


def test_class_archive_is_made_once_and_then_used(tmp_path: Path) -> None:
    archive, new = tmp_path / "kept.jsa", tmp_path / "new.jsa"
    assert f"-XX:ArchiveClassesAtExit={new}" in class_archive.use_or_make_option(archive, new)
    class_archive.adopt(new, archive)
    assert not archive.exists()
    new.write_text("first")
    class_archive.adopt(new, archive)
    assert f"-XX:SharedArchiveFile={archive}" in class_archive.use_or_make_option(archive, new)
    new.write_text("second")
    class_archive.adopt(new, archive)
    assert archive.read_text() == "first"
    assert not new.exists()
