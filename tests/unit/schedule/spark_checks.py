"""What must be true of Spark on Kubernetes: submit.sh, its CronJob, its account, its network and the executors' pod."""

import re
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pyspark
import yaml

from tests.unit.schedule.shell import complaints
from tests.unit.schedule.written import ROOT, VERSION, Document, Files, image_env, manifests, objects, pods

FOLDER = "kubernetes/spark/"
SUBMIT, EXECUTOR, PROCESSOR = f"{FOLDER}submit.sh", f"{FOLDER}executor.yaml", f"{FOLDER}processor.yaml"
EXPECTED_CONF = {
    "spark.driver.host": "$POD_IP",
    "spark.driver.bindAddress": "0.0.0.0",
    "spark.kubernetes.driver.pod.name": "$POD_NAME",
    "spark.kubernetes.container.image": f"coinlake:{VERSION}",
    "spark.kubernetes.executor.podTemplateFile": "$here/executor.yaml",
}


def problems(texts: Files) -> list[str]:
    """List what is wrong with it."""
    return [*_shell(texts[SUBMIT]), *_submit(texts), *_cron_job(texts), *_account(texts), *_network(texts)]


def conf_of(script: str) -> dict[str, str]:
    """Return the configuration that submit.sh gives on its command line."""
    return {name: value.strip('"') for name, value in re.findall(r'--conf "?(spark[\w.]+)=(\S+)', script)}


@cache
def known_to_spark() -> frozenset[str]:
    """Return the names of configuration that Spark's own Kubernetes classes hold."""
    (jar,) = (Path(pyspark.__file__).parent / "jars").glob("spark-kubernetes_*.jar")
    with zipfile.ZipFile(jar) as classes:
        held = b"".join(classes.read(name) for name in classes.namelist() if "deploy/k8s/Config" in name)
    return frozenset(name.decode() for name in re.findall(rb"spark\.kubernetes\.[A-Za-z.]+", held))


def _shell(script: str) -> Iterator[str]:
    if found := complaints(script):
        yield f"{SUBMIT}: {found}"


def _submit(texts: Files) -> Iterator[str]:
    script = texts[SUBMIT]
    conf = conf_of(script)
    for name in conf:
        if name.startswith("spark.kubernetes.") and name not in known_to_spark():
            yield f"{SUBMIT}: Spark does not know {name}"
    for name, value in EXPECTED_CONF.items():
        if conf.get(name) != value:
            yield f"{SUBMIT}: expected {name}={value}, found {conf.get(name)}"
    (namespace,) = objects(texts, "Namespace")
    if conf.get("spark.kubernetes.namespace") != namespace["metadata"]["name"]:
        yield f"{SUBMIT}: another namespace"
    (container,) = yaml.safe_load(texts[EXECUTOR])["spec"]["containers"]
    if conf.get("spark.kubernetes.executor.podTemplateContainerName") != container["name"]:
        yield f"{SUBMIT}: another container than the template's"
    if f"jars={image_env(texts, 'COINLAKE_SPARK_JARS')}\n" not in script:
        yield f"{SUBMIT}: the jars are elsewhere in the image"
    if f"PYSPARK_PYTHON:-{image_env(texts, 'PYSPARK_PYTHON')}}}" not in script:
        yield f"{SUBMIT}: the Python is elsewhere in the image"
    if f"SPARK_HOME:-{image_env(texts, 'COINLAKE_SPARK_HOME')}}}" not in script:
        yield f"{SUBMIT}: Spark is elsewhere in the image"
    default = re.search(r"set -- (\w+) --trigger available-now\n", script)
    if default is None or not (ROOT / "spark_jobs" / f"{default[1]}.py").exists():
        yield f"{SUBMIT}: the default is no run-once job"
    for name in re.findall(r"\$conf/([\w.-]+)", script):
        if not (ROOT / "infra" / "spark" / name).exists():
            yield f"{SUBMIT}: infra/spark/{name} is not there"
    if "--deploy-mode client" not in script:
        yield f"{SUBMIT}: the driver is not this pod, so its end is not the end of the run"
    if "executor |" not in texts["entrypoint.sh"] and "| executor)" not in texts["entrypoint.sh"]:
        yield "entrypoint.sh does not know executor"


def _cron_job(texts: Files) -> Iterator[str]:
    pod = pods(texts)[PROCESSOR]
    (container,) = pod["containers"]
    mounts = {one["name"]: one["mountPath"] for one in container["volumeMounts"]}
    kustomization = yaml.safe_load(texts[f"{FOLDER}kustomization.yaml"])
    (generated,) = kustomization["configMapGenerator"]
    mounted = {
        volume["configMap"]["name"]: mounts[volume["name"]] for volume in pod["volumes"] if "configMap" in volume
    }
    if list(mounted) != [generated["name"]] or set(generated["files"]) != {"submit.sh", "executor.yaml"}:
        yield f"{PROCESSOR}: submit.sh and its template are not mounted"
    if container.get("command") != ["/bin/bash", f"{mounted.get(generated['name'])}/submit.sh"]:
        yield f"{PROCESSOR}: does not run submit.sh"
    own = {entry["name"]: entry.get("valueFrom", {}).get("fieldRef", {}).get("fieldPath") for entry in container["env"]}
    if (own.get("POD_NAME"), own.get("POD_IP")) != ("metadata.name", "status.podIP"):
        yield f"{PROCESSOR}: the driver does not know its own name and address"
    if {**_skeleton(texts[PROCESSOR]), "template": None} != {
        **_skeleton(texts["kubernetes/processor.yaml"]),
        "template": None,
    }:
        yield f"{PROCESSOR}: another name or schedule than the CronJob whose place it takes"


def _skeleton(text: str) -> Document:
    """Return all of a CronJob that is not its pod."""
    document: Document = yaml.safe_load(text)
    job = document["spec"]["jobTemplate"]["spec"]
    return {
        "name": document["metadata"]["name"],
        "spec": {name: value for name, value in document["spec"].items() if name != "jobTemplate"},
        "job": {name: value for name, value in job.items() if name != "template"},
    }


def _account(texts: Files) -> Iterator[str]:
    (account,), (role,), (binding,) = (objects(texts, kind) for kind in ("ServiceAccount", "Role", "RoleBinding"))
    name = account["metadata"]["name"]
    if pods(texts)[PROCESSOR].get("serviceAccountName") != name:
        yield f"{PROCESSOR}: another service account"
    subject = {"kind": "ServiceAccount", "name": name, "namespace": account["metadata"]["namespace"]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]}
    if binding["subjects"] != [subject] or binding["roleRef"] != reference:
        yield "rbac: the role is not bound to the account"
    for rule in role["rules"]:
        if rule["apiGroups"] != [""] or "*" in [*rule["resources"], *rule["verbs"]] or "secrets" in rule["resources"]:
            yield "rbac: allows more than pods, config maps, services and claims"


def allowed(texts: Files) -> set[tuple[str, str]]:
    """Return what the role allows: (verb, resource)."""
    (role,) = objects(texts, "Role")
    return {(verb, resource) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}


def _network(texts: Files) -> Iterator[str]:
    ((policy,),) = (manifests(texts)[f"{FOLDER}networkpolicy.yaml"],)
    conf, spec = conf_of(texts[SUBMIT]), policy["spec"]
    (rule,) = spec["ingress"]
    ports = {str(port["port"]) for port in rule["ports"]}
    if ports != {conf.get("spark.driver.port"), conf.get("spark.blockManager.port")}:
        yield f"networkpolicy: expected the ports of {SUBMIT}, found {sorted(ports)}"
    labels = {
        yaml.safe_load(texts[EXECUTOR])["metadata"]["labels"]["app.kubernetes.io/component"],
        yaml.safe_load(texts[PROCESSOR])["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"][
            "app.kubernetes.io/component"
        ],
    }
    (source,) = rule["from"]
    for selector in (spec["podSelector"], source["podSelector"]):
        (match,) = selector["matchExpressions"]
        if set(match["values"]) != labels:
            yield "networkpolicy: driver and executors do not reach each other"
