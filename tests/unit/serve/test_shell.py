"""The lines of `coinlake env`, as a shell reads them."""

import subprocess

from pydantic import SecretStr

from contracts.settings import KafkaSettings, LakeSettings
from serve.shell import exports

AWKWARD = 'it\'s $HOME `x` "y"'


def test_a_shell_that_evaluates_the_lines_has_the_values_whatever_is_in_them() -> None:
    lake = LakeSettings(s3_access_key=SecretStr("job"), s3_secret_key=SecretStr(AWKWARD))
    lines = "\n".join(exports(lake, KafkaSettings()))
    show = 'printf "%s|" "$AWS_ACCESS_KEY_ID" "$AWS_SECRET_ACCESS_KEY" "$AWS_ENDPOINT_URL" "$AWS_REGION" "$CANDLES"'
    done = subprocess.run(["/bin/sh", "-c", f"{lines}\n{show}"], capture_output=True, text=True, check=True, env={})
    assert done.stdout.split("|") == [
        *("job", AWKWARD, "http://127.0.0.1:9000", "us-east-1", "s3://lake-house/published/candles", "")
    ]


def test_a_key_that_is_not_set_is_not_exported_as_nothing() -> None:
    names = [line.split("=")[0] for line in exports(LakeSettings(), KafkaSettings())]
    assert "export AWS_ACCESS_KEY_ID" not in names
    assert "export COINLAKE_S3_SECRET_KEY" not in names


def test_a_lake_in_files_needs_no_key() -> None:
    lines = list(exports(LakeSettings(lake="file:///data/lake"), KafkaSettings()))
    assert "export MARKET_CAP=file:///data/lake/published/market_cap" in lines
    assert not any("AWS_" in line for line in lines)
