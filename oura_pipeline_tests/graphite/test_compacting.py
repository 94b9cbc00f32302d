"""The file of points loses what was written again, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from oura_pipeline.graphite.carbon import FileSender
from oura_pipeline.graphite.compacting import compact

LINES = """\
bio.ada.sleep.score 70 1767225600
bio.bob.sleep.score 81.0 1767225600
bio.ada.sleep.score 71.5 1767312000
bio.ada.sleep.score 72 1767225600
bio.ada.hr.bpm 1e-07 1767225605
bio.bob.sleep.score 81.0 1767225600
"""
LAST = """\
bio.ada.sleep.score 71.5 1767312000
bio.ada.sleep.score 72 1767225600
bio.ada.hr.bpm 1e-07 1767225605
bio.bob.sleep.score 81.0 1767225600
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "graphite.log"
    path.write_text(LINES, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_the_last_line_of_each_point_stays(log: Path) -> None:
    """As it was written, and in the order in which a Graphite would get them."""
    assert compact(log, worthwhile=0) == len(LINES) - len(LAST)
    assert log.read_text(encoding="utf-8") == LAST
    assert log.stat().st_mode & 0o777 == 0o600


def test_half_a_line_is_cut_off(log: Path) -> None:
    """A kill left it; its batch is sent again."""
    with log.open("a", encoding="utf-8") as file:
        file.write("bio.ada.sleep.score 9")
    compact(log, worthwhile=0)
    assert log.read_text(encoding="utf-8") == LAST


def test_it_is_done_again_when_the_file_has_doubled(log: Path) -> None:
    """Not every day: all of it is read and written."""
    compact(log, worthwhile=0)
    sender = FileSender(log)
    sender.send([("bio.ada.hr.bpm", [(1767225605, 61.0)])])
    assert compact(log, worthwhile=0) == 0
    for value in (62.0, 63.0, 64.0, 65.0):
        sender.send([("bio.ada.hr.bpm", [(1767225605, value)])])
    assert compact(log, worthwhile=0) > 0
    assert log.read_text(encoding="utf-8").count("bio.ada.hr.bpm") == 1
    assert log.read_text(encoding="utf-8").endswith("bio.ada.hr.bpm 65.0 1767225605\n")


def test_a_small_file_and_none_are_left_alone(log: Path) -> None:
    assert compact(log) == 0
    assert log.read_text(encoding="utf-8") == LINES
    assert compact(log.with_name("other.log")) == 0
    assert list(log.parent.iterdir()) == [log]
