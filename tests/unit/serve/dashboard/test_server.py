"""How the page is started, and who may look."""

import pytest

from contracts.errors import SettingsError
from serve.dashboard.server import command
from serve.dashboard.settings import DashboardSettings


def test_it_listens_where_it_is_told_and_reports_to_nobody() -> None:
    started = command(DashboardSettings(dashboard_host="127.0.0.1"), 8777)
    options = dict(zip(started[5::2], started[6::2], strict=True))
    assert (options["--server.address"], options["--server.port"]) == ("127.0.0.1", "8777")
    assert options["--browser.gatherUsageStats"] == "false"
    assert started[1:4] == ["-m", "streamlit", "run"]
    assert started[4].endswith("serve/dashboard/app.py")


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "dashboards.example"])
def test_an_address_that_others_reach_has_to_be_asked_for(host: str) -> None:
    with pytest.raises(SettingsError, match=f"COINLAKE_DASHBOARD_HOST: {host} is not loopback"):
        command(DashboardSettings(dashboard_host=host), 8777)
    assert host in command(DashboardSettings(dashboard_host=host, dashboard_open=True), 8777)
