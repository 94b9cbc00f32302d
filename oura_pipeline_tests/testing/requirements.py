"""What some tests need from outside of the project, and how to get it where it is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from oura_pipeline.graphite.environment import LocalGraphiteError, graphite_python


def require_program(path: Path, package: str) -> None:
    """Skip the test, and fail it in CI, where a Debian package is not installed."""
    if not path.exists():
        _missing(f"{path} is missing; `apt-get install {package}`")


def require_graphite() -> None:
    """Skip the test, and fail it in CI, where a real Graphite cannot be installed."""
    try:
        graphite_python()
    except LocalGraphiteError as error:
        _missing(str(error))


def require_root() -> None:
    """Skip the test, and fail it in CI, where nobody may make networks."""
    if os.geteuid() != 0:
        _missing("networks of one's own need root")


def require_document(path: Path, what: str) -> None:
    """Skip the test where a document of others is missing, which the project must not hold."""
    if not path.exists():
        pytest.skip(f"{what} is missing; put it at {path}")


def _missing(reason: str) -> None:
    # CI installs all of these: there a skipped test would be a test that nobody runs.
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
