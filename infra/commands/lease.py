"""`coinlake lease`: who writes the tables."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(lease)


def lease(
    here: Annotated[
        bool, typer.Option("--here", help="exit with 1 unless a driver on this host holds a lease: a health check")
    ] = False,
) -> None:
    """Show which driver holds the writer lease of each table, and until when; a lease that ran out is left out."""
    import datetime as dt
    import socket

    import msgspec

    from contracts.records import wire_time
    from contracts.settings import LakeSettings
    from contracts.tables import TABLES
    from infra.terminal import say, table
    from spark_jobs.edges.lease import Holder, lease_key
    from spark_jobs.edges.store import open_store

    settings = LakeSettings.load()
    store, now = open_store(settings, settings.state), dt.datetime.now(dt.UTC)
    stored = {each.name: store.get(lease_key(each)) for each in TABLES}
    holders = {name: msgspec.json.decode(found.body, type=Holder) for name, found in stored.items() if found}
    live = {name: holder for name, holder in holders.items() if holder.until > now}
    if live:
        rows = [(name, holder.host, str(holder.pid), wire_time(holder.until)) for name, holder in live.items()]
        table(("table", "host", "pid", "until"), rows)
    else:
        say("no driver is writing")
    if here and socket.gethostname() not in {holder.host for holder in live.values()}:
        raise typer.Exit(1)
