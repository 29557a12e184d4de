"""The charts of the dashboard: a frame in, an Altair chart out. Times are UTC."""

import altair as alt
import pandas as pd

LONG, SHORT = "#d6455d", "#1f9d72"
"""A liquidated long is a sale, a liquidated short a purchase: the colours of falling and rising."""
NEUTRAL = "#5b8def"
_SIDES = alt.Scale(domain=["long", "short"], range=[LONG, SHORT])
_UTC = alt.Scale(type="utc")
_CLOCK = alt.Axis(format="%H:%M", labelOverlap=True, tickCount=8)
_ABOVE = alt.Legend(orient="top")
_HEIGHT, _TALL = 260, 360
_ROW = 21
"""The height of one bar among bars with names."""
_LEAST_SENTIMENT = 0.2
"""A scale of sentiment reaches at least so far: hours that say little are not drawn as if they said much."""


def per_minute(liquidations: pd.DataFrame) -> alt.Chart:
    """Draw notional by minute, shorts upwards and longs downwards.

    Args:
        liquidations: minute (time), side, notional, liquidations (how many).
    """
    signed = liquidations.assign(
        drawn=liquidations["notional"].where(liquidations["side"] == "short", -liquidations["notional"])
    )
    chart: alt.Chart = (
        alt.Chart(signed, height=_TALL)
        .mark_bar(binSpacing=0)
        .encode(
            x=alt.X("utcyearmonthdatehoursminutes(minute):T", title=None, scale=_UTC, axis=_CLOCK),
            y=alt.Y("drawn:Q", title="notional (longs below 0)", axis=alt.Axis(format="~s")),
            color=alt.Color("side:N", scale=_SIDES, title=None, legend=_ABOVE),
            tooltip=[
                _moment("minute"),
                "side:N",
                alt.Tooltip("notional:Q", format=",.0f"),
                "liquidations:Q",
            ],
        )
    )
    return chart


def by_symbol(totals: pd.DataFrame, most: int = 12) -> alt.Chart:
    """Draw the symbols of the greatest liquidated notional, by side.

    Args:
        totals: symbol, side, notional, liquidations (how many).
        most: how many symbols are drawn.
    """
    largest = totals.groupby("symbol")["notional"].sum().nlargest(most).index.tolist()
    chart: alt.Chart = (
        alt.Chart(totals[totals["symbol"].isin(largest)], height=_TALL)
        .mark_bar()
        .encode(
            x=alt.X("notional:Q", title="notional", axis=alt.Axis(format="~s")),
            y=alt.Y("symbol:N", sort=largest, title=None, axis=alt.Axis(labelOverlap=False)),
            color=alt.Color("side:N", scale=_SIDES, title=None, legend=_ABOVE),
            tooltip=["symbol:N", "side:N", alt.Tooltip("notional:Q", format=",.0f"), "liquidations:Q"],
        )
    )
    return chart


def candles(frame: pd.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """Draw candles; those that are still open or lack samples are pale.

    Args:
        frame: open_time, close_time, open, high, low, close, complete.
    """
    base = _by_open_time(frame)
    price = alt.Y("low:Q", title="price", scale=alt.Scale(zero=False), axis=alt.Axis(format=_readable(frame["high"])))
    wicks = base.mark_rule().encode(y=price, y2="high:Q")
    bodies = base.mark_bar(size=_body_width(len(frame))).encode(y="open:Q", y2="close:Q")
    return alt.layer(wicks, bodies, height=_HEIGHT)


def volumes(frame: pd.DataFrame) -> alt.Chart:
    """Draw the volumes that belong below `candles`.

    Args:
        frame: as for `candles`, and volume.
    """
    chart: alt.Chart = (
        _by_open_time(frame)
        .mark_bar(size=_body_width(len(frame)))
        .encode(y=alt.Y("volume:Q", title="volume", axis=alt.Axis(format="~s", tickCount=3)))
        .properties(height=90)
    )
    return chart


def _by_open_time(frame: pd.DataFrame) -> alt.Chart:
    chart: alt.Chart = alt.Chart(frame).encode(
        x=alt.X("open_time:T", title=None, scale=_UTC, axis=_CLOCK),
        color=alt.condition("datum.open <= datum.close", alt.value(SHORT), alt.value(LONG)),
        opacity=alt.condition("datum.complete", alt.value(1.0), alt.value(0.45)),
        tooltip=[
            _moment("open_time"),
            *(alt.Tooltip(f"{name}:Q", format=",.8~g") for name in ("open", "high", "low", "close", "volume")),
            "complete:N",
        ],
    )
    return chart


def _readable(values: pd.Series) -> str:
    """Return the format in which numbers of this size are read: large ones by a letter, small ones digit by digit."""
    return "~s" if values.max() >= 100_000 else ",.6~g"


def _moment(name: str) -> alt.Tooltip:
    """Tell a time in UTC: a tooltip has no scale, and without a unit of UTC it would be the viewer's own time."""
    return alt.Tooltip(f"utcyearmonthdatehoursminutes({name}):T", title=name, format="%Y-%m-%d %H:%M")


def _body_width(count: int) -> float:
    return max(1.0, min(14.0, 500 / max(count, 1)))


def area(frame: pd.DataFrame, time: str, value: str, title: str, number: str = "~s") -> alt.Chart:
    """Draw one value over time, its axis fitted to it.

    Args:
        frame: the columns `time` and `value`.
        time: the column of times.
        value: the column of floats.
        title: what the axis says.
        number: the format of the axis, as d3 writes it.
    """
    chart: alt.Chart = (
        alt.Chart(frame, height=_HEIGHT)
        .mark_line(color=NEUTRAL, point=len(frame) < 40)
        .encode(
            x=alt.X(f"{time}:T", title=None, scale=_UTC, axis=_CLOCK),
            y=alt.Y(f"{value}:Q", title=title, scale=alt.Scale(zero=False), axis=alt.Axis(format=number)),
            tooltip=[_moment(time), alt.Tooltip(f"{value}:Q", format=",.6~g")],
        )
    )
    return chart


def sentiment(frame: pd.DataFrame) -> alt.LayerChart:
    """Draw the mean sentiment of each hour as a bar from 0 in the middle, and the closing price as a line over it.

    Args:
        frame: open_time, original_sentiment (-1 to 1), posts (how many), close, price_return (a fraction).
    """
    most = max(_LEAST_SENTIMENT, 1.1 * frame["original_sentiment"].abs().max())
    base = alt.Chart(frame).encode(
        x=alt.X("open_time:T", title=None, scale=_UTC, axis=_CLOCK),
        tooltip=[
            _moment("open_time"),
            alt.Tooltip("original_sentiment:Q", format="+.3f"),
            "posts:Q",
            alt.Tooltip("close:Q", format=",.8~g"),
            alt.Tooltip("price_return:Q", format="+.3%"),
        ],
    )
    bars = base.mark_bar(size=_body_width(len(frame)), opacity=0.6).encode(
        y=alt.Y("original_sentiment:Q", title="sentiment (bars)", scale=alt.Scale(domain=[-most, most], nice=False)),
        color=alt.condition("datum.original_sentiment >= 0", alt.value(SHORT), alt.value(LONG)),
    )
    line = base.mark_line(color=NEUTRAL, point=len(frame) < 40).encode(
        y=alt.Y(
            "close:Q",
            title="close (line)",
            scale=alt.Scale(zero=False),
            axis=alt.Axis(format=_readable(frame["close"])),
        )
    )
    chart: alt.LayerChart = alt.layer(bars, line, height=_TALL).resolve_scale(y="independent")
    return chart


def premiums(frame: pd.DataFrame) -> alt.Chart:
    """Draw the newest premium by coin, dearer than the world to the right.

    Args:
        frame: coin, premium (a fraction), base_tmn, in the order to draw them.
    """
    chart: alt.Chart = (
        alt.Chart(frame, height=60 + _ROW * len(frame))
        .mark_bar()
        .encode(
            x=alt.X("premium:Q", title="premium", axis=alt.Axis(format="+.2%")),
            y=alt.Y("coin:N", sort=list(frame["coin"]), title=None, axis=alt.Axis(labelOverlap=False)),
            color=alt.condition("datum.premium >= 0", alt.value(SHORT), alt.value(LONG)),
            tooltip=["coin:N", alt.Tooltip("premium:Q", format="+.4%"), alt.Tooltip("base_tmn:Q", format=",.0f")],
        )
    )
    return chart


def lags(frame: pd.DataFrame) -> alt.Chart:
    """Draw how many messages of each topic a reader has not taken yet.

    Args:
        frame: topic, consumer, lag; of the partitions of a topic the sum is drawn.
    """
    most = alt.Scale(domainMin=0, domainMax=max(1, int(frame.groupby(["topic", "consumer"])["lag"].sum().max())))
    chart: alt.Chart = (
        alt.Chart(frame, height=60 + 2 * _ROW * frame["topic"].nunique())
        .mark_bar()
        .encode(
            x=alt.X("sum(lag):Q", title="messages not read yet", axis=alt.Axis(format="~s", tickMinStep=1), scale=most),
            y=alt.Y("topic:N", title=None, axis=alt.Axis(labelLimit=220, labelOverlap=False)),
            yOffset="consumer:N",
            color=alt.Color("consumer:N", title=None, legend=_ABOVE),
            tooltip=["topic:N", "consumer:N", "sum(lag):Q"],
        )
    )
    return chart
