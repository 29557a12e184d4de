"""`coinlake maintain`: submit the maintenance of the tables."""

from typing import Annotated

import typer

from infra.commands.process import Master, submit


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(maintain)


def maintain(
    retain_hours: Annotated[
        int, typer.Option(min=0, help="how long files of older versions stay, for asof and for who is reading")
    ] = 168,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only say what would be done")] = False,
    force_short: Annotated[bool, typer.Option("--force-short", help="allow less than 24 hours")] = False,
    master: Master = None,
) -> None:
    """Merge small files, remove those that no version needs any more, shorten the logs; no row changes.

    It waits for nobody: while `process` or `backfill` runs it is refused, with one line.
    """
    if retain_hours < 24 and not force_short:
        raise typer.BadParameter(
            f"expected at least 24 hours, found {retain_hours}: --force-short allows it, and takes the files from under"
            " whoever reads them"
        )
    flags = [*(["--dry-run"] if dry_run else []), *(["--force-short"] if force_short else [])]
    submit("maintain", ["--retain-hours", str(retain_hours), *flags], master)
