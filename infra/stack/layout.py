"""Where the embedded stack keeps what: everything under one folder, secrets readable by the owner alone."""

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from contracts.errors import StackError

LONGEST_SOCKET_PATH = 90
"""A Unix socket's path has 107 bytes; supervisord appends its pid while it binds."""


@dataclass(frozen=True)
class Layout:
    """The paths of one embedded stack."""

    home: Path

    @property
    def stack_env(self) -> Path:
        """Where the ports and the job's key are written for every other command."""
        return self.home / "stack.env"

    @property
    def root_env(self) -> Path:
        """MinIO's own credentials: read by MinIO and by `up`, by no job."""
        return self.home / "minio-root.env"

    @property
    def ports(self) -> Path:
        """Which port each part was given at the last start."""
        return self.home / "ports.json"

    @property
    def lock(self) -> Path:
        """Held while the stack is being started or stopped."""
        return self.home / "stack.lock"

    @property
    def supervisor_conf(self) -> Path:
        """What supervisord runs."""
        return self.home / "supervisord.conf"

    @property
    def socket(self) -> Path:
        """Where supervisord takes commands; in a private temporary folder when `home` is too deep for a socket."""
        socket = self.home / "supervisor.sock"
        if len(os.fsencode(socket)) <= LONGEST_SOCKET_PATH:
            return socket
        name = hashlib.sha256(os.fsencode(self.home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"coinlake-{os.getuid()}-{name}" / "supervisor.sock"

    @property
    def kafka_conf(self) -> Path:
        """The broker's server.properties."""
        return self.home / "kafka" / "server.properties"

    @property
    def kafka_data(self) -> Path:
        """The broker's log segments and metadata."""
        return self.home / "kafka" / "data"

    def new_class_archive(self, program: str) -> Path:
        """Return where a JVM writes its class archive as it ends, before it is moved into the cache."""
        return self.home / "classes" / f"{program}.jsa"

    @property
    def minio_data(self) -> Path:
        """The object store's drive."""
        return self.home / "minio"

    @property
    def questdb_data(self) -> Path:
        """QuestDB's root folder: its tables, and its configuration."""
        return self.home / "questdb"

    @property
    def questdb_env(self) -> Path:
        """The passwords of QuestDB's users; readers find theirs in `stack.env`."""
        return self.home / "questdb.env"

    @property
    def connect_conf(self) -> Path:
        """Kafka Connect's worker.properties."""
        return self.home / "connect" / "worker.properties"

    @property
    def spark(self) -> Path:
        """Spark's scratch folder, of the drivers too."""
        return self.home / "spark"

    @property
    def spark_conf(self) -> Path:
        """The configuration of the cluster's master and workers."""
        return self.spark / "cluster.conf"

    @property
    def spark_workers(self) -> Path:
        """Where each worker keeps its executors: their logs and the files they were sent."""
        return self.spark / "worker"

    @property
    def spark_recovery(self) -> Path:
        """From what a master that was started again knows its workers and running jobs."""
        return self.spark / "recovery"

    @property
    def files(self) -> Path:
        """The lake when there is no object store."""
        return self.home / "files"

    def log(self, part: str) -> Path:
        """Return the log of a part."""
        return self.home / "logs" / f"{part}.log"

    def set_log_aside(self, part: str) -> None:
        """Let a part that is to be started begin a new log, so that no earlier run's error is taken for its own."""
        log = self.log(part)
        if log.exists():
            log.replace(log.with_name(log.name + ".1"))

    def make(self) -> None:
        """Make the folders.

        Raises:
            StackError: the temporary folder of the socket is not ours alone.
        """
        classes = self.new_class_archive("any").parent
        for folder in (self.home, self.kafka_conf.parent, self.minio_data, self.log("any").parent, classes):
            folder.mkdir(parents=True, exist_ok=True)
        if self.socket.parent != self.home:
            _make_private(self.socket.parent)


def _make_private(folder: Path) -> None:
    """Make a folder for its owner alone in one that everybody writes to, where another may have been first.

    Raises:
        StackError: there is something else of this name, or it is another user's, or others can write to it.
    """
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise StackError(
            f"expected {folder} to be a folder that only we can write to, found {stat.filemode(found.st_mode)} "
            f"of user {found.st_uid}: remove it, or choose a shorter COINLAKE_HOME"
        )
    folder.chmod(0o700)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read; it is replaced whole, never seen half-written."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    part.replace(path)


def read_env(path: Path) -> dict[str, str]:
    """Read a file of NAME=value lines; a file that is not there has none."""
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
