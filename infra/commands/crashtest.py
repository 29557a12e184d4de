"""`coinlake crashtest`: kill brokers, drivers and the generator, and show that nothing is lost, doubled or changed."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(crashtest)


def crashtest(
    seed: Annotated[
        int | None, typer.Option(min=0, help="what is done and when is drawn from it; default: a fresh one, printed")
    ] = None,
) -> None:
    """Kill the broker, the Spark driver and the generator at drawn moments, and compare with an undisturbed run.

    It works in a stack of its own, made anew each time, takes about five minutes, and leaves nothing running.
    """
    import secrets

    from contracts.settings import home
    from infra.crashtest.run import crashtest as run
    from infra.terminal import say

    drawn = secrets.randbelow(1_000_000) if seed is None else seed
    say(f"crashtest: seed {drawn} (to repeat it: coinlake crashtest --seed {drawn})")
    run(home() / "crashtest", drawn)
