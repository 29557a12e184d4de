"""The shell lines with which other tools reach the lake: pandas, pyarrow, DuckDB, the AWS tools, spark-shell."""

import shlex
from collections.abc import Iterator

from contracts.settings import KafkaSettings, LakeSettings
from contracts.tables import PUBLISHED
from serve.published import uri_of


def exports(lake: LakeSettings, kafka: KafkaSettings) -> Iterator[str]:
    """Write one `export NAME=value` a line, keys in clear text; a key that is not set is left out.

    The published tables have their names in capitals: `CANDLES`, `MARKET_CAP`.
    """
    for name, value in _variables(lake, kafka).items():
        if value:
            yield f"export {name}={shlex.quote(value)}"


def _variables(lake: LakeSettings, kafka: KafkaSettings) -> dict[str, str]:
    access_key, secret_key = lake.s3_access_key.get_secret_value(), lake.s3_secret_key.get_secret_value()
    ours = {
        "COINLAKE_KAFKA_BOOTSTRAP_SERVERS": kafka.kafka_bootstrap_servers,
        "COINLAKE_LAKE": lake.lake,
        "COINLAKE_STATE": lake.state,
        "COINLAKE_S3_ENDPOINT": lake.s3_endpoint,
        "COINLAKE_S3_REGION": lake.s3_region,
        "COINLAKE_S3_ACCESS_KEY": access_key,
        "COINLAKE_S3_SECRET_KEY": secret_key,
    }
    published = {table.name.upper(): uri_of(lake, table) for table in PUBLISHED}
    if lake.lake.startswith("file:"):
        return {**ours, **published}
    theirs = {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "AWS_ENDPOINT_URL": lake.s3_endpoint,
        "AWS_REGION": lake.s3_region,
    }
    return {**theirs, **ours, **published}
