"""Following deploy/README.md to the letter works, on a machine with nothing but this project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline_tests.deploy.machine import commands
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_graphite, require_program


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was seen while somebody typed every command, top to bottom."""
    for program, package in (("busybox", "busybox"), ("prometheus", "prometheus")):
        require_program(Path("/usr/bin", program), package)
    require_graphite()
    # Whoever is no administrator of this machine is one of that.
    rights = [] if os.geteuid() == 0 else ["--map-root-user"]
    own = ["--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    program = [sys.executable, "-m", "oura_pipeline_tests.deploy.machine"]
    done = subprocess.run(
        ["unshare", *rights, *own, *program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return dict(json.loads(done.stdout.splitlines()[-1]))


def test_every_command_of_the_page_was_typed(seen: dict[str, Any]) -> None:
    """In blocks and in tables; each ended well."""
    page = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
    assert seen["typed"] == list(commands(page))
    assert len(seen["typed"]) > 15


def test_people_and_oura_reach_the_site_over_tls(seen: dict[str, Any]) -> None:
    """Oura leads back from the sign-in, asks the webhook's address and delivers an event.

    Each asks by name, and trusts the authority's root alone: so the whole chain was sent.
    """
    assert seen["signed in"] == [200, "/me"]
    assert seen["events"] == [200]
    assert seen["asked in plain text"] == [308, "https://rings.internal/"]


def test_programs_log_as_json(seen: dict[str, Any]) -> None:
    """What the site logs, in which nobody is named."""
    assert (seen["log"], seen["names"]) == (["{"], False)


def test_only_who_knows_the_password_sees_dagster(seen: dict[str, Any]) -> None:
    assert seen["dagster"] == [401, 200]


def test_a_rollback_puts_aside_what_was_there(seen: dict[str, Any]) -> None:
    """With containers and without; the site goes on with the backup."""
    assert seen["after rollbacks"] == [[1, True], [1, True]]
