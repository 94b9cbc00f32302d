"""Run docs/nights.ipynb again: `python -m oura_pipeline_tests.analysis.notebook`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from oura_pipeline.catalog.document_types import get_document_type
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.publish import publish
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import world

if TYPE_CHECKING:
    # Jupyter is loaded by whoever runs the notebook: all workers of the tests import this module.
    from nbformat import NotebookNode

NOTEBOOK = ROOT / "docs" / "nights.ipynb"
PEOPLE = ("runa", "koa", "asha")
# Fixed, so that the cells have the same output on every machine; pictures may differ by a pixel.
LAST = date(2026, 6, 30)
DAYS = 84
# What its cells are about; they show no other.
TYPES = ("sleep", "daily_sleep", "daily_readiness", "daily_activity", "workout", "vO2_max")


def main() -> None:
    """Run the notebook and write it back."""
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder, published(Path(folder)):
        write(run(read(), Path(folder)))


@contextmanager
def published(folder: Path) -> Iterator[None]:
    """Publish a copy with twelve weeks of three people."""
    options = SandboxOptions(people=4, days=DAYS, end=LAST)
    with running(options) as sandbox, world(folder / "data", sandbox) as home:
        for username in PEOPLE:
            home.sign_in(username)
        _sync()
        yield


def read() -> NotebookNode:
    """Return the notebook in docs/."""
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def write(notebook: NotebookNode) -> None:
    """Write the notebook to docs/."""
    import nbformat

    nbformat.write(notebook, NOTEBOOK)


def run(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """Return the notebook with new outputs of a kernel of its own, without traces of the machine.

    Raises:
        CellExecutionError: a cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    fresh = nbformat.from_dict(notebook)
    client = NotebookClient(
        fresh,
        timeout=60,
        kernel_name="python3",
        record_timing=False,
        # It warns that loopback is not encrypted.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env={**os.environ, "IPYTHONDIR": str(folder / "ipython")})
    fresh.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return fresh


def _sync() -> None:
    """Fetch and publish: a sync without Dagster's records, which nobody reads."""
    first = LAST - timedelta(days=DAYS - 1)
    with open_pipeline() as pipeline:
        people = people_to_fetch(pipeline)
        for document_type in map(get_document_type, TYPES):
            fetch_and_land(
                pipeline, document_type, people, first_day=first, last_day=LAST, run_id="notebook"
            )
        publish(pipeline)


if __name__ == "__main__":
    main()
