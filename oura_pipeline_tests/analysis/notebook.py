"""Run docs/nights.ipynb anew: `python -m oura_pipeline_tests.analysis.notebook`.

What surprises: the notebook itself holds what is run; edit it, also without Jupyter, and run this.
The sandbox's history ends on a fixed day, so the same cells say the same on every machine; only
the pictures may differ by a pixel.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, Ask
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.sync.publish import publish
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import world

NOTEBOOK = ROOT / "docs" / "nights.ipynb"
PEOPLE = ("runa", "koa", "asha")
LAST = date(2026, 6, 30)
DAYS = 84


def main() -> None:
    """Run it and write it."""
    with tempfile.TemporaryDirectory(prefix="notebook-") as folder, published(Path(folder)):
        write(ran(read(), Path(folder)))


@contextmanager
def published(folder: Path) -> Iterator[None]:
    """A data folder with twelve weeks of three people in the published copy."""
    options = SandboxOptions(people=4, days=DAYS, end=LAST)
    with running(options) as sandbox, world(folder / "data", sandbox) as made:
        for username in PEOPLE:
            made.sign_in(username)
        _sync()
        yield


def read() -> NotebookNode:
    """The notebook as it stands in docs/."""
    return nbformat.read(NOTEBOOK, as_version=4)


def write(notebook: NotebookNode) -> None:
    """Put it there."""
    nbformat.write(notebook, NOTEBOOK)


def ran(notebook: NotebookNode, folder: Path) -> NotebookNode:
    """The notebook with what its cells say now, in a kernel of its own; nothing of this machine.

    Raises:
        CellExecutionError: a cell fails.
    """
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
    """Fetch what has a day and publish it: a sync without Dagster's records, which nobody reads.

    Heart rates are most of the rows, and the notebook is about nights.
    """
    first = LAST - timedelta(days=DAYS - 1)
    with open_pipeline() as pipeline:
        people = people_to_fetch(pipeline)
        for document_type in (
            document_type for document_type in DOCUMENT_TYPES if document_type.ask is Ask.DAYS
        ):
            fetch_and_land(
                pipeline, document_type, people, first_day=first, last_day=LAST, run_id="notebook"
            )
        publish(pipeline)


if __name__ == "__main__":
    main()
