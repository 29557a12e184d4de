"""The chart library: fetched once, refused when it is not what was pinned, unpacked in its folder alone."""

import base64
import hashlib
import io
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from contracts.errors import StackError
from infra.setup.chart_library import LIGHTWEIGHT_CHARTS, MODULE, NpmPackage, ensure_chart_library

WHOLE = {f"package/{MODULE}": b"export const version = 1;", "package/LICENSE": b"Apache License"}


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for an `npm` that is alone on PATH, with nothing in the cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    (tmp_path / "bin").mkdir()
    return tmp_path


def npm_that_packs(machine: Path, files: Mapping[str, bytes]) -> NpmPackage:
    """Put an npm on PATH that gives an archive with these files, and return the package that it then is."""
    archive = machine / "made.tgz"
    with tarfile.open(archive, "w:gz") as members:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    npm = machine / "bin" / "npm"
    npm.write_text(f'#!/bin/sh\necho "$@" >> {machine}/calls\ncp {archive} "$4/lightweight-charts-1.0.0.tgz"\n')
    npm.chmod(0o755)
    digest = hashlib.sha512(archive.read_bytes()).digest()
    return NpmPackage("lightweight-charts", "1.0.0", "sha512-" + base64.b64encode(digest).decode())


def cached(machine: Path) -> list[str]:
    return sorted(
        path.name for path in (machine / "cache" / "coinlake").iterdir() if path.name.startswith("lightweight")
    )


def test_the_module_and_its_licence_are_fetched_once(machine: Path) -> None:
    package = npm_that_packs(machine, WHOLE)
    folder = ensure_chart_library(package)
    assert (folder / MODULE).read_bytes() == WHOLE[f"package/{MODULE}"]
    assert (folder / "LICENSE").read_bytes() == WHOLE["package/LICENSE"]
    assert ensure_chart_library(package) == folder
    calls = (machine / "calls").read_text().splitlines()
    assert len(calls) == 1
    assert calls[0].startswith("pack lightweight-charts@1.0.0 --pack-destination ")


def test_an_archive_that_is_not_the_pinned_one_is_refused(machine: Path) -> None:
    found = npm_that_packs(machine, WHOLE).integrity
    with pytest.raises(StackError) as caught:
        ensure_chart_library(LIGHTWEIGHT_CHARTS)
    expected = LIGHTWEIGHT_CHARTS.integrity
    assert str(caught.value) == f"lightweight-charts 5.2.1: expected {expected}, found {found}"
    assert cached(machine) == ["lightweight-charts-5.2.1.lock"]


def test_nothing_is_written_outside_of_the_folder(machine: Path) -> None:
    package = npm_that_packs(machine, {**WHOLE, "../../outside": b"!"})
    with pytest.raises(StackError, match="expected an archive that can be unpacked"):
        ensure_chart_library(package)
    assert not list(machine.rglob("outside"))
    assert cached(machine) == ["lightweight-charts-1.0.0.lock"]


def test_an_archive_without_the_module_is_refused(machine: Path) -> None:
    package = npm_that_packs(machine, {"package/LICENSE": b"Apache License"})
    with pytest.raises(StackError, match=rf"expected {MODULE.name} in it, found none$"):
        ensure_chart_library(package)


def test_a_machine_without_npm_is_told_what_to_install(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(machine))
    with pytest.raises(StackError, match=r"^npm is not on PATH: install Node\.js to fetch lightweight-charts once$"):
        ensure_chart_library()
