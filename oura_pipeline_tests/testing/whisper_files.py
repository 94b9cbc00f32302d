"""What whisper files hold, read by Graphite's own interpreter."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oura_pipeline.graphite.environment import graphite_python

_HEADERS = """
import json, sys, whisper
print(json.dumps({path: whisper.info(path) for path in json.load(sys.stdin)}))
"""
_VALUES = """
import json, sys, whisper
wanted = json.load(sys.stdin)
print(json.dumps({path: whisper.fetch(path, *times)[1] for path, times in wanted.items()}))
"""


def headers(files: list[Path]) -> dict[Path, dict[str, Any]]:
    """Return the header of each file: its archives and its xFilesFactor."""
    return _run(_HEADERS, [str(file) for file in files])


def values(wanted: Mapping[Path, tuple[int, int]]) -> dict[Path, list[float | None]]:
    """Return the values of each file after the first of its two times, up to the second."""
    return _run(_VALUES, {str(file): times for file, times in wanted.items()})


def _run(program: str, wanted: object) -> dict[Path, Any]:
    done = subprocess.run(
        [graphite_python(), "-c", program],
        input=json.dumps(wanted),
        capture_output=True,
        text=True,
        check=True,
    )
    return {Path(path): found for path, found in json.loads(done.stdout).items()}
