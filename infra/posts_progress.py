"""How `coinlake import-posts` shows its progress: a line that counts on a terminal, its sum at the end everywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from ingest.import_posts import Imported, Watch


@contextmanager
def showing_progress(path: Path) -> Iterator[Watch]:
    """Show a run over a file while the block runs, and what became of its rows at the end."""
    console = Console(highlight=False, markup=False, soft_wrap=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    so_far = [Imported()]
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(path.name, total=None)

        def watch(imported: Imported) -> None:
            so_far[0] = imported
            bar.update(task, description=f"{path.name}  {imported.rows:,} rows read")

        yield watch
    done = so_far[0]
    before = done.rows - done.new - done.rejected
    console.print(
        f"{path.name}  {done.rows:,} rows: {done.new:,} posts new, {before:,} there before, {done.rejected:,} rejected"
    )
    if done.rejected:
        console.print(f"rejected rows are in ingest_rejected, with the reason; the first: {done.first_reason[:200]}")
