"""The command line that shows the dashboard."""

import sys
from pathlib import Path

from contracts.errors import SettingsError
from serve.access import is_loopback
from serve.dashboard.settings import DashboardSettings

_PAGE = Path(__file__).with_name("app.py")
_QUIET = {
    # It phones nobody, watches no file, offers no deployment, and shows a stranger no line of code.
    "server.headless": "true",
    "browser.gatherUsageStats": "false",
    "server.fileWatcherType": "none",
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "type",
}


def command(settings: DashboardSettings, port: int) -> list[str]:
    """Return what Streamlit is started with.

    Raises:
        SettingsError: the host is not loopback, and `dashboard_open` is not set.
    """
    if not (is_loopback(settings.dashboard_host) or settings.dashboard_open):
        raise SettingsError(
            f"COINLAKE_DASHBOARD_HOST: {settings.dashboard_host} is not loopback, so others could read the data: set"
            " COINLAKE_DASHBOARD_OPEN=true where everybody may"
        )
    chosen = {**_QUIET, "server.address": settings.dashboard_host, "server.port": str(port)}
    options = [part for name, value in chosen.items() for part in (f"--{name}", value)]
    return [sys.executable, "-m", "streamlit", "run", str(_PAGE), *options]
