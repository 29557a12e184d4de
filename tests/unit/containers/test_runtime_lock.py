"""requirements-runtime.lock is what of requirements.lock the image needs: no more, no less, at the same hashes."""

import re
import tomllib
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.unit.containers.files import ROOT

IN_SPARKS_IMAGE = {"pyspark", "py4j"}


def requirements(lock: str) -> dict[str, str]:
    """Return what a lock says of each package, but for the comments on where it comes from."""
    text = re.sub(r"^ +#.*\n", "", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {block.split("==")[0]: block.strip() for block in re.split(r"^(?=\S)", text, flags=re.MULTILINE) if block}


def needed_here() -> set[str]:
    """Walk from the project's own dependencies through what the installed packages and their extras say they need."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    open_ends = [(Requirement(line), "") for line in declared]
    walked: set[tuple[str, str]] = set()
    while open_ends:
        requirement, extra = open_ends.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        for asked in {"", *requirement.extras} - {seen for package, seen in walked if package == name}:
            walked.add((name, asked))
            open_ends += [(Requirement(line), asked) for line in metadata.requires(name) or ()]
    return {name for name, _ in walked}


def test_the_runtime_lock_says_of_a_package_what_the_lock_says() -> None:
    whole, runtime = requirements("requirements.lock"), requirements("requirements-runtime.lock")
    assert {name: whole.get(name) for name in runtime} == runtime
    assert all("--hash=sha256:" in block for block in runtime.values())


def test_the_runtime_lock_has_what_coinlake_needs_and_nothing_of_its_development() -> None:
    here = needed_here() - IN_SPARKS_IMAGE
    elsewhere = {name for name, block in requirements("requirements-runtime.lock").items() if " ; " in block}
    runtime = set(requirements("requirements-runtime.lock"))
    assert here <= runtime
    assert runtime - here <= elsewhere
    assert not runtime & {"pytest", "mypy", "ruff", "uv", *IN_SPARKS_IMAGE}


def test_the_wheel_takes_every_file_of_the_rooms() -> None:
    setup = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    packages = [pattern.removesuffix("*") for pattern in setup["packages"]["find"]["include"]]
    taken = {
        path.relative_to(ROOT)
        for package, patterns in setup["package-data"].items()
        for pattern in patterns
        for path in (ROOT / package).glob(pattern)
    }
    used = {
        path.relative_to(ROOT)
        for package in packages
        for suffix in ("toml", "xml", "conf", "properties", "json", "lock", "html", "css", "js", "svg", "tsv")
        for path in (ROOT / package).rglob(f"*.{suffix}")
    }
    assert used - taken == set()
