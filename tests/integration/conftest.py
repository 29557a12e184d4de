"""One embedded stack for the whole session, and names that no other test uses."""

import os
import uuid
from collections.abc import Iterator

import boto3
import pytest
from mypy_boto3_s3 import S3Client

from contracts.errors import StackError
from infra.setup.minio import ensure_minio
from infra.stack import StackInfo, embedded_stack


def client_of(stack: StackInfo, *, access_key: str | None = None, secret_key: str | None = None) -> S3Client:
    """Return an S3 client with the jobs' key, or with another one."""
    return boto3.client(
        "s3",
        endpoint_url=stack.s3_endpoint,
        region_name="us-east-1",
        aws_access_key_id=access_key or stack.s3_access_key.get_secret_value(),
        aws_secret_access_key=secret_key or stack.s3_secret_key.get_secret_value(),
    )


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackInfo]:
    """Kafka and MinIO on free ports, with the declared topics; tests that break a part start their own."""
    try:
        ensure_minio()
    except StackError as error:
        if os.environ.get("CI"):
            pytest.fail(f"CI needs MinIO: {error}")
        pytest.skip(str(error))
    with embedded_stack(tmp_path_factory.mktemp("stack") / "home") as info:
        yield info


@pytest.fixture
def prefix() -> str:
    """Start a topic's or an object's name with this, and no other test meets it."""
    return f"t{uuid.uuid4().hex[:8]}-"


@pytest.fixture
def s3(stack: StackInfo) -> S3Client:
    """The object store, opened with the jobs' key."""
    return client_of(stack)
