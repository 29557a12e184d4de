"""The buckets of the embedded object store, and a key for the jobs that opens these buckets and nothing else."""

import json

import urllib3
from minio import Minio, MinioAdmin
from minio.credentials import StaticProvider
from minio.error import MinioAdminException, MinioException, S3Error
from pydantic import SecretStr

from contracts.errors import StoreError
from contracts.settings import SettingsGroup

BUCKETS = ("lake-house", "spark")
POLICY = "coinlake-job"


class StoreRootSettings(SettingsGroup):
    """MinIO's own user, with which `coinlake buckets apply` makes the buckets; no job is ever given it."""

    minio_root_user: SecretStr = SecretStr("")
    minio_root_password: SecretStr = SecretStr("")


def job_policy() -> dict[str, object]:
    """Build the policy of the jobs' key: list, get, put and delete in the two buckets."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["s3:ListBucket", "s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
                "Resource": [f"arn:aws:s3:::{bucket}" for bucket in BUCKETS],
            },
            {
                "Effect": "Allow",
                "Action": [
                    "s3:GetObject",
                    "s3:PutObject",
                    "s3:DeleteObject",
                    "s3:AbortMultipartUpload",
                    "s3:ListMultipartUploadParts",
                ],
                "Resource": [f"arn:aws:s3:::{bucket}/*" for bucket in BUCKETS],
            },
        ],
    }


def prepare(address: str, *, root_user: str, root_password: str, job_access_key: str, job_secret_key: str) -> None:
    """Make the buckets and the jobs' key; what is there already stays.

    Args:
        address: host and port of the object store.
        root_user: the store's own user.
        root_password: its password.
        job_access_key: the access key the jobs will use.
        job_secret_key: its secret.

    Raises:
        StoreError: the store cannot be reached or refuses.
    """
    http = _http()
    key = StaticProvider(root_user, root_password)
    store = Minio(address, credentials=key, secure=False, http_client=http)
    admin = MinioAdmin(endpoint=address, credentials=key, secure=False, http_client=http)
    try:
        for bucket in BUCKETS:
            _make_bucket(store, bucket)
        admin.user_add(job_access_key, job_secret_key)
        admin.policy_add(POLICY, policy=job_policy())
        admin.policy_set(POLICY, user=job_access_key)
    except MinioAdminException as error:
        raise StoreError(f"the object store at {address} refused to make the jobs' key: {_reason(error)}") from None
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise StoreError(f"the object store at {address} did not make its buckets: {error}") from None


def _http() -> urllib3.PoolManager:
    """Return connections that try again soon: for a moment after it says it is ready, MinIO answers 503.

    That answer asks for a wait of a minute, which is not heeded.
    """
    retry = urllib3.Retry(
        total=60,
        backoff_factor=0.1,
        backoff_max=0.5,
        status_forcelist=[503],
        allowed_methods=None,
        respect_retry_after_header=False,
    )
    return urllib3.PoolManager(retries=retry, timeout=urllib3.Timeout(connect=5, read=30))


def _make_bucket(store: Minio, bucket: str) -> None:
    try:
        store.make_bucket(bucket)
    except S3Error as error:
        if error.code != "BucketAlreadyOwnedByYou":
            raise


def _reason(error: MinioAdminException) -> str:
    try:
        return str(json.loads(str(error.args[-1]))["Message"])
    except (ValueError, KeyError, TypeError, IndexError):
        return str(error)
