"""`oura-pipeline demo`, where it needs no sync; `end_to_end/test_wheel.py` runs all of it."""

from __future__ import annotations

import json
import socket
from datetime import date
from pathlib import Path

import click
import pytest

from oura_pipeline.commands.demo_folder import DemoFolder
from oura_pipeline.commands.demo_grafana import prepare
from oura_pipeline_tests.commands.shell import Shell


def test_a_demo_that_is_to_stay_up_looks_for_its_ports_first(shell: Shell) -> None:
    """Not after a minute's work; nothing is made."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        refused = shell.refused("demo", "--serve", "--site-port", str(port))
    assert refused.startswith(f"Error: port {port} is taken: stop what listens there, or choose")
    assert not (shell.world.home / "demo").exists()


def test_what_a_demo_made_is_used_by_one_of_the_same_kind(tmp_path: Path) -> None:
    """Once it is complete, as long as it is there, and not by one of other days."""
    folder, first = DemoFolder(tmp_path / "demo"), date(2026, 4, 8)
    folder.make()
    assert folder.first_day(days=60, graphite=True) is None
    folder.done(first, days=60, graphite=True)
    assert folder.first_day(days=60, graphite=True) == first
    assert folder.first_day(days=7, graphite=True) is None
    assert folder.first_day(days=60, graphite=False) is None
    folder.remove()
    assert folder.first_day(days=60, graphite=True) is None
    assert not folder.path.exists()


def test_a_demo_is_reset(shell: Shell) -> None:
    DemoFolder(shell.world.home / "demo").make()
    shown = shell("demo", "--reset").output
    assert "is gone; the next demo begins anew" in shown
    assert not (shell.world.home / "demo").exists()


@pytest.mark.parametrize(
    ("given", "program", "command"),
    [
        (".", "bin/grafana", ["bin/grafana", "server"]),
        (".", "bin/grafana-server", ["bin/grafana-server"]),
        ("bin/grafana", "bin/grafana", ["bin/grafana", "server"]),
    ],
)
def test_a_grafana_is_started_provisioned(
    given: str, program: str, command: list[str], tmp_path: Path
) -> None:
    """With the dashboards and the demo's Graphite, on this machine only."""
    home, folder = tmp_path / "grafana", tmp_path / "demo"
    (home / "conf").mkdir(parents=True)
    (home / program).parent.mkdir()
    (home / program).touch()
    run, variables = prepare(home / given, folder, "http://127.0.0.1:8080")
    assert run == [str(home / command[0]), *command[1:], f"--homepath={home}"]
    assert variables["GF_SERVER_HTTP_ADDR"] == "127.0.0.1"
    provisioning = Path(variables["GF_PATHS_PROVISIONING"])
    [source] = json.loads((provisioning / "datasources" / "oura.yaml").read_text())["datasources"]
    assert (source["uid"], source["url"]) == ("oura-graphite", "http://127.0.0.1:8080")
    [provider] = json.loads((provisioning / "dashboards" / "oura.yaml").read_text())["providers"]
    assert (Path(provider["options"]["path"]) / "oura-sleep.json").is_file()


def test_a_folder_without_a_grafana_is_said_to_have_none(tmp_path: Path) -> None:
    with pytest.raises(click.ClickException, match="has no bin/grafana or bin/grafana-server"):
        prepare(tmp_path, tmp_path / "demo", "http://127.0.0.1:8080")
