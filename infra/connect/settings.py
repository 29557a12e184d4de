"""Where Kafka Connect is, and which sink it has."""

from contracts.settings import SettingsGroup, Url


class ConnectSettings(SettingsGroup):
    """Where Kafka Connect takes connectors, and the class of its sink for QuestDB."""

    connect_url: Url = "http://127.0.0.1:8083"
    connect_sink: str = "io.questdb.kafka.QuestDBSinkConnector"
    """QuestDB's own connector; the embedded Connect has `infra.connect.plugin.SINK`, with options of the same names."""
