"""Parts of the embedded Spark cluster that need no server."""

from pathlib import Path

from pydantic import SecretStr

from infra.settings import ClusterSettings
from infra.stack import Cluster, spark
from infra.stack.info import StackInfo
from infra.stack.layout import Layout
from infra.stack.status import PORTS

SETTINGS = ClusterSettings(
    spark_master_port=7077, spark_master_ui_port=8080, spark_worker_cores=3, spark_worker_memory="2g"
)
PORTS_OF_TWO = {
    "kafka_port": 9092,
    "spark_master_port": 7077,
    "spark_master_ui_port": 8080,
    "spark_worker_1_ui_port": 40001,
    "spark_worker_2_ui_port": 40002,
}


def commands(layout: Layout) -> dict[str, list[str]]:
    home = Path("/opt/spark")
    workers = {
        part: spark.worker_command(layout, home, part, PORTS_OF_TWO, SETTINGS)
        for part in ("spark-worker-1", "spark-worker-2")
    }
    return {"spark-master": spark.master_command(layout, home, PORTS_OF_TWO), **workers}


def test_parts_and_ports_of_a_cluster_are_named_after_each_other() -> None:
    cluster = Cluster(2, SETTINGS)
    assert cluster.parts() == ["spark-master", "spark-worker-1", "spark-worker-2"]
    assert cluster.wanted_ports() == {
        "spark_master_port": 7077,
        "spark_master_ui_port": 8080,
        "spark_worker_1_ui_port": 0,
        "spark_worker_2_ui_port": 0,
    }
    assert spark.workers_among(PORTS_OF_TWO) == ["spark-worker-1", "spark-worker-2"]
    assert set(cluster.wanted_ports()) == set(PORTS_OF_TWO) - {"kafka_port"}
    assert PORTS["spark-master"] in PORTS_OF_TWO


def test_every_part_binds_to_loopback_and_offers_what_the_settings_say(tmp_path: Path) -> None:
    for command in commands(Layout(tmp_path)).values():
        assert command[command.index("--host") + 1] == "127.0.0.1"
    worker = commands(Layout(tmp_path))["spark-worker-2"]
    assert worker[-1] == "spark://127.0.0.1:7077"
    assert (worker[worker.index("--cores") + 1], worker[worker.index("--memory") + 1]) == ("3", "2g")
    assert worker[worker.index("--webui-port") + 1] == "40002"
    assert spark.environment(Layout(tmp_path), Path("/opt/spark"))["SPARK_LOCAL_IP"] == "127.0.0.1"


def test_master_takes_no_jobs_over_rest(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    spark.write_conf(layout)
    settings = dict(line.split(maxsplit=1) for line in layout.spark_conf.read_text().splitlines())
    assert settings["spark.master.rest.enabled"] == "false"
    assert settings["spark.deploy.recoveryDirectory"] == str(tmp_path / "spark" / "recovery")


def test_processes_of_one_stack_are_told_from_those_of_another(tmp_path: Path) -> None:
    mine, other = Layout(tmp_path / "mine"), Layout(tmp_path / "other")
    for part, command in commands(mine).items():
        # As the launcher runs it, which then becomes the JVM.
        for started in (["bash", *command], ["java", "-cp", "x", *command[1:]]):
            assert spark.part_of(mine, started, None) == part
            assert spark.part_of(other, started, None) is None
    executor = ["java", "-cp", "x", spark.EXECUTOR_MAIN, "--executor-id", "0"]
    folder = mine.spark_workers / "spark-worker-1" / "app-1" / "0"
    assert spark.part_of(mine, executor, folder) == "spark-executor"
    assert spark.part_of(other, executor, folder) is None
    assert spark.part_of(mine, ["java", "other.Main"], folder) is None


def test_executors_are_found_where_the_home_is_a_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "spark" / "worker").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    # The system names a working folder by its real path.
    folder = tmp_path / "real" / "spark" / "worker" / "spark-worker-1" / "app-1" / "0"
    assert spark.part_of(Layout(tmp_path / "link"), ["java", spark.EXECUTOR_MAIN], folder) == "spark-executor"


def test_stack_env_names_the_master_only_where_there_is_a_cluster(tmp_path: Path) -> None:
    def env(ports: dict[str, int]) -> dict[str, str]:
        return StackInfo(tmp_path, ports, "s3a://lake-house", "s3a://spark", SecretStr("a"), SecretStr("b")).env()

    assert env({**PORTS_OF_TWO, "minio_port": 9000})["COINLAKE_SPARK_MASTER"] == "spark://127.0.0.1:7077"
    assert "COINLAKE_SPARK_MASTER" not in env({"kafka_port": 9092, "minio_port": 9000})
