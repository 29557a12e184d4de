"""`python3 -m infra.setup`: make everything that is missing, side by side; quick when all is there."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

from infra.connect.plugin import ensure_sink
from infra.jars import ensure_kafka_jars, ensure_questdb_jars, ensure_spark_jars
from infra.setup import tools
from infra.setup.minio import ensure_minio
from infra.setup.python_packages import ensure_packages
from infra.setup.side_by_side import Part, run_parts

MINIO = "MinIO"
PARTS = (
    Part("Python packages", ensure_packages, "downloading and installing what requirements.lock pins"),
    Part("Kafka jars", ensure_kafka_jars, "Maven is fetching 92 jars"),
    Part("Spark jars", ensure_spark_jars, "Maven is fetching 46 jars"),
    Part("QuestDB jar", ensure_questdb_jars, "Maven is fetching 30 MB"),
    Part("QuestDB sink", ensure_sink, "Maven is building it"),
    Part(MINIO, ensure_minio, "building from source, once; about 4 minutes on 2 cores"),
)


def main() -> int:
    """Set up every part and return the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    try:
        errors = run_parts(PARTS, say=_say, stop=tools.stop_all)
    except (KeyboardInterrupt, SystemExit):
        _say("set-up: stopped; what was finished is kept")
        return 130
    for name, error in errors.items():
        print(f"set-up: {name}: {error}", file=sys.stderr, flush=True)
    if set(errors) == {MINIO} and not os.environ.get("CI"):
        _say("set-up: without MinIO the lake is in files")
        return 0
    return 1 if errors else 0


def _say(line: str) -> None:
    print(line, flush=True)


def _terminate(_number: int, _frame: FrameType | None) -> NoReturn:
    raise SystemExit(143)


if __name__ == "__main__":
    sys.exit(main())
