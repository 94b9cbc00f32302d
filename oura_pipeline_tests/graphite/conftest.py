"""One real Graphite for all tests of this room; each test takes usernames of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from oura_pipeline.graphite.local import LocalGraphite


@pytest.fixture(scope="session")
def graphite() -> Iterator[LocalGraphite]:
    """A running Graphite."""
    reason = LocalGraphite.available()
    if reason:
        pytest.skip(reason)
    with LocalGraphite() as running:
        yield running
