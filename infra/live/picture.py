"""`python -m infra.live.picture --url URL --out FILE`: take a picture of the live chart, for the README."""

import argparse
import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from contracts.errors import CoinlakeError, NoDataError, StackError
from infra.live.browser import chromium

if TYPE_CHECKING:
    from playwright.sync_api import Page

WIDTH, HEIGHT = 1200, 680
QUALITY = 90
FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpeg"}
# The page is at work: prices are drawn, and some of them were timed.
READY = "least => globalThis.coinlake?.windows.length >= least && coinlake.painted.length >= 10"


def take(url: str, out: Path, *, symbol: str | None, windows: int, seconds: float) -> int:
    """Wait until the chart shows so many windows and has timed some, write a picture of it; return its size in bytes.

    Args:
        url: where the chart is.
        out: the file; its ending says what it becomes: .png, .webp or .jpg.
        symbol: which market; None for the one that the page shows by itself.
        windows: how many windows have to be shown.
        seconds: how long to wait for them.

    Raises:
        StackError: there is no Chromium or no Playwright, or nothing answers at the URL.
        NoDataError: fewer windows were shown in time.
    """
    with chromium() as browser:
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, color_scheme="dark")
        _show(page, f"{url}#{symbol}" if symbol else url, windows, seconds)
        picture = _picture(page, FORMATS[out.suffix])
    out.write_bytes(picture)
    return len(picture)


def _show(page: "Page", url: str, windows: int, seconds: float) -> None:
    from playwright.sync_api import Error, TimeoutError  # noqa: A004, PLC0415 (Chromium has started: it is there)

    try:
        page.goto(url)
    except Error as error:
        raise StackError(f"expected the live chart at {url}, found: {error.message.splitlines()[0]}") from None
    try:
        page.wait_for_function(READY, arg=windows, timeout=seconds * 1000)
    except TimeoutError:
        found = page.evaluate("globalThis.coinlake?.windows.length ?? null")
        what = "another page" if found is None else f"{found} (the page says {page.inner_text('#state')!r})"
        raise NoDataError(f"expected {windows} windows at {url} within {seconds:g} s, found {what}") from None


def _picture(page: "Page", kind: str) -> bytes:
    # Playwright writes no WebP, Chromium does.
    quality = {} if kind == "png" else {"quality": QUALITY}
    answer = page.context.new_cdp_session(page).send("Page.captureScreenshot", {"format": kind, **quality})
    return base64.b64decode(answer["data"])


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m infra.live.picture", description="Take a picture of the live chart."
    )
    parser.add_argument("--url", required=True, help="where `coinlake live` says the chart is")
    parser.add_argument("--out", required=True, type=Path, help=f"the file to write: {', '.join(FORMATS)}")
    parser.add_argument("--symbol", help="which market; without it the one that the page shows by itself")
    parser.add_argument("--windows", type=int, default=200, help="wait until so many are shown")
    parser.add_argument("--seconds", type=float, default=180, help="how long to wait at most")
    options = parser.parse_args(arguments)
    if options.out.suffix not in FORMATS:
        parser.error(f"--out: expected a name that ends in {', '.join(FORMATS)}, found {options.out.name!r}")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the picture; return the exit code."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    try:
        size = take(options.url, options.out, symbol=options.symbol, windows=options.windows, seconds=options.seconds)
    except CoinlakeError as error:
        print(f"picture: {error}", file=sys.stderr)
        return error.exit_code
    print(f"picture: {options.out}, {size / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
