"""A recording of three venues, made here: quotes, trades and posts whose times are their own, not those of a poll."""

import datetime as dt
import json
from pathlib import Path

import msgspec

from contracts.settings import IngestSettings
from simulator.coinmarketcap_generated import generated
from simulator.import_posts import import_posts
from simulator.market import Market
from simulator.recording import Exchange, Pushed, RecordedRequest, RecordedResponse, write_recording
from simulator.wire import Request
from simulator.x.tape import id_at

BEGIN = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
QUIET_SECONDS, SECONDS = 200, 400
"""Before, nothing happens: a generator may start at another moment each time."""
TRADES = range(QUIET_SECONDS, SECONDS - 40)
QUOTES = (0, 210, 270, 330)
POSTS = range(QUIET_SECONDS, SECONDS - 120, 2)
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def at(seconds: float) -> dt.datetime:
    return BEGIN + dt.timedelta(seconds=seconds)


def milliseconds(seconds: float) -> int:
    return int(at(seconds).timestamp() * 1000)


def write(folder: Path) -> None:
    """Write the recording."""
    folder.mkdir()
    market, asked = generated(Market(1)), Request("/v3/cryptocurrency/listings/latest", {"convert": "USD"}, {})
    answers = []
    for second in QUOTES:
        answer = market(asked, at(second))
        assert answer is not None
        answers.append(
            Exchange(
                at(second),
                RecordedRequest("GET", asked.path),
                RecordedResponse(200, {"Content-Type": "application/json"}, msgspec.Raw(answer.body)),
            )
        )
    write_recording(folder / "coinmarketcap.jsonl.gz", answers)
    write_recording(
        folder / "binance.jsonl.gz",
        [
            Pushed(at(second), f"{symbol.lower()}@aggTrade", msgspec.Raw(json.dumps(trade(symbol, second)).encode()))
            for second in TRADES
            for symbol in SYMBOLS
        ],
    )
    lines = [
        {
            "id": post_id(second),
            "text": f"post of second {second} 🚀",
            "created_at": at(second).isoformat(),
        }
        for second in POSTS
    ]
    file = folder.parent / "posts.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    import_posts(file, folder, IngestSettings.model_fields["x_query_bitcoin"].default)


def post_id(second: float) -> str:
    return str(id_at(milliseconds(second)))


def trade(symbol: str, second: int) -> dict[str, object]:
    """Return a trade frame as the venue pushes it; its price is its second."""
    number, time = second + 1000, milliseconds(second)
    return {
        **{"e": "aggTrade", "E": time, "s": symbol, "a": number, "p": f"{second}.5", "q": "1.0"},
        **{"f": number, "l": number, "T": time, "m": True, "M": True},
    }
