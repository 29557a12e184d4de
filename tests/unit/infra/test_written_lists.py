"""Lists kept in files beside the code say what the code says."""

import re
import tomllib
from pathlib import Path

from pydantic import SecretStr

from tests.unit.settings_groups import settings_groups

ROOT = Path(__file__).parent.parent.parent.parent


def _written(default: object) -> str:
    if isinstance(default, tuple):
        return ",".join(default)
    return "" if default is None or isinstance(default, SecretStr) else str(default)


def test_env_example_names_every_setting_with_its_default() -> None:
    expected = {"COINLAKE_HOME": ".coinlake"}
    for group in settings_groups():
        for name, field in group.model_fields.items():
            default = field.default
            expected[f"COINLAKE_{name.upper()}"] = _written(default)
    text = (ROOT / ".env.example").read_text()
    found = dict(re.findall(r"^# (COINLAKE_\w+)=(.*)$", text, re.MULTILINE))
    assert found == expected
    # Nothing is set by copying the file as it is.
    assert [line for line in text.splitlines() if line and not line.startswith("#")] == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = sorted(re.split(r"[\[<>=!~; ]", requirement)[0] for requirement in declared)
    python, _jars = (ROOT / "docs" / "dependencies.md").read_text().split("## Jars")
    rows = re.findall(r"^\| `([^`]+)` \| (\S.*) \|$", python, re.MULTILINE)
    assert sorted(name for name, _ in rows) == names


def test_make_help_lists_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony is not None
    assert sorted(phony[1].split()) == sorted(re.findall(r"^([a-z-]+):.*## \S", makefile, re.MULTILINE))
