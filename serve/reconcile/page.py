"""The scoreboard: one HTML file that needs nothing else, light or dark as its reader's system is."""

import datetime as dt
from collections.abc import Iterable, Sequence
from html import escape

from serve.amounts import clock
from serve.reconcile.compare import Compared, Difference, Hole, Score
from serve.reconcile.report import COUNTS, HEADS, said_of_rounding, total, where

_STYLE = """
:root { color-scheme: light dark; --back: #fff; --text: #1b1f24; --dim: #5b6570; --line: #d8dee4; --none: #eef1f4;
  --equal: #1a7f4b; --missing_there: #8b98a5; --neither: #c3ccd5; --missing_here: #c77700; --different: #c5221f; }
@media (prefers-color-scheme: dark) {
  :root { --back: #14171a; --text: #e6e9ec; --dim: #9aa5b0; --line: #30363d; --none: #1d2126; --equal: #3fb97a;
    --missing_there: #7d8a97; --neither: #48525c; --missing_here: #e09a2b; --different: #ff6b62; } }
body { background: var(--back); color: var(--text); font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto;
  max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; } p { color: var(--dim); margin: .3rem 0; }
.wide { overflow-x: auto; } table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--line); padding: .35rem .8rem .35rem 0; text-align: left;
  white-space: nowrap; }
td.cause { white-space: normal; min-width: 16rem; } td, .number { font-variant-numeric: tabular-nums; }
th { color: var(--dim); font-weight: 600; } svg { display: block; border-radius: 3px; }
svg.key { display: inline-block; }
.part { display: block; font-size: .8rem; color: var(--dim); } .bad { color: var(--different); font-weight: 600; }
.equal { fill: var(--equal); } .different { fill: var(--different); } .missing_here { fill: var(--missing_here); }
.missing_there { fill: var(--missing_there); } .neither { fill: var(--neither); } .none { fill: var(--none); }
"""
_WIDTH, _HEIGHT = 120, 14


def page(compared: Compared, made_at: dt.datetime) -> str:
    """Write the scoreboard of a comparison."""
    equal, all_of_it = total(compared.scores, "equal"), sum(total(compared.scores, name) for name in COUNTS[:4])
    verdict = "all equal" if compared.is_equal else '<span class="bad">not all equal</span>'
    rounding = f"<p>{said_of_rounding(compared)}.</p>\n" if compared.rounded else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>coinlake: candles beside the exchange's own</title><style>{_STYLE}</style></head><body>
<h1>Our candles beside the exchange's own</h1>
<p>{equal:,} of {all_of_it:,} candles equal to the last digit: {verdict}. Made {clock(made_at)} UTC.</p>
<p>Open, high, low, close and volume, and quote volume and trades where both give them. 10m is compared with two
aligned 5-minute candles of the exchange, 1h and 1d with its own.</p>
{rounding}<p>{_keys()}</p>
<h2>Equality</h2><div class="wide">{_grid(compared.scores)}</div>
<h2>Holes</h2><div class="wide">{_holes(compared.holes)}</div>
<h2>Differences</h2><div class="wide">{_differences(compared.differences)}</div>
</body></html>
"""


def _keys() -> str:
    return " &nbsp; ".join(
        f'<svg class="key" width="10" height="10" aria-hidden="true"><rect class="{name}" width="10" height="10"/>'
        "</svg>"
        f" {head}"
        for name, head in zip(COUNTS, HEADS, strict=True)
    )


def _grid(scores: Sequence[Score]) -> str:
    months = sorted({score.month for score in scores})
    rows = list(dict.fromkeys((score.symbol, score.interval) for score in scores))
    cells = {(score.symbol, score.interval, score.month): score for score in scores}
    body = (
        [
            f"<b>{escape(symbol)}</b> {escape(interval)}",
            *(_cell(cells.get((symbol, interval, month))) for month in months),
        ]
        for symbol, interval in rows
    )
    return _table(["pair", *months], body)


def _cell(score: Score | None) -> str:
    if score is None:
        return ""
    counts = [getattr(score, name) for name in COUNTS]
    whole = sum(counts) or 1
    bars, at = [], 0.0
    for name, count in zip(COUNTS, counts, strict=True):
        # What is there at all is to be seen: no bar is thinner than two units.
        width = max(2.0, _WIDTH * count / whole) if count else 0.0
        bars.append(f'<rect class="{name}" x="{at:.1f}" width="{width:.1f}" height="{_HEIGHT}"/>' if count else "")
        at += width
    said = ", ".join(f"{count:,} {head}" for head, count in zip(HEADS, counts, strict=True) if count)
    text = f'<span class="part">{said}</span>'
    return (
        f'<svg viewBox="0 0 {max(at, 1):.1f} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}" preserveAspectRatio="none"'
        f' role="img" aria-label="{said}">{"".join(bars)}</svg>{text}'
    )


def _holes(holes: Sequence[Hole]) -> str:
    if not holes:
        return "<p>None.</p>"
    heads = ["pair", "from (UTC)", "to", "candles", "missing", "cause"]
    return _table(
        heads,
        (
            [
                f"<b>{escape(hole.symbol)}</b> {escape(hole.interval)}",
                clock(hole.from_time),
                clock(hole.to_time),
                f"{hole.candles:,}",
                where(hole.lacks),
                escape(hole.cause),
            ]
            for hole in holes
        ),
        last="cause",
    )


def _differences(differences: Sequence[Difference]) -> str:
    if not differences:
        return "<p>None.</p>"
    return _table(
        ["pair", "candle (UTC)", "value", "ours", "the exchange's"],
        (
            [
                f"<b>{escape(found.symbol)}</b> {escape(found.interval)}",
                clock(found.open_time),
                found.column.replace("_", " "),
                found.ours,
                found.theirs,
            ]
            for found in differences
        ),
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], last: str = "") -> str:
    head = "".join(f"<th>{name}</th>" for name in heads)
    body = "".join(
        "<tr>"
        + "".join(f"<td>{cell}</td>" for cell in row[:-1])
        + (f'<td class="{last}">{row[-1]}</td>' if last else f"<td>{row[-1]}</td>")
        + "</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
