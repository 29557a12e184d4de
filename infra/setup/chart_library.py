"""The library that draws the live chart (TradingView's Lightweight Charts, Apache-2.0): fetched once by `npm pack`.

Its licence asks that the page names TradingView and links to https://www.tradingview.com: the page's footer does.
"""

import base64
import hashlib
import tarfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from contracts.errors import StackError
from infra.setup import tools
from infra.setup.cache import ensure_entry

MODULE = Path("dist") / "lightweight-charts.standalone.production.mjs"
"""Where the module that a browser imports, with all that it needs inside, is in the folder of the library."""


@dataclass(frozen=True)
class NpmPackage:
    """A package of npm at one version; `integrity` is npm's own word for its archive: `sha512-` and base64."""

    name: str
    version: str
    integrity: str


LIGHTWEIGHT_CHARTS = NpmPackage(
    name="lightweight-charts",
    version="5.2.1",
    integrity="sha512-IVwoK1RLFiLPubaKIjNbtjWLnpPMqiABSrTay6whmNa8L1+19292VtHJ+BWyPUuLCwF0tcQlhEWd1CLB2a1nsQ==",
)


def ensure_chart_library(package: NpmPackage = LIGHTWEIGHT_CHARTS) -> Path:
    """Return the folder with `MODULE` and the library's LICENSE, fetched first when it is not in the cache.

    Raises:
        StackError: there is no npm to fetch it with, npm failed, or the archive is not the pinned one.
    """
    # Everything in an npm archive is in a folder named `package`.
    return ensure_entry(f"{package.name}-{package.version}", partial(_fetch, package)) / "package"


def _fetch(package: NpmPackage, folder: Path) -> None:
    npm = tools.find("npm", f"install Node.js to fetch {package.name} once")
    tools.run(
        [npm, "pack", f"{package.name}@{package.version}", "--pack-destination", str(folder)],
        log=tools.log_file(package.name),
        env={"npm_config_update_notifier": "false"},
    )
    archives = list(folder.glob("*.tgz"))
    if len(archives) != 1:
        raise StackError(f"npm pack {package.name}: expected one archive, found {len(archives)}")
    found = _integrity(archives[0])
    if found != package.integrity:
        raise StackError(f"{package.name} {package.version}: expected {package.integrity}, found {found}")
    _unpack(archives[0], folder)
    archives[0].unlink()
    for path in (folder / "package" / MODULE, folder / "package" / "LICENSE"):
        if not path.is_file():
            raise StackError(f"{package.name} {package.version}: expected {path.name} in it, found none")


def _integrity(archive: Path) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with tarfile.open(archive, "r:gz") as members:
            members.extractall(folder, filter="data")
    except tarfile.TarError as error:
        raise StackError(f"{archive.name}: expected an archive that can be unpacked, found {error}") from None
