"""cron, systemd and Kubernetes: each right by its own rules, and all three say the same."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import kubernetes_validate
import pytest

from tests.unit.schedule import (
    agreement_checks,
    cron_checks,
    kubernetes_checks,
    spark_checks,
    systemd_checks,
)
from tests.unit.schedule.commands import commands_in, refused
from tests.unit.schedule.cron_checks import VENV
from tests.unit.schedule.restricted import violations
from tests.unit.schedule.written import SCHEDULE, Document, Files, files

CHECKS: tuple[Callable[[Files], list[str]], ...] = (
    cron_checks.problems,
    systemd_checks.problems,
    kubernetes_checks.problems,
    spark_checks.problems,
    agreement_checks.problems,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__module__.rpartition(".")[2])
def test_files_are_right_and_agree(check: Callable[[Files], list[str]]) -> None:
    assert check(files()) == []


def test_manifests_are_right_for_the_newest_kubernetes_too() -> None:
    assert list(kubernetes_checks.malformed(files(), kubernetes_validate.latest_version())) == []


PROCESSOR, GENERATOR = "kubernetes/processor.yaml", "kubernetes/generator.yaml"
SPARK_PROCESSOR, SUBMIT = "kubernetes/spark/processor.yaml", "kubernetes/spark/submit.sh"
PROCESS, TIMER, GENERATE = systemd_checks.PROCESS, systemd_checks.TIMER, systemd_checks.GENERATE

MUTATIONS = [
    # when
    ("crontab", "*/10 * * * * set", "*/15 * * * * set"),
    ("crontab", "*/10 * * * * set", "5-59/10 * * * * set"),
    (
        "crontab",
        "* * * * * set -o pipefail; cd \"$COINLAKE_HOME\" && flock",
        "*/5 * * * * set -o pipefail; cd \"$COINLAKE_HOME\" && flock",
    ),
    (TIMER, "*:00/10:00", "*:00/12:00"),
    (TIMER, "*:00/10:00", "*:05/10:00"),
    (TIMER, "every 10 minutes", "every 5 minutes"),
    (TIMER, "RandomizedDelaySec=20s", "RandomizedDelaySec=10min"),
    (TIMER, "Persistent=yes", "Persistent=no"),
    (PROCESSOR, "*/10 * * * *", "*/20 * * * *"),
    (SPARK_PROCESSOR, "*/10 * * * *", "0 * * * *"),
    (PROCESSOR, "timeZone: Etc/UTC", "timeZone: Asia/Tehran"),
    ("README.md", "timer, every 10 minutes", "timer, every 15 minutes"),
    # overlap, kill and misses
    (PROCESSOR, "concurrencyPolicy: Forbid", "concurrencyPolicy: Replace"),
    (SPARK_PROCESSOR, "concurrencyPolicy: Forbid", "concurrencyPolicy: Allow"),
    (PROCESSOR, "startingDeadlineSeconds: 300", "startingDeadlineSeconds: 5"),
    (PROCESSOR, "backoffLimit: 0", "backoffLimit: 3"),
    (PROCESSOR, "restartPolicy: Never", "restartPolicy: OnFailure"),
    (GENERATOR, "replicas: 1", "replicas: 2"),
    (GENERATOR, "type: Recreate", "type: RollingUpdate"),
    ("crontab", "flock --nonblock --conflict-exit-code 0 ", "flock "),
    ("crontab", "flock --nonblock --conflict-exit-code 0 generate.lock ", ""),
    ("crontab", "pipefail; cd \"$COINLAKE_HOME\" && timeout", "nounset; cd \"$COINLAKE_HOME\" && timeout"),
    (GENERATE, "Restart=on-failure", "Restart=no"),
    (GENERATE, "RestartPreventExitStatus=2", "RestartPreventExitStatus=1"),
    (GENERATE, "StartLimitIntervalSec=0", "StartLimitIntervalSec=60"),
    (PROCESS, "SuccessExitStatus=143", "SuccessExitStatus=1"),
    (PROCESS, "Type=oneshot", "Type=simple"),
    # how long
    ("crontab", "--kill-after=30 3600", "--kill-after=30 600"),
    ("crontab", "--kill-after=30 3600", "--kill-after=10 3600"),
    (PROCESS, "TimeoutStartSec=1h", "TimeoutStartSec=2h"),
    (PROCESS, "TimeoutStopSec=30s", "TimeoutStopSec=10s"),
    (GENERATE, "TimeoutStopSec=30s", "TimeoutStopSec=5s"),
    (PROCESSOR, "activeDeadlineSeconds: 3600", "activeDeadlineSeconds: 60"),
    (GENERATOR, "terminationGracePeriodSeconds: 30", "terminationGracePeriodSeconds: 5"),
    ("README.md", "| 3600 s | 3600 s | 3600 s |", "| 3600 s | 3600 s | 1800 s |"),
    ("README.md", "| 30 s | 30 s | 30 s |", "| 30 s | 30 s | 15 s |"),
    ("README.md", "stops Spark within 15 s", "stops Spark within 5 s"),
    # commands
    ("crontab", "coinlake process 2>&1", "coinlake proces 2>&1"),
    ("crontab", "--forever 2>&1", "--for-ever 2>&1"),
    (PROCESS, "bin/coinlake process", "bin/coinlake process --once"),
    (PROCESS, "bin/coinlake process", "bin/coinlake rebuild"),
    (GENERATE, "topics apply", "topics create"),
    (GENERATE, "generate --forever", "generate --once"),
    (GENERATOR, "args: [topics, apply]", "args: [topics, list]"),
    (GENERATOR, "--log-format, json", "--log-format, xml"),
    (PROCESSOR, "args: [process]", "args: [rebuild]"),
    ("entrypoint.sh", "generate | process |", "generate |"),
    ("entrypoint.sh", "driver | executor)", "driver)"),
    # variables and secrets
    (PROCESSOR, "name: COINLAKE_SPARK_DRIVER_MEMORY", "name: COINLAKE_DRIVER_MEMORY"),
    ("kubernetes/configmap.yaml", "COINLAKE_S3_REGION", "COINLAKE_S3_ZONE"),
    ("kubernetes/configmap.yaml", "  COINLAKE_S3_REGION: us-east-1", "  COINLAKE_S3_SECRET_KEY: opensesame"),
    ("crontab", "XDG_CACHE_HOME=", "COINLAKE_S3_SECRET_KEY=opensesame\nXDG_CACHE_HOME="),
    (GENERATE, "COINLAKE_HEALTH_PORT=9464", "COINLAKE_HEALTH_PORT=9464 COINLAKE_COINMARKETCAP_API_KEY=opensesame"),
    (PROCESSOR, "key: COINLAKE_S3_SECRET_KEY", "key: secret-key"),
    (
        PROCESSOR,
        "name: coinlake\n                      key: COINLAKE_S3_ACCESS_KEY",
        "name: minio\n                      key: COINLAKE_S3_ACCESS_KEY",
    ),
    (GENERATOR, "COINLAKE_COINMARKETCAP_API_KEY", "COINLAKE_S3_SECRET_KEY"),
    ("README.md", "`COINLAKE_COINMARKETCAP_API_KEY=`", "`CMC_KEY=`"),
    ("README.md", "--from-env-file=coinlake.env", '--from-literal=COINLAKE_S3_SECRET_KEY="$S3_SECRET"'),
    ("README.md", "COINLAKE_KAFKA_BOOTSTRAP_SERVERS", "COINLAKE_KAFKA_SERVERS"),
    # places
    ("crontab", "PATH=/opt/coinlake/venv/bin:", "PATH="),
    ("README.md", "-m venv /opt/coinlake/venv", "-m venv /opt/coinlake/env"),
    ("README.md", "import ensure_spark_jars", "import fetch_spark_jars"),
    ("README.md", "sudo install -d -m 0700 /etc/coinlake\n", ""),
    ("README.md", "(`COINLAKE_HOME=/var/lib/coinlake`)", "(`COINLAKE_HOME=/srv/coinlake`)"),
    ("crontab", "COINLAKE_HOME=/var/lib/coinlake", "COINLAKE_HOME=/srv/coinlake"),
    ("crontab", "XDG_CACHE_HOME=/var/cache/coinlake", "XDG_CACHE_HOME=/tmp"),
    (PROCESS, "ExecStart=/opt/coinlake/venv/", "ExecStart=/usr/local/"),
    (PROCESS, "StateDirectory=coinlake", "StateDirectory=coin-lake"),
    (PROCESS, "COINLAKE_HOME=/var/lib/coinlake ", "COINLAKE_HOME=/tmp/coinlake "),
    (PROCESS, "User=coinlake", "User=root"),
    (PROCESS, "EnvironmentFile=/etc/coinlake/coinlake.env", "EnvironmentFile=/etc/default/coinlake"),
    (GENERATE, "COINLAKE_HEALTH_PORT=9464", "COINLAKE_HEALTH_PORT=9465"),
    (GENERATOR, 'value: "9464"', 'value: "0"'),
    (GENERATOR, "mountPath: /var/lib/coinlake", "mountPath: /data"),
    ("Dockerfile", "COINLAKE_HOME=/var/lib/coinlake", "COINLAKE_HOME=/data"),
    # the image
    (PROCESSOR, "image: coinlake:0.1.0", "image: coinlake:latest"),
    (GENERATOR, "image: coinlake:0.1.0", "image: coinlake:0.0.9"),
    (SPARK_PROCESSOR, "image: coinlake:0.1.0", "image: apache/spark:4.2.0"),
    (SUBMIT, "image=coinlake:0.1.0", "image=coinlake:0.2.0"),
    ("README.md", "coinlake:0.1.0", "coinlake:0.2.0"),
    ("Dockerfile", "USER 185", "USER 1000"),
    # probes
    (GENERATOR, '"/healthz"', '"/health"'),
    (GENERATOR, 'environ["COINLAKE_HEALTH_PORT"]', '"9464"'),
    (GENERATOR, "timeoutSeconds: 5", "timeoutSeconds: 1"),
    (GENERATOR, "livenessProbe:\n            exec:", "livenessProbe:\n            httpGet:"),
    # pod security
    ("kubernetes/namespace.yaml", "enforce: restricted", "enforce: baseline"),
    (PROCESSOR, "runAsNonRoot: true", "runAsNonRoot: false"),
    (PROCESSOR, "runAsUser: 185", "runAsUser: 0"),
    (PROCESSOR, "type: RuntimeDefault", "type: Unconfined"),
    (PROCESSOR, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
    (PROCESSOR, "drop: [ALL]", "drop: [NET_RAW]"),
    (PROCESSOR, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    (PROCESSOR, "automountServiceAccountToken: false", "automountServiceAccountToken: true"),
    (PROCESSOR, "enableServiceLinks: false", "enableServiceLinks: true"),
    (PROCESSOR, "emptyDir:\n                sizeLimit: 4Gi", "hostPath:\n                path: /var/lib/coinlake"),
    ("kubernetes/spark/executor.yaml", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
    ("kubernetes/spark/executor.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    # schemas and wiring
    (PROCESSOR, "concurrencyPolicy", "concurencyPolicy"),
    (GENERATOR, "namespace: coinlake", "namespace: default"),
    (
        GENERATOR,
        "  selector:\n    matchLabels:\n      app.kubernetes.io/part-of: coinlake",
        "  selector:\n    matchLabels:\n      app.kubernetes.io/part-of: lake",
    ),
    ("kubernetes/networkpolicy.yaml", "policyTypes: [Ingress]", "policyTypes: [Ingress]\n  ingress: [{}]"),
    ("kubernetes/kustomization.yaml", "  - networkpolicy.yaml\n", ""),
    ("kubernetes/spark/kustomization.yaml", "      - executor.yaml\n", ""),
    (PROCESSOR, "memory: 2Gi\n                limits", "memory: 1Gi\n                limits"),
    (PROCESSOR, "value: 1g", "value: 2g"),
    (PROCESSOR, "value: local[2]", "value: local[*]"),
    # Spark on Kubernetes
    (SUBMIT, "spark.kubernetes.executor.podTemplateFile", "spark.kubernetes.executor.templateFile"),
    (SUBMIT, "podTemplateContainerName=executor", "podTemplateContainerName=spark"),
    (SUBMIT, "spark.driver.port=7078", "spark.driver.port=7077"),
    (SUBMIT, "namespace=coinlake", "namespace=spark"),
    (SUBMIT, "--deploy-mode client", "--deploy-mode cluster"),
    (SUBMIT, "jars=/opt/coinlake/jars", "jars=/opt/jars"),
    (SUBMIT, "set -- process_markets", "set -- process"),
    (SUBMIT, "$conf/spark-defaults.conf", "$conf/spark.conf"),
    (SUBMIT, '"$(dirname "$0")"', "$(dirname $0)"),
    (SPARK_PROCESSOR, "serviceAccountName: coinlake-spark", "serviceAccountName: default"),
    (SPARK_PROCESSOR, "fieldPath: status.podIP", "fieldPath: status.hostIP"),
    (SPARK_PROCESSOR, "submit/submit.sh", "submit.sh"),
    (SPARK_PROCESSOR, "name: coinlake-process\n", "name: coinlake-spark\n"),
    ("kubernetes/spark/rbac.yaml", "  name: coinlake-spark\nsubjects", "  name: admin\nsubjects"),
    ("kubernetes/spark/rbac.yaml", "resources: [pods]", 'resources: ["*"]'),
    ("kubernetes/spark/networkpolicy.yaml", "values: [processor, executor]", "values: [processor]"),
    # units
    (PROCESS, "ProtectSystem=strict", "ProtectSytem=strict"),
    (PROCESS, "NoNewPrivileges=yes", "NoNewPrivileges=no"),
    (GENERATE, "SystemCallFilter=@system-service", "SystemCallFilter=@default"),
    (TIMER, "WantedBy=timers.target", "WantedBy=default.target"),
    (GENERATE, "[Install]\nWantedBy=multi-user.target\n", ""),
    ("README.md", "(kubernetes/spark)", "(kubernetes/on-spark)"),
    ("README.md", "coinlake-process.timer", "coinlake-run.timer"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "fact", "broken"), MUTATIONS, ids=lambda text: " ".join(text.split())[:60])
def test_one_broken_fact_is_found(path: str, fact: str, broken: str) -> None:
    texts = files()
    assert fact in texts[path], "the file has changed: change the mutation too"
    changed = {**texts, path: texts[path].replace(fact, broken, 1)}
    assert any(check(changed) for check in CHECKS)


def test_a_kind_that_kubernetes_does_not_know_is_refused() -> None:
    texts = files()
    broken = {**texts, GENERATOR: texts[GENERATOR].replace("kind: Deployment", "kind: Deploymnet", 1)}
    found = list(kubernetes_checks.malformed(broken, kubernetes_checks.pinned(broken)))
    assert [problem.split(":")[0] for problem in found] == [GENERATOR]


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        ({"hostNetwork": True}, "hostNetwork is true"),
        ({"hostPID": True}, "hostPID is true"),
        ({"volumes": [{"name": "disk", "hostPath": {"path": "/"}}]}, "volume disk is a hostPath"),
        ({"securityContext": {"runAsNonRoot": True}}, "job: no seccomp profile"),
        ({"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}, "job: runAsNonRoot is not true"),
    ],
)
def test_the_restricted_profile_names_what_it_forbids(change: Document, violation: str) -> None:
    own = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    pod: Document = {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{"name": "job", "securityContext": own}],
    }
    assert violations(pod) == []
    assert violations({**pod, **change}) == [violation]


@pytest.mark.parametrize("words", [["process", "--forever"], ["proces"], ["topics", "create"], ["generate", "x"]])
def test_the_cli_refuses_what_it_does_not_know(words: list[str]) -> None:
    assert len(refused(words)) == 1


def test_commands_of_the_readme_exist() -> None:
    texts = files()
    found = list(commands_in(texts["README.md"].replace("`", "\n").replace("infra/schedule", "")))
    found = [words for words in found if words[0] in ("process", "show", "topics", "buckets", "rebuild", "lease")]
    assert {"show", "topics", "buckets", "rebuild", "lease"} <= {words[0] for words in found}
    assert [problem for words in found if words[0] != "show" for problem in refused(words)] == []


def test_systemd_itself_finds_nothing_to_say(tmp_path: Path) -> None:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("no systemd-analyze on PATH: the parser and the list of known keys stand alone")
    there = Path(sys.executable).parent
    for unit in (SCHEDULE / "systemd").iterdir():
        (tmp_path / unit.name).write_text(unit.read_text().replace(VENV, str(there)))
    units = sorted(str(path) for path in tmp_path.iterdir())
    ran = subprocess.run([tool, "verify", "--man=no", *units], check=False, capture_output=True, text=True)
    assert (ran.returncode, ran.stderr) == (0, "")
