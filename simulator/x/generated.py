"""Generated posts: what people write as a coin's price rises and falls, a pure function of (seed, time).

There are good words and bad ones, more of one kind as the price moves, and what makes texts hard to read: mentions,
links, cashtags, emoji, spam that repeats itself. A query finds the posts of each coin whose name is in it.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from simulator.market import Market
from simulator.noise import uniform
from simulator.wire import venue_time
from simulator.x.tape import TapedPost, id_at, ms_of

POSTS_A_MINUTE = 20
_MINUTE_MS = 60_000
_SERIES = 40_000
_MOST_A_MINUTE = 100_000
_TREND_SECONDS = 600
_AUTHORS = 5_000
_COINS = {"bitcoin": ("BTC", "Bitcoin"), "ethereum": ("ETH", "Ethereum")}

_GOOD = (
    "{name} looks strong today, great volume and higher lows 🚀",
    "Bought more ${symbol}. Love this market!",
    "@moonwatcher #{symbol} to the moon 🚀🚀🚀 very happy holder",
    "Best week for {name} in a long time, adoption is growing https://t.co/a1b2c3d4e5",
    "Breakout on the #{symbol} chart, bulls are winning",
)
_BAD = (
    "{name} is crashing again, terrible day 😡",
    "Sold all my ${symbol}, I am afraid of a bigger dump",
    "@bearden another #{symbol} scam, lost a lot of money",
    "Bad news for {name}: weak demand and panic selling https://t.co/f6g7h8i9j0",
    "Rekt. #{symbol} liquidations everywhere",
)
_PLAIN = (
    "{name} block height and fees: {number} sat",
    "What do you think about #{symbol} this week?",
    "Reading about {name} wallets and keys https://t.co/k1l2m3n4o5",
)
_SPAM = ("FREE ${symbol} GIVEAWAY!!! Send 1 get 2 back >> https://t.co/p6q7r8s9t0 #crypto #airdrop",)


class GeneratedPosts:
    """The posts of one market about two coins."""

    def __init__(self, market: Market, a_minute: int) -> None:
        self._market = market
        self._a_minute = a_minute
        self._minute = lru_cache(maxsize=512)(self._make_minute)

    def newest_first(self, query: str, above: int, below: int) -> Iterator[TapedPost]:
        """Give the posts about the coins that the query names with an id between two, the newest first."""
        coins = tuple(coin for coin in _COINS if coin in query.lower())
        if not coins or not self._a_minute:
            return
        for minute in range(ms_of(below) // _MINUTE_MS, ms_of(above) // _MINUTE_MS - 1, -1):
            found = [post for coin in coins for post in self._minute(coin, minute) if above < post.number < below]
            yield from sorted(found, key=lambda post: -post.number)

    def _make_minute(self, coin: str, minute: int) -> Sequence[TapedPost]:
        seed, place = self._market.seed, list(_COINS).index(coin)
        series = np.asarray(_SERIES + 100 * place, dtype=np.int64)
        busy = uniform(seed, series, np.asarray(minute)).item()
        count = round(self._a_minute * (0.5 + busy))
        ids = minute * _MOST_A_MINUTE + np.arange(count, dtype=np.int64)
        draw = [uniform(seed, series + 1 + number, ids).tolist() for number in range(6)]
        rows, second = np.asarray([place], dtype=np.int64), np.asarray([minute * 60], dtype=np.int64)
        now, before = (self._market.usd(rows, second - ago).item() for ago in (0, _TREND_SECONDS))
        mood = 0.6 if now >= before else 0.3
        return [
            self._post(coin, minute * _MINUTE_MS + int(moment * _MINUTE_MS), number, mood, others)
            for number, (moment, *others) in enumerate(zip(*draw, strict=True))
        ]

    def _post(self, coin: str, ms: int, sequence: int, mood: float, draw: Sequence[float]) -> TapedPost:
        kind, words, who, likes, reposts = draw
        symbol, name = _COINS[coin]
        if kind < 0.05:
            texts: Sequence[str] = _SPAM
        elif kind < 0.3:
            texts = _PLAIN
        else:
            texts = _GOOD if (kind - 0.3) / 0.7 < mood else _BAD
        number = id_at(ms) + 8_192 * list(_COINS).index(coin) + sequence
        author = int(who**2 * _AUTHORS)
        item: dict[str, Any] = {
            "id": str(number),
            "text": texts[int(words * len(texts))].format(symbol=symbol, name=name, number=int(1 + likes * 90)),
            "edit_history_tweet_ids": [str(number)],
            "created_at": venue_time(dt.datetime.fromtimestamp(ms // 1000, dt.UTC)),
            "lang": "en",
            "author_id": str(10_000 + author),
            "public_metrics": {
                "retweet_count": int(20 * reposts**6),
                "reply_count": int(5 * words**6),
                "like_count": int(80 * likes**6),
                "quote_count": 0,
                "bookmark_count": 0,
                "impression_count": 0,
            },
        }
        followers = int(np.exp(3 + 9 * uniform(self._market.seed, np.asarray(_SERIES - 1), np.asarray(author)).item()))
        return TapedPost(number, item, {"id": item["author_id"], "public_metrics": {"followers_count": followers}})
