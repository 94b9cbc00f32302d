"""The notebook in docs/ says what its cells say when they are run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from oura_pipeline_tests.analysis import notebook

if TYPE_CHECKING:
    from nbformat import NotebookNode

PICTURE = "a picture"


@pytest.fixture(scope="module")
def ran(empty_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookNode]:
    """The notebook, run on twelve weeks of people of the sandbox."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(empty_home, folder / "data")
    with notebook.published(folder):
        yield notebook.run(notebook.read(), folder)


def outputs(of: NotebookNode) -> list[list[dict[str, Any]]]:
    """What each cell says; of a picture only that it is there."""
    return [[_without_pixels(output) for output in cell.get("outputs", [])] for cell in of.cells]


def _without_pixels(output: dict[str, Any]) -> dict[str, Any]:
    data = output.get("data", {})
    seen = {kind: PICTURE if kind == "image/png" else text for kind, text in data.items()}
    return {**output, "data": seen}


def test_what_the_cells_say_is_what_stands_in_it(ran: NotebookNode) -> None:
    """Run anew, every cell says the same (`python -m oura_pipeline_tests.analysis.notebook`)."""
    committed = notebook.read()
    assert [cell.source for cell in ran.cells] == [cell.source for cell in committed.cells]
    assert outputs(ran) == outputs(committed)


def test_every_picture_is_in_it() -> None:
    """A night and two trends can be looked at without running anything."""
    said = [said for cell in outputs(notebook.read()) for said in cell]
    assert [one["data"]["text/plain"] for one in said if "image/png" in one["data"]] == [
        "<Figure size 900x640 with 3 Axes>",
        "<Figure size 900x440 with 1 Axes>",
        "<Figure size 900x440 with 1 Axes>",
    ]


def test_no_cell_complains() -> None:
    """Neither an error nor a warning stands in it."""
    said = [said for cell in outputs(notebook.read()) for said in cell]
    assert {one["output_type"] for one in said} == {"execute_result"}


def test_nothing_of_a_machine_is_in_it() -> None:
    """No times of running, no versions, no paths; and it stays small."""
    raw = notebook.NOTEBOOK.read_text(encoding="utf-8")
    read = json.loads(raw)
    assert read["metadata"] == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert [cell["metadata"] for cell in read["cells"]] == [{}] * len(read["cells"])
    written = str([[cell.source for cell in notebook.read().cells], outputs(notebook.read())])
    assert not re.findall(r"/(?:tmp|home|root|Users|work)/\S*", written)
    assert len(raw) < 400_000
