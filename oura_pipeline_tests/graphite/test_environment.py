"""Graphite's environment of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from oura_pipeline.graphite.environment import graphite_python
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_graphite

PACKAGES = {"carbon", "django", "graphite-web", "gunicorn", "twisted", "whisper"}
INSTALL = "from oura_pipeline.graphite.environment import graphite_python; graphite_python()"


def locked(path: str) -> set[str]:
    """The packages of a lock."""
    text = (ROOT / path).read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9-]+)(?:\[.*?\])?==", text, re.MULTILINE))


def test_nothing_of_graphite_is_installed_with_the_project() -> None:
    """Its Django and Twisted are of its own time."""
    assert PACKAGES - locked("deploy/graphite/requirements.lock") == set()
    assert PACKAGES & locked("requirements.lock") == set()


def test_it_has_the_python_that_carbon_needs() -> None:
    require_graphite()
    program = "import sys, carbon, graphite, whisper; print(*sys.version_info[:2])"
    command = [graphite_python(), "-c", program]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"3 11\n"


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """An environment that has our packages, and in which nothing is installed."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    return tmp_path / "venv"


def install(environment: Path, path: str) -> str:
    """The last line that an installation into the environment complains of."""
    done = subprocess.run(
        [environment / "bin" / "python", "-c", INSTALL],
        env={
            **os.environ,
            "PATH": path,
            "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.splitlines()[-1]


def test_without_uv_it_says_what_to_install(bare: Path) -> None:
    complaint = install(bare, "/nowhere")
    assert complaint.endswith("uv is missing: `pip install 'oura_pipeline[graphite]'`")


def test_a_failed_installation_says_why_and_is_tried_again(bare: Path, tmp_path: Path) -> None:
    """What uv complains of is in the message; half an environment is not taken for a whole one."""
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\necho 'error: no Python 3.11' >&2\nexit 2\n", encoding="utf-8")
    uv.chmod(0o755)
    for _ in range(2):
        complaint = install(bare, str(tmp_path))
        assert complaint.endswith("Graphite could not be installed: error: no Python 3.11")
