"""`oura-pipeline daemon --is-alive`, which a container asks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from dagster._daemon.types import DaemonHeartbeat

from oura_pipeline.commands.group import cli
from oura_pipeline.defs.storage import project_instance


def is_alive() -> bool:
    return CliRunner().invoke(cli, ["daemon", "--is-alive"]).exit_code == 0


def test_a_daemon_is_alive_as_long_as_all_it_does_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not before its first round, and not an hour after its last."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    assert not is_alive()
    with project_instance(captures_output=False) as instance:
        kinds = sorted(instance.get_required_daemon_types())
        for ago, alive in ((0, True), (3600, False)):
            for kind in kinds:
                instance.add_daemon_heartbeat(DaemonHeartbeat(time.time() - ago, kind, "x", []))
            assert is_alive() is alive
