"""`coinlake dashboard` and `coinlake serve-dashboard`: the whole lakehouse on one page, with the query API or alone."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(dashboard)
    app.command("serve-dashboard")(serve_dashboard)


def dashboard(
    simulated: Annotated[
        bool,
        typer.Option(
            "--simulate",
            help="on a stack of its own, made anew, with liquidations of a generated market",
        ),
    ] = False,
    browser: Annotated[bool, typer.Option(help="open it in a browser")] = True,
    duration: Annotated[str | None, typer.Option(help="end after this long; without it at Ctrl-C")] = None,
) -> None:
    """Show the dashboard of the stack of `coinlake up --liquidations`: starts the query API and the page."""
    from contextlib import nullcontext

    from contracts.settings import home
    from infra.dashboard.run import Wish, running_dashboard, stack_of_its_own
    from infra.durations import parse_duration
    from infra.terminal import say

    wish = Wish(simulated, browser, parse_duration(duration) if duration else None)
    folder = home() / "dashboard" if simulated else home()
    with stack_of_its_own(folder) if simulated else nullcontext(), running_dashboard(folder, wish) as shown:
        say(f"dashboard: open {shown.url}  (query API: {shown.query_url}; Ctrl-C ends both)")
        shown.watch()
    say("dashboard: stopped")


def serve_dashboard() -> None:
    """Show the dashboard of a query API until SIGTERM or Ctrl-C."""
    import os

    from infra.stack.ports import choose_ports
    from serve.dashboard.server import command
    from serve.dashboard.settings import DashboardSettings

    settings = DashboardSettings.load()
    wanted = settings.dashboard_port
    started = command(settings, wanted or choose_ports({"dashboard_port": 0})["dashboard_port"])
    os.execv(started[0], started)
