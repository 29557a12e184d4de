"""What must be true of the Kubernetes objects."""

import json
import re
from collections.abc import Iterator
from functools import cache

import kubernetes_validate
import yaml

from infra.spark.settings import SparkSettings
from tests.unit.schedule.commands import refused, settings
from tests.unit.schedule.restricted import further, violations
from tests.unit.schedule.written import (
    VERSION,
    Document,
    Files,
    containers_of,
    image_env,
    manifests,
    objects,
    pod_of,
    pods,
)

NEEDS = {
    "topics": set(),
    "generate": {"COINLAKE_COINMARKETCAP_API_KEY"},
    "process": {"COINLAKE_S3_ACCESS_KEY", "COINLAKE_S3_SECRET_KEY"},
    "executor": set(),
}
"""The secrets that each container works with, and no others."""
ENFORCE = "pod-security.kubernetes.io/enforce"


def problems(texts: Files) -> list[str]:
    """List what is wrong with the Kubernetes objects."""
    return [
        *malformed(texts, pinned(texts)),
        *_namespace(texts),
        *(f"{path}: {found}" for path, pod in pods(texts).items() for found in [*violations(pod), *further(pod)]),
        *_kustomizations(texts),
        *_images(texts),
        *_commands(texts),
        *_secrets(texts),
        *_cron_jobs(texts),
        *_generator(texts),
        *_places(texts),
    ]


def pinned(texts: Files) -> str:
    """Return the Kubernetes version that the namespace names."""
    (namespace,) = objects(texts, "Namespace")
    version: str = namespace["metadata"]["labels"][f"{ENFORCE}-version"]
    return version.removeprefix("v")


def malformed(texts: Files, version: str) -> Iterator[str]:
    """Say what the schemas of a Kubernetes version refuse."""
    for path, documents in manifests(texts).items():
        for document in documents:
            found = _refusal(json.dumps(document), version)
            if found:
                yield f"{path}: Kubernetes {version}: {found}"


@cache
def _refusal(document: str, version: str) -> str:
    try:
        kubernetes_validate.validate(json.loads(document), version, strict=True)
    except (kubernetes_validate.ValidationError, kubernetes_validate.SchemaNotFoundError) as error:
        return str(error.message)
    return ""


def _namespace(texts: Files) -> Iterator[str]:
    (namespace,) = objects(texts, "Namespace")
    labels, name = namespace["metadata"]["labels"], namespace["metadata"]["name"]
    for mode in ("enforce", "warn", "audit"):
        if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
            yield f"namespace: {mode} is not restricted"
    for path, documents in manifests(texts).items():
        for document in documents:
            metadata = document["metadata"]
            if document["kind"] not in ("Namespace", "Pod") and metadata.get("namespace") != name:
                yield f"{path}: {document['kind']} {metadata['name']} is not in namespace {name}"
            if (
                document["kind"] != "Namespace"
                and metadata.get("labels", {}).get("app.kubernetes.io/part-of") != "coinlake"
            ):
                yield f"{path}: {document['kind']} is not labelled as part of coinlake"


def _kustomizations(texts: Files) -> Iterator[str]:
    for folder in ("kubernetes/", "kubernetes/spark/"):
        document = yaml.safe_load(texts[f"{folder}kustomization.yaml"])
        generated = [name for source in document.get("configMapGenerator", ()) for name in source["files"]]
        there = {
            path.removeprefix(folder)
            for path in texts
            if path.startswith(folder) and "/" not in path.removeprefix(folder)
        }
        if {*document["resources"], *generated, "kustomization.yaml"} != there:
            yield f"{folder}: the kustomization does not list what is there"


def _images(texts: Files) -> Iterator[str]:
    for path, pod in pods(texts).items():
        for container in containers_of(pod):
            if container["name"] != "executor" and container.get("image") != f"coinlake:{VERSION}":
                yield f"{path}: {container['name']}: expected image coinlake:{VERSION}, found {container.get('image')}"


def _commands(texts: Files) -> Iterator[str]:
    expected = {
        "topics": ["topics", "apply"],
        "generate": ["generate", "--forever", "--log-format", "json"],
        "process": ["process"],
    }
    for path, pod in pods(texts).items():
        for container in containers_of(pod):
            words = container.get("args")
            if words is None:
                continue
            if words != expected.get(container["name"]):
                yield f"{path}: {container['name']} runs {words}"
            yield from refused(words)
            if f" {words[0]} |" not in texts["entrypoint.sh"]:
                yield f"{path}: entrypoint.sh does not know {words[0]}"


def _secrets(texts: Files) -> Iterator[str]:
    secret = {name for name, is_secret in settings().items() if is_secret}
    for document in objects(texts, "ConfigMap"):
        yield from (f"configmap: {name} is a secret" for name in secret & set(document["data"]))
    if objects(texts, "Secret"):
        yield "kubernetes: a secret is written down"
    for path, pod in pods(texts).items():
        for container in containers_of(pod):
            given = {entry["name"]: entry for entry in container.get("env", [])}
            if secret & set(given) != NEEDS[container["name"]]:
                yield f"{path}: {container['name']} is given {sorted(secret & set(given))}"
            for name in secret & set(given):
                reference = given[name].get("valueFrom", {}).get("secretKeyRef", {})
                if reference != {"name": "coinlake", "key": name}:
                    yield f"{path}: {name} is not taken from the secret coinlake"
    created = "create secret generic coinlake --namespace coinlake --from-env-file=coinlake.env"
    if created not in texts["README.md"]:
        yield f"README.md: expected {created}"
    named = set(re.findall(r"`(COINLAKE_\w+)=`", texts["README.md"]))
    if named != set().union(*NEEDS.values()):
        yield f"README.md: expected a line of coinlake.env for each secret, found {sorted(named)}"


def _cron_jobs(texts: Files) -> Iterator[str]:
    for document in objects(texts, "CronJob"):
        spec, job = document["spec"], document["spec"]["jobTemplate"]["spec"]
        if spec.get("concurrencyPolicy") != "Forbid":
            yield "cronjob: runs may overlap"
        if spec.get("timeZone") != "Etc/UTC":
            yield "cronjob: not in UTC"
        if not 10 < spec.get("startingDeadlineSeconds", 0) < 600:
            yield "cronjob: a late start is not bounded within one interval"
        if job.get("backoffLimit") != 0:
            yield "cronjob: a second try finds the lease of the first and looks like a success"
        pod = pod_of(document)
        if pod is not None and pod["restartPolicy"] != "Never":
            yield "cronjob: the pod restarts by itself"
        for container in containers_of(pod or {"containers": []}):
            given = {entry["name"]: entry.get("value", "") for entry in container["env"]}
            master = given.get("COINLAKE_SPARK_MASTER", SparkSettings.model_fields["spark_master"].default)
            if container.get("args") == ["process"] and not re.fullmatch(r"local\[\d+\]", master):
                yield f"cronjob: {master} is not bounded to some cores of the node"


def _generator(texts: Files) -> Iterator[str]:
    (deployment,) = objects(texts, "Deployment")
    spec = deployment["spec"]
    if (spec.get("replicas"), spec.get("strategy")) != (1, {"type": "Recreate"}):
        yield "generator: there may be two"
    labels = spec["template"]["metadata"]["labels"]
    if not spec["selector"]["matchLabels"].items() <= labels.items():
        yield "generator: the selector does not select its pods"
    (container,) = spec["template"]["spec"]["containers"]
    for probe, path in (("startupProbe", "metrics"), ("livenessProbe", "metrics"), ("readinessProbe", "healthz")):
        yield from (f"generator: {probe}: {problem}" for problem in _probe(container, probe, path))
    (policy,) = (one for one in objects(texts, "NetworkPolicy") if one["metadata"]["name"] == "coinlake-no-ingress")
    if not policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items() or "ingress" in policy["spec"]:
        yield "networkpolicy: somebody may connect to the generator"


def _probe(container: Document, name: str, path: str) -> Iterator[str]:
    probe = container.get(name, {})
    command = probe.get("exec", {}).get("command", [])
    script = command[-1] if command else ""
    if command[:2] != ["/opt/coinlake/venv/bin/python", "-c"] or not script.endswith(f'"/{path}", timeout=4)'):
        yield f"does not ask /{path} from inside the pod"
    asked = 'environ["COINLAKE_HEALTH_PORT"]'
    given = {entry["name"]: entry.get("value") for entry in container["env"]}
    if asked not in script or not str(given.get("COINLAKE_HEALTH_PORT", "0")).strip("0"):
        yield "does not ask at the port that the generator is given"
    if probe.get("timeoutSeconds", 1) <= 4:
        yield "is ended before its own timeout of 4 s"


def _places(texts: Files) -> Iterator[str]:
    home = image_env(texts, "COINLAKE_HOME")
    for path, pod in pods(texts).items():
        writable = {volume["name"] for volume in pod.get("volumes", ()) if "emptyDir" in volume}
        for container in containers_of(pod):
            mounted = {one["mountPath"] for one in container.get("volumeMounts", ()) if one["name"] in writable}
            if not {home, "/tmp"} <= mounted:
                yield f"{path}: {container['name']} cannot write to {home} or /tmp"
        if f"USER {pod['securityContext'].get('runAsUser')}\n" not in texts["Dockerfile"]:
            yield f"{path}: runs as another user than the image"
