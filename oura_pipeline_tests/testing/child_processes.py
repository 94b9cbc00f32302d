"""Children that Dagster starts in a test's process and does not wait for."""

from __future__ import annotations

import gc
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 30


@contextmanager
def waited_for() -> Iterator[None]:
    """Wait for the children that the block leaves behind, as their end is asked for there.

    Python warns of a child that nobody waited for, whenever its memory is collected: in the middle
    of some other test.
    """
    try:
        yield
    finally:
        for thing in gc.get_objects():
            if isinstance(thing, subprocess.Popen) and "dagster" in str(thing.args):
                thing.wait(SECONDS)
