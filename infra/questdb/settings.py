"""The user of QuestDB who may change it."""

from pydantic import SecretStr

from contracts.settings import SettingsGroup


class QuestDbAdminSettings(SettingsGroup):
    """The user of QuestDB who makes tables and, for Kafka Connect, writes rows; no reader is ever given it."""

    questdb_admin_user: str = "admin"
    questdb_admin_password: SecretStr = SecretStr("")
