"""docs/tables.md says what the tables are."""

import re
from pathlib import Path

import pytest

from contracts.tables import TABLES, Table

PAGE = (Path(__file__).parents[3] / "docs" / "tables.md").read_text()
SECTIONS = dict(re.findall(r"^## (\w+) \(\w+\)\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL))


def test_the_page_has_every_table_and_no_other() -> None:
    assert list(SECTIONS) == [table.name for table in TABLES]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_page_names_every_column_with_its_type(table: Table) -> None:
    written = re.findall(r"^\| `(\w+)` \| ([^|]+) \| (yes|no) \| (.+) \|$", SECTIONS[table.name], flags=re.MULTILINE)
    assert [(name, kind, null) for name, kind, null, _ in written] == [
        (field.name, field.dataType.simpleString(), "yes" if field.nullable else "no") for field in table.schema.fields
    ]
    assert f"Identity: {', '.join(f'`{name}`' for name in table.identity)}." in SECTIONS[table.name]
