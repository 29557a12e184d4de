"""The user of QuestDB who may change it."""

from typing import Annotated

from pydantic import AfterValidator, SecretStr

from contracts.settings import SettingsGroup


def _no_semicolon(secret: SecretStr) -> SecretStr:
    """Refuse what would end before its end in the words for QuestDB's client, `password=...;`."""
    if ";" in secret.get_secret_value():
        raise ValueError("expected a password without a semicolon: Kafka Connect could not write rows with it")
    return secret


class QuestDbAdminSettings(SettingsGroup):
    """The user of QuestDB who makes tables and, for Kafka Connect, writes rows; no reader is ever given it."""

    questdb_admin_user: str = "admin"
    questdb_admin_password: Annotated[SecretStr, AfterValidator(_no_semicolon)] = SecretStr("")
