"""The schedule as it is written: its files as texts, so that a test can change one word and look again."""

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent.parent
SCHEDULE = ROOT / "infra" / "schedule"
VERSION: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]

Files = Mapping[str, str]
"""Texts by path below infra/schedule/; the image's files by their own names."""
Document = dict[str, Any]

IMAGE_FILES = ("Dockerfile", "entrypoint.sh")


def files() -> dict[str, str]:
    """Read every file of infra/schedule/, and what the image says of itself."""
    written = {str(path.relative_to(SCHEDULE)): path.read_text() for path in SCHEDULE.rglob("*") if path.is_file()}
    return written | {name: (ROOT / name).read_text() for name in IMAGE_FILES}


def manifests(texts: Files) -> dict[str, list[Document]]:
    """Parse the Kubernetes objects: all YAML but kustomize's own files."""
    return {
        path: _parsed(text)
        for path, text in texts.items()
        if path.startswith("kubernetes/") and path.endswith(".yaml") and not path.endswith("kustomization.yaml")
    }


@cache
def _parsed(text: str) -> list[Document]:
    return list(yaml.safe_load_all(text))


def objects(texts: Files, kind: str) -> list[Document]:
    """Return all Kubernetes objects of a kind."""
    return [document for found in manifests(texts).values() for document in found if document.get("kind") == kind]


def pod_of(document: Document) -> Document | None:
    """Return the pod spec within an object, None where there is none."""
    spec = document.get("spec", {})
    if document["kind"] == "Pod":
        found: Document | None = spec
    elif document["kind"] == "CronJob":
        found = spec["jobTemplate"]["spec"]["template"]["spec"]
    else:
        found = spec.get("template", {}).get("spec")
    return found


def pods(texts: Files) -> dict[str, Document]:
    """Return every pod spec, by the file it is in."""
    return {
        path: pod
        for path, documents in manifests(texts).items()
        for document in documents
        if (pod := pod_of(document)) is not None
    }


def containers_of(pod: Document) -> list[Document]:
    """Return the containers of a pod, those that run first included."""
    return [*pod.get("initContainers", []), *pod["containers"]]


def image_env(texts: Files, name: str) -> str:
    """Return a variable that the image sets."""
    words = texts["Dockerfile"].split()
    return next(word.removeprefix(f"{name}=") for word in words if word.startswith(f"{name}="))
