"""Shells without and with a Graphite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.commands.shell import Shell
from oura_pipeline_tests.testing.requirements import require_graphite
from oura_pipeline_tests.testing.world import world


@pytest.fixture(scope="module")
def cloud() -> Iterator[Sandbox]:
    """Two people with a history that ends today."""
    with running(SandboxOptions(people=2, days=10, thin=10)) as sandbox:
        yield sandbox


@pytest.fixture
def shell(cloud: Sandbox, empty_home: Path, tmp_path: Path) -> Iterator[Shell]:
    """A world with nobody in it."""
    with world(tmp_path / "data", cloud, begun=empty_home) as made:
        yield Shell(world=made)
    cloud.clear_faults()
    for username in cloud.usernames:
        cloud.change_person(username, membership=True)


@pytest.fixture(scope="module")
def graphite() -> Iterator[LocalGraphite]:
    require_graphite()
    with LocalGraphite() as running:
        yield running


@pytest.fixture
def graphite_shell(
    cloud: Sandbox, graphite: LocalGraphite, empty_home: Path, tmp_path: Path
) -> Iterator[Shell]:
    """A world with a Graphite, and koa in it."""
    with world(tmp_path / "data", cloud, graphite=graphite, begun=empty_home) as made:
        shell = Shell(world=made)
        shell.sign_in("koa")
        yield shell
