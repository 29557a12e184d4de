"""The published Parquet as pyarrow datasets: `published/<table>/coin=<coin>/date=<date>/part-0.parquet`.

DuckDB and pandas read the same objects with no library of ours; `coinlake env` prints what they need.
"""

import datetime as dt
import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa
from pyarrow import dataset as ds
from pyarrow import fs

from contracts.errors import NoDataError, StoreError
from contracts.settings import LakeSettings
from contracts.tables import Table

_TYPES: dict[str, pa.DataType] = {"coin": pa.string(), "date": pa.date32()}


def uri_of(lake: LakeSettings, table: Table) -> str:
    """Return where the published Parquet of a table is, as pandas and pyarrow write it (`s3://`, `file://`).

    >>> from contracts.tables import CANDLES
    >>> uri_of(LakeSettings(), CANDLES)
    's3://lake-house/published/candles'
    """
    return f"{lake.lake}/{table.published_path}".replace("s3a://", "s3://", 1)


def open_dataset(
    lake: LakeSettings, table: Table, coin: str | None = None, newest_dates: int | None = None
) -> ds.Dataset:
    """Open a published table, its folders as the columns `coin` (string) and `date` (date32).

    `coin` opens the objects of one coin and lists no other; `newest_dates` opens those of so many of its newest
    dates. A published date is one object, so few dates are few requests.

    Raises:
        NoDataError: nothing is published, or nothing of that coin; the message says what there is.
        StoreError: the object store does not answer or refuses.
    """
    return list_files(lake, table, coin, newest_dates).open()


class PublishedFiles(NamedTuple):
    """The objects of a published table, or of a part of it, as they are listed."""

    table: Table
    system: fs.FileSystem
    root: str
    files: Sequence[fs.FileInfo]

    def state(self) -> tuple[tuple[str, int, int], ...]:
        """Return what tells one listing from another: names, sizes, and when they were written (S3: to the second)."""
        return tuple((info.path, info.size, info.mtime_ns) for info in self.files)

    def open(self) -> ds.Dataset:
        """Open them as one dataset, their folders as columns."""
        return ds.dataset(
            [info.path for info in self.files],
            filesystem=self.system,
            format="parquet",
            partitioning=ds.HivePartitioning(
                pa.schema([(name, _TYPES[name]) for name in self.table.published_by]), segment_encoding="uri"
            ),
            partition_base_dir=self.root,
        )


def list_files(
    lake: LakeSettings, table: Table, coin: str | None = None, newest_dates: int | None = None
) -> PublishedFiles:
    """List what `open_dataset` opens.

    Raises:
        NoDataError: nothing is published, or nothing of that coin; the message says what there is.
        StoreError: the object store does not answer or refuses.
    """
    system, root = _opened(lake, table)
    folder = root if coin is None else f"{root}/{_folder_of(coin, table, _coin_folders(system, root, table))}"
    found = [info for info in _list(system, folder, recursive=True) if info.path.endswith(".parquet")]
    if not found:
        raise _nothing(table)
    if newest_dates is not None:
        kept = sorted({_date_of(info.path) for info in found})[-newest_dates:]
        found = [info for info in found if _date_of(info.path) in kept]
    return PublishedFiles(table, system, root, found)


def read_file(lake: LakeSettings, key: str) -> tuple[bytes, dt.datetime] | None:
    """Read a small file of the lake and when it was written; None where there is none.

    Raises:
        StoreError: the object store does not answer or refuses.
    """
    system, root = file_system_of(lake)
    path = f"{root}/{key}"
    try:
        info = system.get_file_info(path)
        if info.type != fs.FileType.File:
            return None
        with system.open_input_file(path) as file:
            return file.read(), info.mtime
    except OSError as error:
        raise StoreError(f"cannot read {key}: {_explained(str(error))}") from None


def version_file(table: Table) -> str:
    """Return the key of what the job writes beside the Parquet, last of all: which version of the table it equals."""
    return f"published/_versions/{table.name}.json"


def coins_of(lake: LakeSettings, table: Table) -> list[str]:
    """List the coins of a published table, in alphabetical order, from the names of its folders.

    Raises:
        NoDataError: nothing is published.
        StoreError: the object store does not answer or refuses.
    """
    return sorted(_coin_folders(*_opened(lake, table), table))


def matching(coin: str, coins: list[str]) -> str:
    """Find a coin by its name, in any case where that names one coin alone.

    Raises:
        NoDataError: there is no such coin; the message names a few that there are.

    >>> matching("btc", ["BTC", "ETH"])
    'BTC'
    """
    if coin in coins:
        return coin
    alike = [name for name in coins if name.casefold() == coin.casefold()]
    if len(alike) == 1:
        return alike[0]
    few = sorted(coins, key=lambda name: (_distance(coin.upper(), name), name))[:5]
    raise NoDataError(f"expected one of {len(coins)} coins, such as {', '.join(few)}, found {coin}")


def _distance(asked: str, name: str) -> int:
    """Rank what begins alike first: the letters that two names do not share at their start."""
    shared = next(
        (at for at, (a, b) in enumerate(zip(asked, name, strict=False)) if a != b), min(len(asked), len(name))
    )
    return len(asked) + len(name) - 2 * shared


def _opened(lake: LakeSettings, table: Table) -> tuple[fs.FileSystem, str]:
    """Return the file system of the lake and the path of a published table in it."""
    files, root = file_system_of(lake)
    return files, f"{root}/{table.published_path}"


def file_system_of(lake: LakeSettings) -> tuple[fs.FileSystem, str]:
    """Return the file system that a lake lies in, and its path there."""
    if lake.lake.startswith("file://"):
        return fs.LocalFileSystem(), lake.lake.removeprefix("file://")
    secure = lake.s3_endpoint.startswith("https://")
    files = fs.S3FileSystem(
        access_key=lake.s3_access_key.get_secret_value(),
        secret_key=lake.s3_secret_key.get_secret_value(),
        endpoint_override=lake.s3_endpoint.partition("://")[2],
        scheme="https" if secure else "http",
        region=lake.s3_region,
        connect_timeout=5,
        request_timeout=20,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=2),
    )
    return files, lake.lake.removeprefix("s3a://")


def _coin_folders(files: fs.FileSystem, root: str, table: Table) -> dict[str, str]:
    """Map each coin to the name of its folder, in which what a path must not hold is percent-escaped."""
    names = [info.base_name for info in _list(files, root, recursive=False)]
    found = {unquote(name.removeprefix("coin=")): name for name in names if name.startswith("coin=")}
    if not found:
        raise _nothing(table)
    return found


def _folder_of(coin: str, table: Table, folders: dict[str, str]) -> str:
    if coin not in folders:
        raise NoDataError(f"expected {coin} in the published table {table.name}, found {len(folders)} other coins")
    return folders[coin]


def _list(files: fs.FileSystem, folder: str, *, recursive: bool) -> list[fs.FileInfo]:
    try:
        return list(files.get_file_info(fs.FileSelector(folder, allow_not_found=True, recursive=recursive)))
    except OSError as error:
        raise StoreError(f"cannot list {folder}: {_explained(str(error))}") from None


def _explained(text: str) -> str:
    found = re.search(r"AWS Error (\w+)", text)
    if found is None:
        return text.splitlines()[0]
    return {
        "NETWORK_CONNECTION": "the object store at COINLAKE_S3_ENDPOINT does not answer",
        "SIGNATURE_DOES_NOT_MATCH": "the object store refuses the secret in COINLAKE_S3_SECRET_KEY",
        "INVALID_ACCESS_KEY_ID": "the object store does not know the key in COINLAKE_S3_ACCESS_KEY",
        "ACCESS_DENIED": "the object store denies access to the key in COINLAKE_S3_ACCESS_KEY",
        "NO_SUCH_BUCKET": "the bucket does not exist",
    }.get(found[1], f"the object store answered {found[1]}")


def _date_of(path: str) -> str:
    return path.rsplit("/", 2)[1]


def _nothing(table: Table) -> NoDataError:
    return NoDataError(f'expected the published table {table.name}, found none: run "coinlake process" first')
