"""`coinlake up`, `down`, `status` and `logs`: the embedded stack."""

from typing import Annotated

import typer

from contracts.errors import NoDataError, SettingsError
from contracts.settings import home
from infra.terminal import say, table


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (up, down, status, logs):
        app.command()(command)


def up(
    brokers: Annotated[
        int, typer.Option(help="1, or 3: each topic is on all three, and one of them may be lost", metavar="1|3")
    ] = 1,
    cluster: Annotated[
        bool, typer.Option("--cluster", help="with a Spark standalone master and workers, for the jobs to run on")
    ] = False,
    workers: Annotated[int, typer.Option(min=1, help="how many workers the cluster has")] = 1,
    liquidations: Annotated[
        bool, typer.Option("--liquidations", help="with QuestDB, and Kafka Connect, which takes liquidations there")
    ] = False,
) -> None:
    """Start Kafka and the object store, with topics, buckets and a key for the jobs."""
    from infra import stack
    from infra.settings import BrokerSettings, ClusterSettings, LiquidationSettings

    if brokers not in (1, 3):
        raise SettingsError(f"--brokers: expected 1 or 3 (of two, neither may be lost), found {brokers}")
    if workers > 1 and not cluster:
        raise typer.BadParameter("--workers goes with --cluster")
    three = stack.ThreeBrokers(BrokerSettings.load()) if brokers == 3 else None
    wanted = stack.Cluster(workers, ClusterSettings.load()) if cluster else None
    more = stack.Liquidations(LiquidationSettings.load()) if liquidations else None
    info = stack.up(home(), brokers=three, cluster=wanted, liquidations=more, say=say)
    places = f"Kafka {info.kafka_bootstrap_servers}, lake {info.lake}"
    if info.spark_master:
        places += f", Spark {info.spark_master}"
    if info.connect_url:
        places += f", Kafka Connect {info.connect_url}"
    if info.already_running:
        say(f"the stack is up already: {places}")
        return
    say(f"up: {places}; settings for the jobs in {info.home}/stack.env")


def down() -> None:
    """Stop everything that `up` started; what was written stays."""
    from infra import stack

    say("down: everything is stopped" if stack.down(home()) else "nothing was running")


def status() -> None:
    """Show what runs; exits with 1 when something does not."""
    from infra import stack

    rows = stack.status(home())
    if not rows:
        say("nothing was started yet: run `coinlake up`")
        raise typer.Exit(1)
    table(
        ("name", "state", "pid", "port", "uptime", "memory"),
        [
            (
                row.name,
                row.state,
                _or_dash(row.pid),
                _or_dash(row.port),
                _duration(row.uptime_seconds),
                "-" if row.memory_bytes is None else f"{row.memory_bytes / 2**20:.0f} MiB",
            )
            for row in rows
        ],
    )
    if any(row.state != "running" for row in rows):
        raise typer.Exit(1)


def logs(
    part: Annotated[
        str,
        typer.Argument(
            help="kafka, kafka-2, minio, questdb, connect, spark-master, spark-worker-1, supervisord; all when left out"
        ),
    ] = "",
    lines: Annotated[int, typer.Option("--lines", "-n", min=1, help="how many of the last lines")] = 20,
) -> None:
    """Show the last lines of the stack's logs."""
    from infra.stack.layout import Layout

    folder = Layout(home()).log(part or "kafka").parent
    found = sorted(folder.glob(f"{part or '*'}.log"))
    if not found:
        raise NoDataError(f"expected a log at {folder / (part or 'kafka')}.log, found none: run `coinlake up` first")
    for log in found:
        say(f"==> {log}")
        for line in log.read_text(errors="replace").splitlines()[-lines:]:
            say(line)


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"
