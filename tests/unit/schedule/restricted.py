"""The restricted profile of Kubernetes' Pod Security Standards, as code, and what we ask beside it.

Source: kubernetes.io, Concepts, Security, Pod Security Standards.
"""

from collections.abc import Iterator

from tests.unit.schedule.written import Document, containers_of

VOLUMES = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "image",
    }
)
SECCOMP = frozenset({"RuntimeDefault", "Localhost"})


def violations(pod: Document) -> list[str]:
    """List what the profile forbids in a pod spec."""
    return [*_of_pod(pod), *(problem for container in containers_of(pod) for problem in _of(container, pod))]


def _of_pod(pod: Document) -> Iterator[str]:
    yield from (f"{name} is true" for name in ("hostNetwork", "hostPID", "hostIPC") if pod.get(name))
    for volume in pod.get("volumes", []):
        kinds = set(volume) - {"name"}
        if not kinds <= VOLUMES:
            yield f"volume {volume['name']} is a {', '.join(kinds)}"
    if pod.get("securityContext", {}).get("sysctls"):
        yield "sysctls are set"


def _of(container: Document, pod: Document) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext", {})
    both = {**pod.get("securityContext", {}), **own}
    if both.get("runAsNonRoot") is not True:
        yield f"{name}: runAsNonRoot is not true"
    if both.get("runAsUser") == 0:
        yield f"{name}: runAsUser is 0"
    if both.get("seccompProfile", {}).get("type") not in SECCOMP:
        yield f"{name}: no seccomp profile"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation is not false"
    if own.get("privileged"):
        yield f"{name}: privileged"
    capabilities = own.get("capabilities", {})
    if capabilities.get("drop") != ["ALL"] or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"{name}: capabilities other than drop ALL"
    if own.get("procMount", "Default") != "Default":
        yield f"{name}: procMount"
    yield from (f"{name}: host port {port['hostPort']}" for port in container.get("ports", ()) if port.get("hostPort"))


def further(pod: Document) -> list[str]:
    """List what we ask beside the profile: nothing to write but on emptyDir, no token unless an account asks for it."""
    found = [
        f"{container['name']}: the root file system can be written"
        for container in containers_of(pod)
        if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True
    ]
    account = "serviceAccountName" in pod
    if pod.get("automountServiceAccountToken") is not account:
        found.append(f"the token of the service account is {'not ' if account else ''}mounted")
    if pod.get("enableServiceLinks") is not False:
        found.append("services become variables, which may bear the name of a setting")
    return found
