"""One sandbox with all zones, and one world into which 33 days of everybody were synced once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.world import World, metadata, red_checks, world

# Europe's clocks change within the range, and it is longer than one query for heart rate may be.
LAST = date(2026, 4, 10)
DAYS = 33
FIRST = LAST - timedelta(days=DAYS - 1)
PEOPLE = 5


@dataclass(frozen=True, kw_only=True)
class Synced:
    """A world after its first sync, with what that sync asked and did."""

    world: World
    success: bool
    heartrates: dict[str, int]  # per day, as its partition says
    red_checks: dict[tuple[str, str], str]
    requests: dict[str, dict[str, int]]
    # What `test_everything_lands` has worked out.
    offsets: dict[str, list[tuple[datetime, timedelta]]] = field(default_factory=dict)
    expected: dict[tuple[str, str], list[tuple[str, Any]]] = field(default_factory=dict)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Sandbox]:
    """A sandbox that no test changes."""
    # Of heart rate still more than a page of each person.
    options = SandboxOptions(people=PEOPLE, days=DAYS + 5, end=LAST, thin=10)
    with running(options, process=True) as sandbox:
        yield sandbox


@pytest.fixture(scope="session")
def synced(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Synced:
    """Everybody, 33 days, every document type, as one range; nobody writes to it afterwards."""
    with world(tmp_path_factory.mktemp("synced") / "data", cloud) as made:
        for username in cloud.usernames:
            made.sign_in(username)
        cloud.reset_requests()
        result = made.run(FIRST, LAST)
        # The world's environment ends here: no other test shall see it.
        return Synced(
            world=made,
            success=result.success,
            heartrates=metadata(result, ["oura", "heartrate"], "dagster/partition_row_count"),
            red_checks=red_checks(result),
            requests=cloud.requests(),
        )


@pytest.fixture
def own_cloud() -> Iterator[Sandbox]:
    """A small sandbox that a test may change."""
    with running(SandboxOptions(people=PEOPLE, days=12, end=LAST, thin=10)) as sandbox:
        yield sandbox


@pytest.fixture
def own_world(own_cloud: Sandbox, tmp_path: Path) -> Iterator[World]:
    """A world of the test's own, with nobody in it yet."""
    with world(tmp_path / "data", own_cloud) as made:
        yield made


@pytest.fixture
def published_world(own_world: World, empty_home: Path) -> World:
    """The same for a test that publishes, with all tables and views, which take a second."""
    for file in empty_home.glob("*.duckdb"):  # somebody may have signed in already
        shutil.copy(file, own_world.home)
    return own_world
