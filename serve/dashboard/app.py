"""What Streamlit runs: `coinlake serve-dashboard` starts it."""

from serve.dashboard.page import show
from serve.dashboard.settings import DashboardSettings
from serve.query.client import ClientSettings, asking

if __name__ == "__main__":
    client = ClientSettings.load()
    ask = asking(client.query_url, client.query_token.get_secret_value())
    show(ask, DashboardSettings.load().dashboard_poll_seconds)
