"""Generated posts: what people write as a coin's price rises and falls, a pure function of (seed, time).

There are good words and bad ones, more of one kind as the price moves, and what makes texts hard to read: mentions,
links, cashtags, emoji, spam that repeats itself. But for the spam, one of ten posts nearly repeats another of some
hours. A query finds the posts of each coin whose name is in it.
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

_OPENINGS = (
    *(
        "Honestly,",
        "Morning all:",
        "Hot take:",
        "Not advice, but",
        "@moonwatcher",
        "@bearden I say",
        "Looking at this week,",
    ),
    *("After lunch I checked and", "Anyone else?", "My neighbour says", "gm 🚀", "Long thread, short version:"),
    *("Unpopular opinion:", "Just my two sats:", "Quick update:", "Four years in, and"),
)
_GOOD = (
    *(
        "{name} looks strong today",
        "#{symbol} to the moon 🚀🚀🚀",
        "bought more ${symbol}",
        "bulls are winning on {name}",
    ),
    *("breakout on the #{symbol} chart", "best week for {name} in a long time", "I love this ${symbol} rally"),
    *(
        "happy to hodl {name}",
        "{name} adoption is growing",
        "higher lows on #{symbol} again",
        "great volume in ${symbol}",
    ),
    *("{name} is soaring", "very bullish on #{symbol}", "the {name} dip was a gift", "${symbol} recovered nicely"),
    "new highs for {name} are near",
)
_BAD = (
    *("{name} is crashing again 😡", "sold all my ${symbol}", "I got rekt with #{symbol}", "another #{symbol} scam"),
    *(
        "bad news for {name}",
        "terrible day for ${symbol}",
        "panic selling in {name}",
        "I am afraid of a bigger {name} dump",
    ),
    *("#{symbol} liquidations everywhere", "lost a lot of money on {name}", "weak demand for ${symbol}"),
    *("bears own {name} now", "{name} breaks down once more", "ugly candle on #{symbol}", "no bid under ${symbol}"),
    "{name} disappoints everyone",
)
_PLAIN = (
    *(
        "{name} block height and fees: {number} sat",
        "what do you think about #{symbol}",
        "reading about {name} wallets",
    ),
    *(
        "moving ${symbol} between my keys",
        "a podcast on {name} history",
        "{name} difficulty changes in {number} blocks",
    ),
    *("which exchange lists #{symbol} options", "explaining {name} to my mother", "my ${symbol} node is syncing"),
    *("{name} meetup on thursday", "comparing {name} with bank transfers", "someone drew #{symbol} as a cat"),
    *("paid for coffee in ${symbol}", "wrote a parser for {name} scripts", "the {name} mempool has {number} entries"),
    "old laptop mines ${symbol} in the garage",
)
_REASONS = (
    *(
        "since the whole order book moved before noon",
        "because funding turned around last night",
        "as miners keep to themselves",
    ),
    *(
        "while stocks sleep over the weekend",
        "and the weekly close decides everything",
        "with half of the market on holiday",
    ),
    *("though nobody in my office noticed", "as the options expire on friday", "and the hourly candle agrees with me"),
    *("while stablecoins sit on exchanges", "because large wallets woke up", "with every altcoin following slowly"),
    *("after the central bank spoke again", "and volume arrived from asia first", "even though fees stayed the same"),
    *("before anybody wrote about it", "as the moving averages cross over", "while my grandmother asks for details"),
    *("and the spread got thin on monday", "because arbitrage desks were quick"),
)
_ENDINGS = (
    *(
        "https://t.co/a1b2c3d4e5",
        "https://t.co/f6g7h8i9j0",
        "what happens next?",
        "see you at the close",
        "zoom out",
        "DYOR",
    ),
    *("back to work now", "more tomorrow", "charts below", "thoughts welcome", "#crypto", "#trading", "let us see", ""),
    *("who else is watching", "good night"),
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
            texts: Sequence[Sequence[str]] = (_SPAM,)
        else:
            claims = _PLAIN if kind < 0.3 else _GOOD if (kind - 0.3) / 0.7 < mood else _BAD
            texts = (_OPENINGS, claims, _REASONS, _ENDINGS)
        number = id_at(ms) + 8_192 * list(_COINS).index(coin) + sequence
        author = int(who**2 * _AUTHORS)
        item: dict[str, Any] = {
            "id": str(number),
            "text": _said(texts, words).format(symbol=symbol, name=name, number=int(1 + likes * 90)),
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


def _said(parts: Sequence[Sequence[str]], chance: float) -> str:
    """Choose one text of each part by one number from 0 to 1, digit after digit, and put them together."""
    chosen = []
    for texts in parts:
        place, chance = divmod(chance * len(texts), 1)
        chosen.append(texts[int(place)])
    return " ".join(chosen).strip()
