"""entrypoint.sh without a container: the commands of the image, run against an embedded stack."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from contracts.tables import BRONZE_COIN_MARKET_CAP
from infra.object_store import BUCKETS
from infra.spark.home import ensure_spark_home
from infra.stack import StackInfo
from infra.stack.layout import Layout, read_env
from tests.integration.conftest import Ran, client_of, lake_of, own_stack, pointed_at, ran, rows_of

ENTRYPOINT = str(Path(__file__).parents[2] / "entrypoint.sh")
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
JVM_TERMINATED = 143


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    with own_stack(tmp_path_factory.mktemp("entrypoint") / "home") as info:
        yield info


def entrypoint(stack: StackInfo, *arguments: str, **variables: str) -> Ran:
    """Run the entry point to its end with nothing but variables, as a container does."""
    return ran([ENTRYPOINT, *arguments], stack.home / "logs" / "entrypoint.log", variables_of(stack, **variables))


def variables_of(stack: StackInfo, **variables: str) -> Mapping[str, str]:
    return {"PATH": PATH, "COINLAKE_HOME": str(stack.home), **stack.env(), **variables}


@contextmanager
def running(folder: Path, env: Mapping[str, str], *arguments: str, ready: str) -> Iterator[tuple[int, "re.Match[str]"]]:
    """Start the entry point, wait for a line, and at the end demand that SIGTERM to this one process ended it well."""
    log = folder / f"{arguments[0]}.log"
    with log.open("wb") as output:
        process = subprocess.Popen([ENTRYPOINT, *arguments], env={**os.environ, **env}, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 240
        while (found := re.search(ready, log.read_text(errors="replace"))) is None:
            assert process.poll() is None and time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.1)
        yield process.pid, found
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) in (0, JVM_TERMINATED), log.read_text(errors="replace")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def command_line(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def test_topics_are_applied(stack: StackInfo) -> None:
    done = entrypoint(stack, "topics", "apply").well()
    assert "unchanged wallex" in done.out


def test_buckets_are_applied_with_a_key_that_opens_them(stack: StackInfo) -> None:
    root = read_env(Layout(stack.home).root_env)
    key = {
        "COINLAKE_S3_ACCESS_KEY": "container-job",
        "COINLAKE_S3_SECRET_KEY": "a-secret-of-forty-letters-and-a-few-more",
    }
    variables = {f"COINLAKE_{name}": value for name, value in root.items()}
    done = entrypoint(stack, "buckets", "apply", **variables, **key).well()
    assert [line for line in done.out if line.startswith("bucket ")] == [f"bucket {name} is there" for name in BUCKETS]
    client = client_of(stack, access_key=key["COINLAKE_S3_ACCESS_KEY"], secret_key=key["COINLAKE_S3_SECRET_KEY"])
    for bucket in BUCKETS:
        client.put_object(Bucket=bucket, Key="entrypoint", Body=b"")
        client.delete_object(Bucket=bucket, Key="entrypoint")
    assert key["COINLAKE_S3_SECRET_KEY"] not in "\n".join([*done.out, *done.err])


def test_buckets_without_a_root_user_are_refused_in_one_line(stack: StackInfo) -> None:
    done = entrypoint(stack, "buckets", "apply")
    assert done.code == 2
    assert done.err == [
        "coinlake: expected values of COINLAKE_MINIO_ROOT_USER, COINLAKE_MINIO_ROOT_PASSWORD, found none"
    ]


def test_a_market_goes_through_simulate_generate_process_and_show(stack: StackInfo, tmp_path: Path) -> None:
    simulate = ("simulate", "--host", "127.0.0.1", "--port", "0")
    with running(tmp_path, variables_of(stack), *simulate, ready=r"(http://127\.0\.0\.1:\d+)/coinmarketcap") as (
        _,
        said,
    ):
        entrypoint(stack, "generate", "--once", **pointed_at(said[1])).well()
    entrypoint(stack, "process").well()
    shown = "\n".join(entrypoint(stack, "show", "BTC").well().out)
    assert "coin_market_cap USD" in shown
    assert "wallex TMN" in shown
    # One answer of CoinMarketCap, with as many coins as are asked for where nothing is set.
    assert len(rows_of(lake_of(stack), BRONZE_COIN_MARKET_CAP)) == 100
    assert entrypoint(stack, "lease").well().out == ["no driver is writing"]


def test_sigterm_reaches_the_generator_which_ends_cleanly(stack: StackInfo, tmp_path: Path) -> None:
    nowhere = pointed_at("http://127.0.0.1:9")
    with running(tmp_path, variables_of(stack, **nowhere), "generate", "--forever", ready="generator_started") as (
        pid,
        _,
    ):
        assert "generate --forever" in command_line(pid)
        assert "entrypoint.sh" not in command_line(pid)


def test_spark_master_and_worker_find_each_other_and_end_on_sigterm(tmp_path: Path) -> None:
    env = {"PATH": PATH, "SPARK_HOME": str(ensure_spark_home()), "SPARK_LOCAL_IP": "127.0.0.1"}
    env |= {"SPARK_DAEMON_MEMORY": "256m", "SPARK_WORKER_DIR": str(tmp_path / "work")}
    ports = ("--host", "127.0.0.1", "--port", "0", "--webui-port", "0")
    started = r"Starting Spark master at (spark://127\.0\.0\.1:\d+)"
    with running(tmp_path, env, "spark-master", *ports, ready=started) as (master, said):
        assert "org.apache.spark.deploy.master.Master" in command_line(master)
        worker = ("spark-worker", *ports, "--cores", "1", "--memory", "512m", said[1])
        with running(tmp_path, env, *worker, ready="Successfully registered with master"):
            pass


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("bogus",), 2, "entrypoint.sh: unknown command 'bogus': `entrypoint.sh help` lists the commands"),
        (("up",), 2, "entrypoint.sh: unknown command 'up': `entrypoint.sh help` lists the commands"),
    ],
)
def test_an_unknown_command_is_one_line_and_exit_code_2(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = subprocess.run([ENTRYPOINT, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"{said}\n")


def test_no_command_is_help() -> None:
    nothing, asked = (
        subprocess.run([ENTRYPOINT, *arguments], capture_output=True, text=True, check=True).stdout
        for arguments in ((), ("help",))
    )
    assert nothing == asked
    assert nothing.startswith("usage: entrypoint.sh COMMAND")


def test_a_spark_master_without_a_spark_says_what_is_missing() -> None:
    env = {name: value for name, value in os.environ.items() if name != "SPARK_HOME"}
    done = subprocess.run([ENTRYPOINT, "spark-master"], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "SPARK_HOME: expected the folder of a Spark" in done.stderr
