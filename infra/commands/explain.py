"""`coinlake explain`: where one candle comes from, back to the messages in Kafka."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(explain)


def explain(
    coin: Annotated[str, typer.Argument(help="such as BTC")],
    time: Annotated[str, typer.Argument(help="a time in the candle, UTC, such as 2024-03-19T22:05")],
    venue: Annotated[str, typer.Option(help="coin_market_cap, wallex or base_tmn")] = "coin_market_cap",
    quote: Annotated[
        list[str] | None, typer.Option("--quote", help="the series in this quote alone; may be repeated")
    ] = None,
) -> None:
    """Walk a candle back: candle, rows of bronze, Kafka offsets, values on the wire."""
    import shutil

    from rich.console import Console

    from contracts.settings import KafkaSettings, LakeSettings
    from serve.explain import explain as explain_candle
    from serve.kafka_messages import KafkaMessages
    from serve.tables_of_record import TablesOfRecord

    explain_candle(
        TablesOfRecord(LakeSettings.load()),
        KafkaMessages(KafkaSettings.load()),
        coin,
        time,
        venue,
        quote or (),
        Console(width=shutil.get_terminal_size((100, 24)).columns),
    )
