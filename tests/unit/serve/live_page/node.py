"""The bridge to the page's modules: Node runs a script, which is given JSON and answers with JSON."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from serve import live

PAGE = Path(live.__file__).parent / "page"
SECONDS = 60

FRAME = """
import {{ readFileSync }} from "node:fs";
{imports}

// JSON writes NaN and Infinity as null: a wrong number would look like one that is rightly missing.
function exact(key, value) {{
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`${{key}} is ${{value}}`);
  return value;
}}

async function main(given) {{
{script}
}}

const answer = await main(JSON.parse(readFileSync(0, "utf8")));
// Ports that are open would keep Node from ending.
process.stdout.write(JSON.stringify(answer ?? null, exact), () => process.exit());
"""


def run(script: str, given: object = None, *, imports: Mapping[str, str]) -> Any:
    """Run the body of an async function of `given`, and return what it returns.

    `imports` names what the script uses of each of the page's modules: {"points.js": "SymbolPoints, onGrid"}.
    Without Node skip, and in CI fail; a script that fails is an AssertionError with what Node said.
    """
    node = shutil.which("node")
    if node is None:
        if os.environ.get("CI"):
            pytest.fail("CI needs Node for the tests of the page's modules, and there is no `node`")
        pytest.skip("no `node` to run the page's modules with")
    lines = [f'import {{ {names} }} from "{(PAGE / module).as_uri()}";' for module, names in imports.items()]
    source = FRAME.format(imports="\n".join(lines), script=script)
    done = subprocess.run(
        [node, "--input-type=module", "--eval", source],
        input=json.dumps(given, allow_nan=False),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
