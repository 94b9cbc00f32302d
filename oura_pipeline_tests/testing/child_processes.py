"""Child processes that Dagster starts and does not wait for."""

from __future__ import annotations

import gc
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 30


@contextmanager
def wait_for_dagster_children() -> Iterator[None]:
    """Wait for the children that the block leaves behind; the block has to end them."""
    try:
        yield
    finally:
        with warnings.catch_warnings():
            # At times Dagster leaves ending what follows a run's output to this.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        # Python warns of a child that nobody waited for when it is collected: in some other test.
        for thing in gc.get_objects():
            if isinstance(thing, subprocess.Popen) and "dagster" in str(thing.args):
                thing.wait(SECONDS)
