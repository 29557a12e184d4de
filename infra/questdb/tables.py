"""The tables of QuestDB as reviewed data, applied over its HTTP: what is missing is made, nothing is dropped."""

import base64
import http.client
import json
import re
from pathlib import Path
from urllib.parse import urlencode

from pydantic import SecretStr

from contracts.errors import DatabaseError

TABLES_FILE = Path(__file__).parent / "tables.sql"
_TIMEOUT = 30.0


def read_statements(path: Path = TABLES_FILE) -> list[str]:
    """Return the statements of a file, comments left out; each ends with a semicolon at the end of a line."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("--")]
    statements = re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE)
    return [statement.strip() for statement in statements if statement.strip()]


def apply_tables(address: str, *, user: str, password: SecretStr, statements: list[str] | None = None) -> int:
    """Run the statements of `tables.sql` and return how many there are; run again they change nothing.

    Args:
        address: host and port of QuestDB's HTTP.
        user: who may make tables.
        password: that user's.
        statements: others than those of the file.

    Raises:
        DatabaseError: QuestDB cannot be reached, refuses the user, or a statement.
    """
    wanted = read_statements() if statements is None else statements
    for statement in wanted:
        _run(address, user, password, statement)
    return len(wanted)


def _run(address: str, user: str, password: SecretStr, statement: str) -> None:
    secret = base64.b64encode(f"{user}:{password.get_secret_value()}".encode()).decode()
    connection = http.client.HTTPConnection(address, timeout=_TIMEOUT)
    try:
        query = urlencode({"query": statement})
        connection.request("GET", f"/exec?{query}", headers={"Authorization": f"Basic {secret}"})
        answer = connection.getresponse()
        body = answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise DatabaseError(f"QuestDB cannot be reached at {address}: {error}") from None
    finally:
        connection.close()
    if answer.status == http.HTTPStatus.UNAUTHORIZED:
        raise DatabaseError(f"QuestDB at {address} refuses the user {user!r} or the password")
    if answer.status != http.HTTPStatus.OK:
        raise DatabaseError(f"QuestDB at {address} refuses a statement: {_said(body)} in: {statement}")


def _said(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:300]
