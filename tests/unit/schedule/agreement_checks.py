"""The facts that cron, systemd, Kubernetes and the README share."""

import datetime as dt
import re
from collections.abc import Iterator

from contracts.settings import IngestSettings
from infra import jars
from infra.children import GRACE_SECONDS
from infra.spark.settings import SparkSettings
from tests.unit.schedule import crontab_lines, units
from tests.unit.schedule.commands import settings, variables
from tests.unit.schedule.cron_checks import VENV
from tests.unit.schedule.systemd_checks import GENERATE, PROCESS, TIMER, environment
from tests.unit.schedule.written import VERSION, Files, containers_of, image_env, objects, pod_of, pods

MEBIBYTES = {"m": 1, "g": 1024, "Mi": 1, "Gi": 1024}
DRIVER_PROCESS_SHARE = 1.5
"""Memory of a driver's pod by its heap: peak 0.9 to 1.0 GB of 1 GB heap was measured, beside it Python."""


def problems(texts: Files) -> list[str]:
    """List where they disagree."""
    return [
        *_times(texts),
        *_limits(texts),
        *_graces(texts),
        *_variables(texts),
        *_paths(texts),
        *_memory(texts),
        *_readme(texts),
    ]


def _same(what: str, found: dict[str, object]) -> Iterator[str]:
    if len({str(value) for value in found.values()}) != 1:
        yield f"{what}: {found}"


def _times(texts: Files) -> Iterator[str]:
    tab, timer = crontab_lines.parse(texts["crontab"]), units.parse(texts[TIMER])
    due: dict[str, list[dt.datetime]] = {
        "crontab": crontab_lines.due_in_a_day(tab.job("coinlake process").times),
        TIMER: units.due_in_a_day(timer["Timer"]["OnCalendar"][0]),
    }
    for number, document in enumerate(objects(texts, "CronJob")):
        due[f"CronJob {number}"] = crontab_lines.due_in_a_day(document["spec"]["schedule"])
    yield from _same("when the processor runs", {name: [one.time() for one in found] for name, found in due.items()})
    minutes = {(later - earlier).seconds // 60 for earlier, later in zip(due[TIMER], due[TIMER][1:], strict=False)}
    said = {int(found) for name in ("README.md", TIMER) for found in re.findall(r"every (\d+) minutes", texts[name])}
    longer = {int(found) for found in re.findall(r"longer than (\d+) minutes", texts["README.md"])}
    if not minutes == said == longer:
        yield f"how often the processor runs: {minutes} minutes by the timer, {said} and {longer} in words"
    delay = units.seconds(timer["Timer"]["RandomizedDelaySec"][0])
    if delay * 2 >= min(minutes) * 60:
        yield "the timer's random delay is as long as its interval"


def _limits(texts: Files) -> Iterator[str]:
    found = re.search(r"timeout --kill-after=\d+ (\d+) coinlake process", texts["crontab"])
    said = re.search(r"a run is ended after ((?:\| \d+ s )+)\|", texts["README.md"])
    yield from _same(
        "seconds after which a run is ended",
        {
            "crontab": found and int(found[1]),
            PROCESS: units.seconds(units.parse(texts[PROCESS])["Service"]["TimeoutStartSec"][0]),
            **{
                f"CronJob {number}": document["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"]
                for number, document in enumerate(objects(texts, "CronJob"))
            },
            **{f"README {number}": int(one) for number, one in enumerate(re.findall(r"\d+", said[1] if said else ""))},
        },
    )


def _graces(texts: Files) -> Iterator[str]:
    found = re.search(r"timeout --kill-after=(\d+) ", texts["crontab"])
    said = re.search(r"between SIGTERM and SIGKILL ((?:\| \d+ s )+)\|", texts["README.md"])
    graces: dict[str, object] = {"crontab": found and int(found[1])}
    for path in (PROCESS, GENERATE):
        graces[path] = units.seconds(units.parse(texts[path])["Service"]["TimeoutStopSec"][0])
    for path, pod in pods(texts).items():
        if path != "kubernetes/spark/executor.yaml":
            graces[path] = pod.get("terminationGracePeriodSeconds")
    graces |= {f"README {number}": int(one) for number, one in enumerate(re.findall(r"\d+", said[1] if said else ""))}
    yield from _same("seconds between SIGTERM and SIGKILL", graces)
    drain = IngestSettings.model_fields["drain_seconds"].default
    if any(not isinstance(grace, int) or grace <= max(GRACE_SECONDS, drain) for grace in graces.values()):
        yield f"killed before a job's {GRACE_SECONDS} s or a generator's {drain} s are over: {graces}"
    if f"stops Spark within {GRACE_SECONDS:.0f} s" not in texts["README.md"]:
        yield "README.md: says another time within which Spark is stopped"


def _variables(texts: Files) -> Iterator[str]:
    known = settings()
    for path, text in texts.items():
        if path not in ("Dockerfile", "entrypoint.sh"):
            yield from (f"{path}: {name} is no setting" for name in sorted(variables(text) - set(known)))
    secret = {name for name, is_secret in known.items() if is_secret}
    in_clear = set(crontab_lines.parse(texts["crontab"]).env) | set(
        environment(units.parse(texts[PROCESS])) | environment(units.parse(texts[GENERATE]))
    )
    yield from (f"{name} is a secret and stands in a file" for name in sorted(secret & in_clear))


def _paths(texts: Files) -> Iterator[str]:
    tab = crontab_lines.parse(texts["crontab"]).env
    for name in ("COINLAKE_HOME", "XDG_CACHE_HOME"):
        where: dict[str, object] = {"crontab": tab.get(name)}
        for path in (PROCESS, GENERATE):
            where[path] = environment(units.parse(texts[path])).get(name)
        said = set(re.findall(rf"{name}=(\S+)", texts["README.md"]))
        where["README.md"] = said.pop().rstrip("`),") if len(said) == 1 else said
        yield from _same(name, where)
    if tab.get("COINLAKE_HOME") != image_env(texts, "COINLAKE_HOME"):
        yield "COINLAKE_HOME is another folder in the image"
    credentials = units.parse(texts[PROCESS])["Service"]["EnvironmentFile"][0]
    folder = credentials.rpartition("/")[0]
    if f"sudo install -d -m 0700 {folder}\n" not in texts["README.md"]:
        yield f"README.md: does not make {folder}"
    for path in (f"{tab.get('COINLAKE_HOME')}/.env", credentials):
        if f"`{path}`" not in texts["README.md"]:
            yield f"README.md: does not say that keys go to {path}"
    venv = VENV.removesuffix("/bin")
    named = {*re.findall(r"/opt/coinlake/\w+", texts["README.md"]), *re.findall(r"-m venv (\S+)", texts["README.md"])}
    if named != {venv}:
        yield f"README.md: expected coinlake in {venv}, found {sorted(named)}"
    for fetch in re.findall(r"from infra\.jars import (\w+)", texts["README.md"]):
        if not hasattr(jars, fetch):
            yield f"README.md: infra.jars has no {fetch}"
    ports = {environment(units.parse(texts[GENERATE])).get("COINLAKE_HEALTH_PORT")}
    ports |= set(re.findall(r"http://127\.0\.0\.1:(\d+)/healthz", texts["README.md"]))
    (deployment,) = objects(texts, "Deployment")
    for container in containers_of(pod_of(deployment) or {}):
        ports |= {one["value"] for one in container.get("env", ()) if one["name"] == "COINLAKE_HEALTH_PORT"}
    if len(ports) != 1:
        yield f"the health port: {ports}"


def _memory(texts: Files) -> Iterator[str]:
    for document in objects(texts, "CronJob"):
        (container,) = (pod_of(document) or {})["containers"]
        given = {one["name"]: one.get("value") for one in container["env"]}
        heap = given.get("COINLAKE_SPARK_DRIVER_MEMORY", SparkSettings.model_fields["spark_driver_memory"].default)
        limit = container["resources"]["limits"]["memory"]
        if _mebibytes(limit) < DRIVER_PROCESS_SHARE * _mebibytes(heap):
            yield f"a driver with {heap} of heap does not fit into {limit}"
        if container["resources"]["requests"]["memory"] != limit:
            yield "a driver is promised less memory than it may use"


def _mebibytes(text: str) -> int:
    match = re.fullmatch(r"(\d+)(m|g|Mi|Gi)", text)
    if match is None:
        raise ValueError(f"expected an amount of memory, found {text!r}")
    return int(match[1]) * MEBIBYTES[match[2]]


def _readme(texts: Files) -> Iterator[str]:
    readme = texts["README.md"]
    if set(re.findall(r"coinlake:(\d[\w.]*)", readme)) != {VERSION}:
        yield "README.md: another version of the image"
    for path in {path.rpartition("/")[0] or path for path in texts if path not in ("Dockerfile", "entrypoint.sh")}:
        if path != "README.md" and f"({path})" not in readme:
            yield f"README.md: {path} is not linked"
    for path in re.findall(r"infra/schedule/([\w./-]+?\w)(?=[\s*/]|$)", readme):
        if not any(name == path or name.startswith(f"{path}/") for name in texts):
            yield f"README.md: infra/schedule/{path} is not there"
    names = {path.rpartition("/")[2] for path in texts if path.startswith("systemd/")}
    for name in re.findall(r"coinlake-\w+\.(?:service|timer)", readme):
        if name not in names:
            yield f"README.md: {name} is not there"
