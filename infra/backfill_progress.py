"""How `coinlake backfill` shows its progress: a bar on a terminal, a line a file everywhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from spark_jobs.backfill import Imported, Watch


@contextmanager
def showing_progress(files: Sequence[Path]) -> Iterator[Watch]:
    """Show a run over these files while the block runs, and its sum at the end."""
    console = Console(highlight=False, soft_wrap=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        shown = _Shown(bar, console, len(files))
        yield shown
    console.print(f"{shown.new:,} rows imported from {shown.files} files")


class _Shown:
    def __init__(self, bar: Progress, console: Console, files: int) -> None:
        self._bar = bar
        self._console = console
        self._task = bar.add_task("files", total=files)
        self._read = 0
        self.new = 0
        self.files = 0

    def begins(self, path: Path) -> None:
        self._bar.update(self._task, description=path.name)

    def moved(self, rows: int) -> None:
        self._read += rows
        self._bar.update(self._task, description=f"{self._read:,} rows read")

    def ended(self, imported: Imported) -> None:
        self.files += 1
        self.new += imported.new
        self._bar.advance(self._task)
        checked = ", checksum right" if imported.verified else ""
        what = f"{imported.new:,} rows imported" if imported.new else "already in, skipped"
        if 0 < imported.new < imported.rows:
            what += f", {imported.rows - imported.new:,} were in"
        self._console.print(f"{imported.path.name}  {what}{checked}")
