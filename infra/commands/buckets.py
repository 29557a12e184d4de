"""`coinlake buckets apply`: the buckets of the lake and the jobs' key, in a MinIO beside the embedded stack."""

import typer

from contracts.errors import SettingsError
from infra.terminal import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(name="buckets", help="The buckets of the lake, and the key of the jobs.")
    # With a callback, a group of one command keeps that command's name.
    group.callback()(lambda: None)
    group.command(name="apply")(apply_command)
    app.add_typer(group)


def apply_command() -> None:
    """Make the buckets and the jobs' key in the MinIO at COINLAKE_S3_ENDPOINT; what is there already stays.

    Needs MinIO's own user (COINLAKE_MINIO_ROOT_USER, COINLAKE_MINIO_ROOT_PASSWORD). Another S3 has its own ways to
    make buckets and keys: make them there, with the rights of infra.object_store.job_policy.
    """
    from contracts.settings import LakeSettings
    from infra import object_store

    lake, root = LakeSettings.load(), object_store.StoreRootSettings.load()
    values = {
        "COINLAKE_MINIO_ROOT_USER": root.minio_root_user.get_secret_value(),
        "COINLAKE_MINIO_ROOT_PASSWORD": root.minio_root_password.get_secret_value(),
        "COINLAKE_S3_ACCESS_KEY": lake.s3_access_key.get_secret_value(),
        "COINLAKE_S3_SECRET_KEY": lake.s3_secret_key.get_secret_value(),
    }
    missing = [name for name, value in values.items() if not value]
    if missing:
        raise SettingsError(f"expected values of {', '.join(missing)}, found none")
    scheme, _, address = lake.s3_endpoint.partition("://")
    if scheme != "http":
        raise SettingsError(f"COINLAKE_S3_ENDPOINT: expected http:// and MinIO's address, found {lake.s3_endpoint!r}")
    user, password, access_key, secret_key = values.values()
    object_store.prepare(
        address, root_user=user, root_password=password, job_access_key=access_key, job_secret_key=secret_key
    )
    for bucket in object_store.BUCKETS:
        say(f"bucket {bucket} is there")
    say("the jobs' key opens these buckets and nothing else")
