"""The Spark that has Real-Time Mode for stateful queries, in an environment of its own.

pyspark 4.3.0 has no Delta and no Kafka connector of its own version yet, so the lake's jobs stay with the Spark of
pyproject.toml; the live job alone runs here, with the Kafka connector of that Spark.
"""

from pathlib import Path

from infra.setup.package_folder import ensure_package_folder

LOCK = Path(__file__).parent / "requirements.lock"


def ensure_real_time_packages() -> Path:
    """Return the folder with the packages of the lock, installed first if need be (450 MB).

    Raises:
        StackError: they cannot be installed.
    """
    return ensure_package_folder("spark-real-time", LOCK)
