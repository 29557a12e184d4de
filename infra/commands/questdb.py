"""`coinlake questdb apply`: the tables of QuestDB."""

import typer

from contracts.errors import SettingsError
from contracts.settings import QuestDbSettings
from infra.terminal import say


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(name="questdb", help="QuestDB's tables, as written in infra/questdb/tables.sql.")
    # With a callback, a group of one command keeps that command's name.
    group.callback()(lambda: None)
    group.command(name="apply")(apply_command)
    app.add_typer(group)


def apply_command() -> None:
    """Make the tables that are missing; drops nothing. Needs COINLAKE_QUESTDB_ADMIN_PASSWORD."""
    from infra.questdb.settings import QuestDbAdminSettings
    from infra.questdb.tables import apply_tables

    place, admin = QuestDbSettings.load(), QuestDbAdminSettings.load()
    if not admin.questdb_admin_password.get_secret_value():
        raise SettingsError("COINLAKE_QUESTDB_ADMIN_PASSWORD: expected a value, found none")
    count = apply_tables(
        f"{place.questdb_host}:{place.questdb_http_port}",
        user=admin.questdb_admin_user,
        password=admin.questdb_admin_password,
    )
    say(f"statements of infra/questdb/tables.sql applied: {count}")
