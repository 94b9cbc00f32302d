"""The units in `deploy/systemd`."""

from __future__ import annotations

from configparser import ConfigParser

import pytest

from oura_pipeline_tests.testing.paths import ROOT


@pytest.mark.parametrize("command", ["web", "webserver", "daemon"])
def test_a_service_runs_a_command_of_ours_and_keeps_its_files_private(command: str) -> None:
    """Dagster's own programs would listen without the guard."""
    unit = ConfigParser(interpolation=None)
    unit.read(ROOT / "deploy" / "systemd" / f"oura-{command}.service", encoding="utf-8")
    service = unit["Service"]
    assert service["ExecStart"] == f"/srv/oura/.venv/bin/oura-pipeline {command}"
    assert service["UMask"] == "0077"
