"""How much is tried: a little in every run of the tests, all of it with `make attack`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from oura_pipeline.sandbox.running import Sandbox, SandboxOptions, running
from oura_pipeline_tests.attack.callers import Arena, arena


@pytest.fixture(scope="session")
def cloud() -> Iterator[Sandbox]:
    with running(SandboxOptions(people=2, days=3)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def made(
    cloud: Sandbox, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Arena]:
    """A site with two people and everybody who may come by."""
    home = tmp_path_factory.mktemp("attacked") / "data"
    shutil.copytree(empty_home, home)
    with arena(home, cloud) as opened:
        yield opened
