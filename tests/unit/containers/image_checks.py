"""What the Dockerfile, its ignore file, the entry point and the page must say, worked out from the code."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping

import typer.main

from contracts.settings import IngestSettings, SettingsGroup
from infra import jars
from infra.cli import build_app
from infra.setup import chart_library, java
from infra.setup.chart_library import LIGHTWEIGHT_CHARTS
from infra.setup.minio import VERSION as MINIO_VERSION
from infra.spark.real_time.extension import COMPILER_FLAGS
from infra.stack import connect
from tests.unit.containers.compose_facts import OF_THE_IMAGE, SIMULATOR_PORT
from tests.unit.containers.files import PATHS, ContainerFiles, services
from tests.unit.containers.versions import kafka_version, locked, project, project_version

EMBEDDED_ONLY = {"up", "down", "status", "logs", "demo", "crashtest", "live", "dashboard"}
"""Commands that start servers of their own, which a container has beside it instead."""

NOT_OF_COINLAKE = {"spark-master", "spark-worker", "driver", "executor"}
PYTHON_ROOM = {"contracts", "ingest", "sentiment", "spark_jobs", "serve", "simulator", "infra"}


def image_problems(files: ContainerFiles, groups: Iterable[type[SettingsGroup]]) -> list[str]:
    """Return everything that these files say otherwise than the code."""
    known = {f"COINLAKE_{name.upper()}" for group in groups for name in group.model_fields} | {"COINLAKE_HOME"}
    checks: tuple[Callable[[ContainerFiles], Iterable[str]], ...] = (
        _tags,
        _versions,
        _stages,
        _context,
        _commands,
        _simulator,
        _page,
        _page_commands,
    )
    return [*(problem for check in checks for problem in check(files)), *_variables(files, known)]


def _tags(files: ContainerFiles) -> Iterable[str]:
    """Every image that is not ours has an exact tag, and a comment above says where it was seen."""
    stages = set(files.stages())
    lines = [line for text in (files.dockerfile, files.base, files.crypto, files.brokers) for line in text.splitlines()]
    for number, line in enumerate(lines):
        named = re.match(r"(?:FROM|\s+image:) (\S+)", line)
        if named is None or named[1] in stages or named[1].startswith("coinlake"):
            continue
        if not re.search(r":v?\d+\.\d+\.\d+[\w.-]*$", named[1]):
            yield f"{named[1]}: expected an exact tag"
        comment, above = "", number - 1
        while lines[above].lstrip().startswith("#"):
            comment, above = lines[above] + comment, above - 1
        if "seen" not in comment:
            yield f"{named[1]}: expected a comment above that says where the tag was seen"


def _versions(files: ContainerFiles) -> Iterable[str]:
    stages = files.stages()
    spark = f"FROM apache/spark:{locked('pyspark')}-scala2.13-java{java.OLDEST}-python3-ubuntu AS spark\n"
    if not stages["spark"].startswith(spark):
        yield f"Dockerfile: expected {spark.strip()}"
    if not re.match(rf"FROM maven:\d+\.\d+\.\d+-eclipse-temurin-{java.OLDEST} ", stages["jars"]):
        yield f"Dockerfile: expected a Maven on Java {java.OLDEST}"
    if f"github.com/minio/minio@{MINIO_VERSION}\n" not in stages["minio-build"]:
        yield f"Dockerfile: expected MinIO {MINIO_VERSION}"
    if 'go install -trimpath -ldflags "-s -w"' not in stages["minio-build"]:
        yield "Dockerfile: expected MinIO to be built as in infra/setup/minio.py"
    if f'image.version="{project_version()}"' not in stages["coinlake"]:
        yield f"Dockerfile: expected version {project_version()} in the labels"
    pythons = set(re.findall(r"(?:python install|--python) (\d\S+)", stages["python"]))
    supported = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", str(project()["requires-python"]))
    assert supported is not None
    exact = [re.fullmatch(r"3\.(\d+)\.\d+", python) for python in pythons]
    if len(exact) != 1 or exact[0] is None or not int(supported[1]) <= int(exact[0][1]) < int(supported[2]):
        yield f"Dockerfile: expected one exact Python within {project()['requires-python']}, found {sorted(pythons)}"


CONNECTOR = "0.14"
"""The release of QuestDB's own connector; the embedded stack has none to hold it to."""
WORKER = dict(line.split("=", 1) for line in connect.WORKER.read_text().splitlines() if "=" in line)
_CHART_ARCHIVE = f"{LIGHTWEIGHT_CHARTS.name}-{LIGHTWEIGHT_CHARTS.version}.tgz"
_CHART_DIGEST = base64.b64decode(LIGHTWEIGHT_CHARTS.integrity.removeprefix("sha512-")).hex()
_LINES = {
    "jars": (
        "COPY infra/jars/spark-pom.xml pom.xml",
        "-Djars.folder=/opt/coinlake/jars",
        f"{jars.DEPENDENCY_PLUGIN}:copy",
    ),
    "minio": (
        "COPY --from=minio-build /out/minio /usr/local/bin/minio",
        "USER 10001",
        "VOLUME /data",
        "http://127.0.0.1:9000/minio/health/ready",
        '"--address", ":9000", "--console-address", ":9001", "/data"]',
        'ENTRYPOINT ["/usr/local/bin/minio"]',
        "-o minio -g minio /data",
    ),
    "python": (
        "FROM spark AS python",
        "UV_PYTHON_INSTALL_DIR=/opt/coinlake/python",
        "UV_PYTHON_PREFERENCE=only-managed",
        "COPY requirements.lock requirements-runtime.lock ./",
        "--require-hashes --no-deps --target /build/uv --requirement uv.txt",
        "pip sync --require-hashes --python /opt/coinlake/venv requirements-runtime.lock",
        "ls -d /opt/spark/python /opt/spark/python/lib/py4j-*-src.zip",
        "COPY pyproject.toml README.md ./",
        "--build-constraint requirements.lock --require-hashes",
        "pip install --no-deps --python /opt/coinlake/venv dist/*.whl",
    ),
    "coinlake": (
        "FROM spark AS coinlake",
        "COPY --from=jars /opt/coinlake/jars /opt/coinlake/jars",
        "COPY --from=python /opt/coinlake/python /opt/coinlake/python",
        "COPY --from=python /opt/coinlake/venv /opt/coinlake/venv",
        "COPY --chmod=0755 entrypoint.sh /opt/coinlake/entrypoint.sh",
        "install -d -o spark -g spark /var/lib/coinlake",
        "ENV PATH=/opt/coinlake/venv/bin:$PATH",
        "PYSPARK_PYTHON=/opt/coinlake/venv/bin/python",
        "COINLAKE_HOME=/var/lib/coinlake",
        "COINLAKE_SPARK_HOME=/opt/spark",
        "COINLAKE_SPARK_JARS=/opt/coinlake/jars",
        "XDG_CACHE_HOME=/var/lib/coinlake/cache",
        "SPARK_WORKER_DIR=/var/lib/coinlake/work",
        "USER 185",
        "WORKDIR /var/lib/coinlake",
        'ENTRYPOINT ["/usr/bin/tini", "--", "/opt/coinlake/entrypoint.sh"]',
        'CMD ["help"]',
        "COPY --from=chart /opt/chart /opt/coinlake/chart",
        f"COINLAKE_LIVE_CHART_LIBRARY=/opt/coinlake/chart/{chart_library.MODULE}",
    ),
    "connector": (
        f"/releases/download/v{CONNECTOR}/kafka-questdb-connector-{CONNECTOR}-bin.zip connector.zip",
        f"unzip -q connector.zip -d {WORKER['plugin.path']} ",
    ),
    "connect": (
        f"FROM apache/kafka:{kafka_version()} AS connect",
        f"COPY --from=connector {WORKER['plugin.path']} {WORKER['plugin.path']}",
        "COPY infra/connect/worker.properties /opt/kafka/config/coinlake-connect.properties",
        'CMD ["/opt/kafka/bin/connect-distributed.sh", "/opt/kafka/config/coinlake-connect.properties"]',
    ),
    "chart": (
        f"npm pack {LIGHTWEIGHT_CHARTS.name}@{LIGHTWEIGHT_CHARTS.version} ",
        f'echo "{_CHART_DIGEST}  {_CHART_ARCHIVE}" > sums',
        "sha512sum -c sums",
        f"tar -xzf {_CHART_ARCHIVE} package/{chart_library.MODULE} package/LICENSE",
        "mv package /opt/chart",
    ),
    "real-time": (
        "FROM python AS real-time",
        "COPY infra/spark/real_time/requirements.lock real-time.lock",
        "pip install --require-hashes --python /opt/coinlake/venv --target /opt/coinlake/real-time",
        "-r real-time.lock",
    ),
    "live-extension": (
        "FROM jars AS live-extension",
        "COPY --from=real-time /opt/coinlake/real-time/pyspark/jars /opt/coinlake/spark-jars",
        "COPY infra/spark/real_time/java java",
        f"javac {' '.join(COMPILER_FLAGS)} -cp ",
        '-cp "/opt/coinlake/spark-jars/*:/opt/coinlake/jars/*" -d /opt/coinlake/live-extension',
        "java/coinlake/live/*.java",
    ),
    "coinlake-live": (
        "FROM coinlake AS coinlake-live",
        "COPY --from=real-time /opt/coinlake/real-time /opt/coinlake/real-time",
        "COPY --from=live-extension /opt/coinlake/live-extension /opt/coinlake/live-extension",
        "COINLAKE_SPARK_LIVE_HOME=/opt/coinlake/real-time/pyspark",
        "COINLAKE_SPARK_LIVE_EXTENSION=/opt/coinlake/live-extension",
    ),
}
"""What must stand in each stage: paths that other stages, compose and Kubernetes rely on, checked hashes, users."""


def _stages(files: ContainerFiles) -> Iterable[str]:
    stages = files.stages()
    expected = [
        "jars",
        "minio-build",
        "minio",
        "connector",
        "connect",
        "chart",
        "spark",
        "python",
        "real-time",
        "live-extension",
        "coinlake",
        "coinlake-live",
    ]
    if list(stages) != expected:
        yield f"Dockerfile: expected the stages {', '.join(expected)}, found {', '.join(stages)}"
    for name, lines in _LINES.items():
        yield from (f"Dockerfile: stage {name}: expected {line}" for line in lines if line not in stages.get(name, ""))
    for name in ("minio", "connect", "coinlake"):  # coinlake-live has that of coinlake
        users = re.findall(r"^USER (\S+)$", stages.get(name, ""), re.MULTILINE)
        if not users or users[-1] == "0":
            yield f"Dockerfile: stage {name}: expected a user that is not root at its end"
    if re.search(r"SECRET|PASSWORD|API_KEY|TOKEN", files.dockerfile):
        yield "Dockerfile: expected no secret"


def _context(files: ContainerFiles) -> Iterable[str]:
    """The rooms are copied, all of them, and the ignore file lets in what is copied and nothing else."""
    copied = set(re.findall(r"^COPY (\w+) \1$", files.dockerfile, re.MULTILINE))
    if copied != PYTHON_ROOM:
        yield f"Dockerfile: expected the rooms {sorted(PYTHON_ROOM)}, found {sorted(copied)}"
    lines = re.findall(r"^COPY (?!--from)(?:--\S+ )?(.+) \S+$", files.dockerfile, re.MULTILINE)
    needed = {source.split("/")[0] for line in lines for source in line.split()}
    rules = [line for line in files.dockerignore.splitlines() if line and not line.startswith("#")]
    let_in = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    if rules[0] != "*" or let_in != needed:
        yield f".dockerignore: expected * and then {sorted(needed)}, found {sorted(let_in)}"
    for pattern in ("**/__pycache__", "**/.env"):
        if pattern not in rules:
            yield f".dockerignore: expected {pattern}"


def _commands(files: ContainerFiles) -> Iterable[str]:
    words = files.entrypoint_commands()
    command_line = typer.main.get_command(build_app())
    have = set(getattr(command_line, "commands", {}))
    forwarded = set(words) - NOT_OF_COINLAKE
    if forwarded != have - EMBEDDED_ONLY:
        yield f"entrypoint.sh: expected the commands {sorted(have - EMBEDDED_ONLY)}, found {sorted(forwarded)}"
    if not set(words) >= NOT_OF_COINLAKE:
        yield f"entrypoint.sh: expected {sorted(NOT_OF_COINLAKE)}"
    helped = re.findall(r"^  ([a-z-]+)  +\S", files.entrypoint, re.MULTILINE)
    if sorted(helped) != sorted([*words, "help"]):
        yield f"entrypoint.sh: expected a line of help for each of {words}, found {helped}"
    for kind in ("master.Master", "worker.Worker"):
        if f'/bin/spark-class" org.apache.spark.deploy.{kind} "$@"' not in files.entrypoint:
            yield f"entrypoint.sh: expected Spark's {kind}"
    for line in ('exec coinlake "$@"', 'exec /opt/entrypoint.sh "$@"', "exit 2", "${1:-help}"):
        if line not in files.entrypoint:
            yield f"entrypoint.sh: expected {line}"
    for name, service in services(*files.documents()).items():
        command = service.get("command", [])
        ours = str(service.get("image", "")).startswith("coinlake")
        if ours and command and command[0] not in [*words, "help"]:
            yield f"{name}: expected a command of entrypoint.sh, found {command[0]}"


def _simulator(files: ContainerFiles) -> Iterable[str]:
    base = f"http://simulator:{SIMULATOR_PORT}"
    pushed = base.replace("http", "ws", 1)
    venues = {"stream_url": f"{pushed}/{{}}", "url": f"{base}/{{}}"}
    # Every address of a venue, so that none is asked for real: binance_futures_stream_url is that of binance_futures.
    addresses = {
        field: next(url.format(field.removesuffix(f"_{kind}")) for kind, url in venues.items() if field.endswith(kind))
        for field in IngestSettings.model_fields
        if field.endswith("_url")
    }
    expected = {f"COINLAKE_{field.upper()}": url for field, url in addresses.items()}
    expected["COINLAKE_COINMARKETCAP_API_KEY"] = "simulated"
    expected["COINLAKE_X_BEARER_TOKEN"] = "simulated"
    found = dict(re.findall(r"^(\w+)=(.*)$", files.simulator_env, re.MULTILINE))
    if found != expected:
        yield f"simulator.env: expected {expected}, found {found}"


def _variables(files: ContainerFiles, known: set[str]) -> Iterable[str]:
    """Every COINLAKE_ variable that is named anywhere is one of the settings."""
    texts = (
        files.base,
        files.crypto,
        files.brokers,
        files.dockerfile,
        files.entrypoint,
        files.simulator_env,
        files.page,
    )
    for variable in sorted({found for text in texts for found in re.findall(r"\bCOINLAKE_[A-Z0-9_]*[A-Z0-9]", text)}):
        if variable not in known:
            yield f"{variable}: expected a setting of this name"
    for field in OF_THE_IMAGE:
        if f"COINLAKE_{field.upper()}" in files.base + files.crypto:
            yield f"COINLAKE_{field.upper()}: expected the image's own value, found one in a compose file"


def _page(files: ContainerFiles) -> Iterable[str]:
    """The page's table of services says what compose says: addresses on this machine, and memory."""
    rows = re.findall(r"^\| `([a-z-]+)` \| .* \|(.*)\| (\d+[mg]) \|$", files.page, re.MULTILINE)
    found = {name: (re.findall(r"\d+", ports), memory) for name, ports, memory in rows}
    expected = {
        name: ([_published(port) for port in service.get("ports", [])], service["mem_limit"])
        for name, service in services(*files.documents()).items()
    }
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            yield f"containers.md: {name}: expected {expected.get(name)}, found {found.get(name)}"


def _page_commands(files: ContainerFiles) -> Iterable[str]:
    """The page's commands work on both compose files, which .env names, and its `down` leaves nothing running."""
    _, _, block = files.page.partition("\ncat >> .env << EOF\n")
    drawn = set(re.findall(r"^(\w+)=", block.partition("\nEOF\n")[0], re.MULTILINE))
    if f"\nCOMPOSE_FILE={PATHS['base']}:{PATHS['crypto']}\n" not in files.page:
        yield "containers.md: expected COMPOSE_FILE to name both compose files"
    if drawn != {"COMPOSE_FILE", *required(files)["base"]}:
        yield f"containers.md: expected the secrets of {PATHS['base']} to be drawn, found {sorted(drawn)}"
    profiles = {name for service in services(*files.documents()).values() for name in service.get("profiles", [])}
    commands = re.findall(r"^docker compose (.*?)(?:  +#.*)?$", files.page, re.MULTILINE)
    for command in commands:
        if " -f " in f" {command}":
            yield f"containers.md: expected COMPOSE_FILE to do for: {command}"
        if command.split()[-1] == "down" and set(re.findall(r"--profile (\S+)", command)) != profiles:
            yield f"containers.md: expected down with the profiles {sorted(profiles)}, found: {command}"
    if not any(command.endswith(" down") for command in commands):
        yield "containers.md: expected a command that stops everything"


def _published(port: str) -> str:
    matched = re.fullmatch(r"127\.0\.0\.1:(?:\$\{\w+:-)?(\d+)\}?:\d+", port)
    return matched[1] if matched else port


def required(files: ContainerFiles) -> Mapping[str, set[str]]:
    """Return the variables without which compose does not start, by file."""
    texts = {"base": files.base, "crypto": files.crypto}
    return {name: set(re.findall(r"\$\{(\w+):\?", text)) for name, text in texts.items()}
