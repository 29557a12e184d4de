"""Apache Flink's SQL, in Python packages of its own; see `job.py` for the query and for what was tuned."""

import hashlib
import sys
from pathlib import Path

from infra.setup import tools
from infra.setup.cache import cache_root, ensure_entry, lock
from infra.setup.java import find_java
from infra.setup.package_folder import ensure_package_folder

HERE = Path(__file__).parent
POM = HERE / "pom.xml"


def flink_command(folder: Path) -> tuple[list[str], dict[str, str]]:
    """Fetch Flink (725 MB) and its Kafka connector where they are missing; return how to start the job.

    Raises:
        StackError: they cannot be fetched.
    """
    packages, java = ensure_package_folder("live-flink", HERE / "requirements.lock"), find_java()
    (connector,) = ensure_connector().glob("*.jar")
    env = {
        "PYTHONPATH": str(packages),
        "JAVA_HOME": str(java.parent.parent),
        "FLINK_CONNECTOR": connector.as_uri(),
        "FLINK_STATE": folder.as_uri(),
    }
    return [sys.executable, str(HERE / "job.py")], env


def ensure_connector() -> Path:
    """Return the folder of the Kafka connector, fetched by Maven first if need be (11 MB).

    Raises:
        StackError: no JDK, no Maven, or Maven failed.
    """

    def fetch(folder: Path) -> None:
        maven = tools.find("mvn", "install Maven 3.8 or newer")
        options = ["--batch-mode", "--no-transfer-progress", f"-Djars.folder={folder}"]
        # Maven's own repository is not safe for two runs that download the same file at once.
        with lock(cache_root() / "maven.lock"):
            tools.run([maven, *options, "-f", str(POM), "dependency:copy"], log=tools.log_file("live-flink-jars"))

    return ensure_entry(f"live-flink-jars-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}", fetch)
