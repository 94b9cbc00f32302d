"""What holds for every test: which of them share a worker when several work side by side.

What surprises: a module's tests stay together, because they share fixtures, and so do all that
use one of the large fixtures of a session, which would otherwise be made once per worker.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

LARGE = ("synced", "browser", "people_shown")


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    """Name the group of each test for `--dist loadgroup`."""
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        shared = next((name for name in LARGE if name in fixtures), None)
        module = item.nodeid.partition("::")[0]
        item.add_marker(pytest.mark.xdist_group(shared or module))
