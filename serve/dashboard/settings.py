"""The settings of the dashboard."""

from typing import Annotated

from pydantic import Field

from contracts.settings import Seconds, SettingsGroup


class DashboardSettings(SettingsGroup):
    """Where the dashboard is shown, and how often it looks for something new."""

    dashboard_host: str = "127.0.0.1"
    """The address to listen on. It asks nobody who they are: one that is not loopback needs `dashboard_open`."""
    dashboard_port: Annotated[int, Field(ge=0, le=65535)] = 8501
    """0 takes a free one."""
    dashboard_open: bool = False
    """Show everybody what there is on an address that is not loopback."""
    dashboard_poll_seconds: Seconds = 5
    """How often the page asks for the newest times; it is drawn again only where one of them has moved."""
