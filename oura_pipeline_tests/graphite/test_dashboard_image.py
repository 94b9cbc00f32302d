"""Pictures of dashboards show what there is, and whose it is."""

from __future__ import annotations

import struct
from datetime import timedelta
from pathlib import Path

import pytest

from oura_pipeline.graphite.dashboard_image import WIDTH, draw
from oura_pipeline_tests.tools.dashboards.people_in_graphite import LAST, PeopleInGraphite
from oura_pipeline_tests.tools.dashboards.screenshots import FOLDER, LARGEST
from tools.dashboards.people import PEOPLE_DASHBOARDS


def picture(shown: PeopleInGraphite, folder: Path, dashboard: str, person: str) -> bytes:
    path = folder / "picture.png"
    first = LAST - timedelta(days=8)
    draw(shown.graphite.render_url, dashboard, path, person=person, first=first, last=LAST)
    return path.read_bytes()


def size(png: bytes) -> tuple[int, int]:
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    return width, height


@pytest.mark.parametrize("dashboard", [one.uid for one in PEOPLE_DASHBOARDS])
def test_a_picture_has_every_panel_and_somebodys_values(
    dashboard: str, graphite_people: PeopleInGraphite, tmp_path: Path
) -> None:
    """It is as wide as it should be, and empty where Graphite knows nobody of that name."""
    full = picture(graphite_people, tmp_path, dashboard, "runa")
    width, height = size(full)
    assert width == WIDTH
    assert height > 700
    nobody = picture(graphite_people, tmp_path, dashboard, "nobody")
    if dashboard == "oura-leaderboard":
        assert full == nobody  # it shows everybody, whoever asks
    else:
        assert len(nobody) < 0.8 * len(full)
        assert size(nobody) == size(full)


def test_the_same_values_are_the_same_picture(
    graphite_people: PeopleInGraphite, tmp_path: Path
) -> None:
    """And other people's are another."""
    mine, again, others = (
        picture(graphite_people, tmp_path, "oura-sleep", person)
        for person in ("runa", "runa", "koa")
    )
    assert mine == again
    assert mine != others


def test_every_dashboard_of_people_has_a_picture_in_the_docs() -> None:
    """As large as a repository can bear."""
    sizes = {path.name: path.stat().st_size for path in FOLDER.glob("*.png")}
    assert sorted(sizes) == sorted(f"{one.uid}.png" for one in PEOPLE_DASHBOARDS)
    assert max(sizes.values()) <= LARGEST
