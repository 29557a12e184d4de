"""The object store behind the lake, as the few operations the jobs need.

Two stores obey the same Protocol: S3 (MinIO or any other) and a folder, for a `file://` lake. Conditional puts are
what the writer lease stands on.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError

from contracts.errors import StoreError
from contracts.settings import LakeSettings


class Stored(msgspec.Struct, frozen=True):
    """An object and the tag of its content: a put that names the tag succeeds only if nobody replaced it."""

    body: bytes
    tag: str


class ObjectStore(Protocol):
    """One bucket or folder."""

    def get(self, key: str) -> Stored | None:
        """Read an object; None where there is none."""

    def put(self, key: str, body: bytes) -> None:
        """Write an object, atomically."""

    def put_if(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Write only if the object still has this tag (None: does not exist). Return the new tag, None when refused."""

    def keys(self, prefix: str) -> Iterator[str]:
        """List the keys that start with a prefix."""

    def folders(self, prefix: str) -> Iterator[str]:
        """List the names directly below a prefix that ends in "/"."""

    def delete(self, keys: list[str]) -> None:
        """Delete objects; one that does not exist is no error."""


class S3Store:
    """One bucket of any S3 store, or what lies below a prefix of it."""

    def __init__(self, settings: LakeSettings, bucket: str, prefix: str = "") -> None:
        self._bucket = bucket
        self._prefix = f"{prefix}/" if prefix else ""
        self._endpoint = settings.s3_endpoint
        self._where = f"bucket {bucket} at {settings.s3_endpoint}"
        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            region_name=settings.s3_region,
            aws_access_key_id=settings.s3_access_key.get_secret_value(),
            aws_secret_access_key=settings.s3_secret_key.get_secret_value(),
            config=Config(
                connect_timeout=5,
                read_timeout=20,
                retries={"max_attempts": 4, "mode": "standard"},
                s3={"addressing_style": "path"},
                max_pool_connections=16,
            ),
        )

    def check(self) -> None:
        """Raise StoreError with one clear line unless the bucket can be reached with our key."""
        self._call("list_objects_v2", MaxKeys=1)

    def get(self, key: str) -> Stored | None:
        """Read an object; None where there is none."""
        try:
            answer = self._call("get_object", Key=self._prefix + key)
        except RefusedError as refused:
            if refused.code in {"NoSuchKey", "404"}:
                return None
            raise
        return Stored(body=answer["Body"].read(), tag=answer["ETag"])

    def put(self, key: str, body: bytes) -> None:
        """Write an object with a single PUT."""
        self._call("put_object", Key=self._prefix + key, Body=body)

    def put_if(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Write with If-None-Match or If-Match.

        A refusal may answer our own repeated request, whose first answer was lost: then the body there is ours.
        """
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        try:
            return str(self._call("put_object", Key=self._prefix + key, Body=body, **condition)["ETag"])
        except RefusedError as refused:
            if refused.code not in {"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchKey"}:
                raise
        there = self.get(key)
        return there.tag if there is not None and there.body == body else None

    def keys(self, prefix: str) -> Iterator[str]:
        """List keys, a page of 1,000 at a time."""
        for page in self._pages(Prefix=self._prefix + prefix):
            for item in page.get("Contents", []):
                yield item["Key"].removeprefix(self._prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        """List the common prefixes below a prefix."""
        whole = self._prefix + prefix
        for page in self._pages(Prefix=whole, Delimiter="/"):
            for item in page.get("CommonPrefixes", []):
                yield item["Prefix"].removeprefix(whole).rstrip("/")

    def delete(self, keys: list[str]) -> None:
        """Delete up to 1,000 objects per request."""
        for start in range(0, len(keys), 1000):
            chunk = [{"Key": self._prefix + key} for key in keys[start : start + 1000]]
            self._call("delete_objects", Delete={"Objects": chunk, "Quiet": True})

    def _pages(self, **arguments: str) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", **arguments, **token)
            yield page
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, operation: str, **arguments: object) -> Any:
        try:
            return getattr(self._s3, operation)(Bucket=self._bucket, **arguments)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", "unknown"))
            raise RefusedError(_explained(code, self._where), code) from None
        except EndpointConnectionError:
            raise StoreError(
                f"expected an object store at {self._endpoint}, found none:"
                ' start it with "coinlake up" or set COINLAKE_S3_ENDPOINT'
            ) from None
        except BotoCoreError as error:
            raise StoreError(f"expected the object store to answer ({self._where}), found: {error}") from None


class RefusedError(StoreError):
    """The store answered with an error; `code` is S3's word for it."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


def _explained(code: str, where: str) -> str:
    return {
        "NoSuchBucket": f'{where} does not exist: create it with "coinlake up"',
        "SignatureDoesNotMatch": f"{where} refuses the secret in COINLAKE_S3_SECRET_KEY",
        "InvalidAccessKeyId": f"{where} does not know the key in COINLAKE_S3_ACCESS_KEY",
        "AccessDenied": f"{where} does not exist, or is closed to the key in COINLAKE_S3_ACCESS_KEY",
        "XMinioStorageFull": f"{where} has no room left: free some space and run again",
    }.get(code, f"{where} answered {code}")


class FolderStore:
    """One folder of a file system, for a lake without an object store."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self) -> None:
        """Raise StoreError unless the folder can be made."""
        try:
            self._root.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"expected a folder that can be written, found {self._root}: {error.strerror}") from None

    def get(self, key: str) -> Stored | None:
        """Read a file; None where there is none."""
        try:
            body = (self._root / key).read_bytes()
        except FileNotFoundError:
            return None
        return Stored(body=body, tag=_digest(body))

    def put(self, key: str, body: bytes) -> None:
        """Write beside and rename over."""
        place = self._root / key
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = place.with_name(f".{place.name}.{os.getpid()}")
        beside.write_bytes(body)
        beside.replace(place)

    def put_if(self, key: str, body: bytes, tag: str | None) -> str | None:
        """Write while holding a lock that the system takes back from a process that dies."""
        place = self._root / key
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.with_name(f".{place.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            now = self.get(key)
            if (now.tag if now else None) != tag:
                return None
            self.put(key, body)
            return _digest(body)

    def keys(self, prefix: str) -> Iterator[str]:
        """List files below a prefix."""
        folder = self._root / prefix.rpartition("/")[0]
        for path in sorted(folder.rglob("*")) if folder.exists() else ():
            key = path.relative_to(self._root).as_posix()
            if path.is_file() and key.startswith(prefix):
                yield key

    def folders(self, prefix: str) -> Iterator[str]:
        """List folders directly below a prefix."""
        folder = self._root / prefix
        yield from (path.name for path in sorted(folder.iterdir()) if path.is_dir()) if folder.exists() else ()

    def delete(self, keys: list[str]) -> None:
        """Delete files."""
        for key in keys:
            (self._root / key).unlink(missing_ok=True)


def _digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def open_store(settings: LakeSettings, uri: str) -> S3Store | FolderStore:
    """Open the bucket or folder of a URI and check that it can be used.

    Raises:
        StoreError: it cannot be reached, does not exist, or refuses our key; the message says which.
    """
    scheme, _, place = uri.partition("://")
    bucket, _, prefix = place.partition("/")
    store = S3Store(settings, bucket, prefix) if scheme == "s3a" else FolderStore(Path(place))
    store.check()
    return store
