"""Fixtures that many files need: a sandbox for all tests of a file, a world for each of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.world import World, world


def cloud_with(**options: Any) -> Any:
    """Return the fixture `cloud`: a sandbox with these options, for all tests of a file."""

    @pytest.fixture(scope="module", name="cloud")
    def cloud() -> Iterator[Sandbox]:
        with running(SandboxOptions(**options)) as sandbox:
            yield sandbox

    return cloud


def world_with(*usernames: str, **settings: str) -> Any:
    """Return the fixture `made`: a world at `cloud` where these people have just signed in."""

    @pytest.fixture(name="made")
    def made(cloud: Sandbox, tmp_path: Path) -> Iterator[World]:
        with world(tmp_path / "data", cloud, settings=settings) as made:
            for username in usernames:
                made.sign_in(username)
            cloud.reset_requests()
            yield made
        cloud.clear_faults()

    return made
