"""What the files in deploy/ promise: no rights, pinned versions, nothing a linter calls wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml

from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_program

DEPLOY = ROOT / "deploy"
COMPOSE, WORKERS = DEPLOY / "compose.yaml", DEPLOY / "workers.yaml"
PROGRAMS = ("web", "webserver", "daemon", "worker")
_VARIABLE = re.compile(r"\$\{?([A-Z_]+)")


def services() -> dict[str, dict[str, Any]]:
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"])


def complaints(*command: str | Path) -> str:
    """What a program says about files; empty: it is content."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr if done.returncode else ""


def beside_python(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def test_hadolint_finds_nothing_in_the_container_file() -> None:
    assert complaints(beside_python("hadolint"), DEPLOY / "Containerfile") == ""


@pytest.mark.parametrize("file", [COMPOSE, WORKERS])
def test_the_compose_file_is_one(file: Path) -> None:
    """By the schema of the Compose specification, which check-jsonschema brings along."""
    check = beside_python("check-jsonschema")
    assert complaints(check, "--builtin-schema", "vendor.compose-spec", file) == ""


def test_workers_have_no_rights_and_the_broker_waits_for_a_shard() -> None:
    """Both can do nothing but their work; the queue is as patient as docs/operating.md says."""
    of_workers = yaml.safe_load(WORKERS.read_text(encoding="utf-8"))["services"]
    for service in of_workers.values():
        assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    conf = (DEPLOY / "rabbitmq" / "rabbitmq.conf").read_text(encoding="utf-8")
    timeout = re.search(r"^consumer_timeout = \d+$", conf, re.M)
    assert timeout
    assert timeout[0] in (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")


def test_images_run_as_a_user_without_rights() -> None:
    """Each that is run, not those in which it is built."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
    stages = dict(re.findall(r"^FROM \S+ AS (\S+)\n(.*?)(?=^FROM |\Z)", text, re.M | re.S))
    users = {name: re.findall(r"^USER (\S+)", stage, re.M) for name, stage in stages.items()}
    built = {one["build"]["target"] for one in services().values() if "build" in one}
    assert built == {"oura", "graphite"}
    assert {name: users[name] for name in built} == {name: ["10001:10001"] for name in built}


@pytest.mark.parametrize("name", services())
def test_a_container_can_do_nothing_but_its_work(name: str) -> None:
    """Its root cannot be written to, it gains no right, and it tells whether it is well."""
    service = services()[name]
    assert service["read_only"] is True
    assert (service["cap_drop"], service.get("cap_add", [])) == (
        ["ALL"],
        ["NET_BIND_SERVICE"] if name == "caddy" else [],
    )
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"]["options"] == {"max-size": "20m", "max-file": "5"}
    pinned = re.search(r":v?\d+\.\d+", service["image"])
    assert bool(pinned) != ("build" in service)
    assert ("healthcheck" in service) != (name in ("network", "backup", "rollback"))
    # Whatever listens does so on 127.0.0.1 of a network that nothing else is in.
    assert service.get("network_mode", name) == (
        "network" if name == "network" else "service:network"
    )
    assert ("ports" in service) == (name == "network")


def test_every_variable_stands_in_the_example() -> None:
    """Of the compose file and of Caddy's."""
    files = (COMPOSE, DEPLOY / "Caddyfile")
    used = {name for file in files for name in _VARIABLE.findall(file.read_text(encoding="utf-8"))}
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert used - set(re.findall(r"^# ([A-Z_]+)=", example, re.M)) == set()
    assert used > {"OURA_PUBLIC_URL", "GRAFANA_PASSWORD"}


def test_images_have_the_versions_that_are_tested() -> None:
    """Those of requirements.lock, without the tools of developers."""
    locked = [versions(ROOT / path) for path in ("deploy/requirements.lock", "requirements.lock")]
    assert locked[0].items() <= locked[1].items()
    assert {"dagster", "psycopg"} < locked[0].keys()
    assert "pytest" not in locked[0]


def versions(lock: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9-]+)(?:\[.*\])?==(\S+)", lock.read_text("utf-8"), re.M))


@pytest.mark.parametrize("command", PROGRAMS)
def test_a_service_runs_a_command_of_ours_and_keeps_its_files_private(command: str) -> None:
    """Dagster's own programs would listen without the guard."""
    unit = ConfigParser(interpolation=None)
    unit.read(DEPLOY / "systemd" / f"oura-{command}.service", encoding="utf-8")
    service = unit["Service"]
    assert service["ExecStart"] == f"/srv/oura/.venv/bin/oura-pipeline {command}"
    assert service["UMask"] == "0077"
    assert (service["User"], service["ProtectSystem"]) == ("oura", "strict")


def test_systemd_understands_every_unit() -> None:
    """It only misses the programs, which are not installed here."""
    analyze = Path("/usr/bin/systemd-analyze")
    require_program(analyze, "systemd")
    units = sorted((DEPLOY / "systemd").iterdir())
    done = subprocess.run(
        [analyze, "verify", "--man=no", *units], capture_output=True, text=True, check=False
    )
    ours = [line for line in done.stderr.splitlines() if "oura" in line]
    assert [line for line in ours if "is not executable" not in line] == []
    assert len(ours) == 6, done.stderr
