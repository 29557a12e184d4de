"""Chromium without a window, for what has to be seen: pictures of the live chart, and its tests."""

import importlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from contracts.errors import StackError

if TYPE_CHECKING:
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str:
    """Return the path of a Chromium on PATH.

    Raises:
        StackError: there is none.
    """
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        raise StackError(f"expected one of {', '.join(NAMES)} on PATH, found none: install Chromium")
    return found


@contextmanager
def chromium(*arguments: str) -> Iterator["Browser"]:
    """Run Chromium for the length of a block, started with further arguments.

    Raises:
        StackError: there is no Chromium or no Playwright, or Chromium does not start.
    """
    path = find_chromium()
    try:
        api = importlib.import_module("playwright.sync_api")
    except ImportError:
        raise StackError('expected the package playwright, found none: pip install "coinlake[dev]"') from None
    with api.sync_playwright() as playwright:
        try:
            # Its sandbox needs rights that containers withhold; what it loads here is our own page.
            browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", *arguments])
        except api.Error as error:
            raise StackError(f"{path} did not start: {error.message.splitlines()[0]}") from None
        try:
            yield browser
        finally:
            browser.close()
