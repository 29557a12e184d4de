"""Where Spark writes its event logs."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from contracts.settings import LakeSettings
from spark_jobs.edges.store import open_store


def event_log_conf(folder: str, lake: LakeSettings) -> dict[str, str]:
    """Return Spark's configuration for event logs in a folder, which is made: Spark refuses one that is not there.

    Raises:
        StoreError: the object store cannot be reached, refuses the key, or lacks the bucket.
    """
    if not folder:
        return {}
    uri = folder.rstrip("/")
    if uri.startswith("file:"):
        Path(unquote(urlsplit(uri).path)).mkdir(parents=True, exist_ok=True)
    else:
        bucket, _, path = uri.removeprefix("s3a://").partition("/")
        if path:
            open_store(lake, f"s3a://{bucket}").put(f"{path}/", b"")
    return {"spark.eventLog.enabled": "true", "spark.eventLog.dir": uri}
