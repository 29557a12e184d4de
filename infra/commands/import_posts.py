"""`coinlake import-posts`: a file of posts into the topic of its coin."""

from pathlib import Path
from typing import Annotated

import typer

from contracts.settings import JobSettings, KafkaSettings
from infra.transport import TRANSPORT, transport_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(name="import-posts")(import_posts)


def import_posts(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines (.jsonl) or CSV (.csv), also with .gz")],
    coin: Annotated[str, typer.Option(help="which coin the posts are about: bitcoin or ethereum")],
    transport: Annotated[str | None, typer.Option(help=TRANSPORT)] = None,
) -> None:
    """Take posts out of a file into Kafka: each once, however often this is run or killed.

    A row has id, text and created_at, and may have lang, author_id, author_followers, retweet_count, reply_count,
    like_count and quote_count. What is no post is kept in ingest_rejected, with its line and the reason. ZeroMQ keeps
    nothing: over it the whole file is sent again each time, to the workers that are there.
    """
    from infra.posts_progress import showing_progress
    from ingest import logs
    from ingest.import_posts import import_posts as import_file

    logs.configure()
    with showing_progress(path) as watch:
        import_file(path, coin, KafkaSettings.load(), JobSettings.load(), watch, transport_settings(transport))
