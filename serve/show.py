"""`coinlake show`: one coin on a terminal, from the published Parquet."""

from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from contracts.errors import NoDataError
from contracts.settings import LakeSettings
from serve.amounts import clock, grouped, percent, places_of, price, short
from serve.chart import draw
from serve.coin_report import Candle, CoinReport, Snapshot, Total, read_report
from serve.rate_chart import rate_table
from serve.uncut import Uncut

DEFAULT_SERIES = (("coin_market_cap", "USD"), ("binance", "USDT"), ("base_tmn", "TMN"))
CHART_WIDTH, CHART_HEIGHT = 96, 12


def show(
    lake: LakeSettings, coin: str, console: Console, last: int = 12, quotes: Sequence[str] = (), interval: str = "10m"
) -> None:
    """Print what the published Parquet says about a coin.

    Raises:
        NoDataError: nothing is published, or there is no such coin, quote or interval; the message says what there is.
        StoreError: the object store does not answer or refuses.
    """
    report = read_report(lake, coin, last, interval)
    shown = page(report, choose(report, quotes), min(console.width, CHART_WIDTH))
    console.print(Uncut(shown), crop=False)


def choose(report: CoinReport, quotes: Sequence[str]) -> list[tuple[str, str]]:
    """Choose the series to show: those in one of the quotes; without any, USD, Binance's USDT and the toman base price.

    Raises:
        NoDataError: no series has such a quote; the message names the quotes that there are.
    """
    series = report.series()
    if not quotes:
        return [chosen for chosen in DEFAULT_SERIES if chosen in series] or series[:1]
    asked = {quote.upper() for quote in quotes}
    chosen = [(venue, quote) for venue, quote in series if quote in asked]
    if not chosen:
        there = ", ".join(sorted({quote for _, quote in series}))
        raise NoDataError(f"expected {report.coin} in {' or '.join(sorted(asked))}, found it in {there}")
    return chosen


def page(report: CoinReport, series: Sequence[tuple[str, str]], width: int) -> Group:
    """Lay out the whole page: header, candle tables, chart of the first series, total market cap, toman rates."""
    parts: list[RenderableType] = [*header(report), Text()]
    for venue, quote in series:
        parts += [candle_table(report, venue, quote), Text()]
    venue, quote = series[0]
    parts += [Text(_title(report, venue, quote), style="bold"), draw(report.of(venue, quote), width, CHART_HEIGHT)]
    if report.totals:
        parts += [Text(), total_table(report.totals)]
    if report.rates:
        own = next((snapshot.usdt_tmn for snapshot in report.snapshots if snapshot.usdt_tmn is not None), None)
        parts += [Text(), rate_table(report.rates, own)]
    return Group(*parts)


def header(report: CoinReport) -> Iterator[Text]:
    """Say the coin's last prices, its toman base price and premiums, and the market around it."""
    yield Text(f"{report.coin}, times in UTC", style="bold")
    for venue, quote in report.series():
        newest = report.of(venue, quote)[-1]
        yield _line(f"{venue} {quote}", price(newest.close), f"close of the candle of {clock(newest.open_time)}")
    for snapshot in report.snapshots:
        yield _line(f"premium {snapshot.market}", percent(snapshot.premium, signed=True), _premium_detail(snapshot))
        if snapshot.implied_usdt_tmn is not None:
            detail = (
                f"{percent(snapshot.premium_binance, signed=True)} over Binance's {price(snapshot.binance_price)} USDT"
            )
            yield _line(f"USDT by {snapshot.market}", price(snapshot.implied_usdt_tmn), f"TMN, {detail}")
    for total in report.totals[-1:]:
        detail = (
            f"{total.coins} coins, {total.largest_coin} {percent(total.dominance)}, until {clock(total.close_time)}"
        )
        yield _line("total market cap", f"${short(total.market_cap)}", detail)


def candle_table(report: CoinReport, venue: str, quote: str) -> Table:
    """Build the table of one series; prices with seven significant digits."""
    candles = report.of(venue, quote)
    table = _table(_title(report, venue, quote), "open time", "open", "high", "low", "close", "average", "complete")
    places = places_of(candle.high for candle in candles)
    for candle in candles:
        values = (grouped(value, places) for value in _prices(candle))
        complete = "yes" if candle.complete else "no"
        table.add_row(clock(candle.open_time), *values, f"{complete} {candle.samples}/{candle.expected}")
    return table


def total_table(totals: Iterable[Total]) -> Table:
    """Build the table of the total market cap."""
    columns = ("open time", "market cap, USD", "coins", "oldest quote", "largest", "dominance")
    table = _table("total market cap", *columns)
    for total in totals:
        table.add_row(
            clock(total.open_time),
            short(total.market_cap),
            str(total.coins),
            f"{total.oldest_age_seconds // 60} min",
            total.largest_coin,
            percent(total.dominance),
        )
    return table


def _prices(candle: Candle) -> tuple[Decimal | None, ...]:
    return candle.open, candle.high, candle.low, candle.close, candle.average


def _premium_detail(snapshot: Snapshot) -> str:
    tmn, base = price(snapshot.price_tmn), price(snapshot.base_tmn)
    return f"{tmn} TMN over base_tmn {base}, {clock(snapshot.event_time)}"


def _title(report: CoinReport, venue: str, quote: str) -> str:
    return f"{report.coin}/{quote} {report.interval} candles, {venue}"


def _line(name: str, value: str, detail: str) -> Text:
    return Text.assemble(
        (f"{name:<20}", "bold"), f"{value:>16}", (f"  {detail}", "dim"), no_wrap=True, overflow="ignore"
    )


def _table(title: str, first: str, *columns: str) -> Table:
    table = Table(
        title=title, title_justify="left", title_style="bold", box=None, header_style="dim", padding=(0, 1, 0, 0)
    )
    table.add_column(first, no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right", no_wrap=True)
    return table
