"""Compare every view under every DuckDB that can be installed, and under settings of a session.

    python -m benchmarks.duckdb_versions 1.5.6 2.0.0 2.0.1

Each version is installed into a folder of its own. A file that this environment's DuckDB wrote is
opened by each of them, and all rows of all views are compared.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import duckdb

from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.warehouse.views import sessions
from oura_pipeline_tests.warehouse.views.equal_days import fill
from oura_pipeline_tests.warehouse.views.sessions import SESSIONS, Digests, digests
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, create_empty_database


def main(versions: Sequence[str]) -> int:
    """Print what differs; return 1 if anything does."""
    views = [view.name for view in VIEWS]
    different = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "warehouse.duckdb")
        create_empty_database(path)
        fill(ViewDatabase(path))
        usual = digests(path, views)
        for setting in (one for session in SESSIONS for one in session):
            different += _report(
                f"{duckdb.__version__}, {setting}", usual, digests(path, views, [setting])
            )
        for version in versions:
            found = _digests_under(version, path, views, Path(folder, version))
            different += _report(version, usual, found)
    return int(different > 0)


def _digests_under(version: str, path: Path, views: Sequence[str], target: Path) -> Digests:
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(target)]
    subprocess.run([*install, f"duckdb=={version}", "pytz"], check=True)
    run = subprocess.run(
        [sys.executable, "-m", sessions.__name__, str(path), *views],
        env=os.environ | {"PYTHONPATH": f"{target}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return {view: (many, digest) for view, (many, digest) in json.loads(run.stdout).items()}


def _report(what: str, usual: Digests, found: Digests) -> int:
    differing = [view for view in usual if usual[view] != found[view]]
    print(f"{what}: {', '.join(differing) or 'the same'}")
    return len(differing)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
