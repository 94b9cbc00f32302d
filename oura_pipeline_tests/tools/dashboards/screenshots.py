"""`python -m oura_pipeline_tests.tools.dashboards.screenshots`: pictures of the dashboards.

They show made-up people of a sandbox with a fixed last day, so that two runs draw the same, and go
into docs/pictures/dashboards/. Pipeline health is missing: Prometheus draws nothing.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from oura_pipeline.graphite.dashboard_image import draw
from oura_pipeline_tests.browser.png import shrink
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.tools.dashboards.people_in_graphite import LAST, PeopleInGraphite, shown
from tools.dashboards.people import PEOPLE_DASHBOARDS

FOLDER = ROOT / "docs" / "pictures" / "dashboards"
LARGEST = 250_000  # bytes
PERSON = "runa"
DAYS = {"now-2d": 2, "now-90d": 90}


def main(folder: Path = FOLDER) -> None:
    """Draw every dashboard of people. Raises `SystemExit` when one is too large."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, shown(Path(home), days=100) as world:
        draw_all(world, folder)
    too_large = [path.name for path in folder.glob("*.png") if path.stat().st_size > LARGEST]
    if too_large:
        sys.exit(f"too large: {', '.join(too_large)}")


def draw_all(world: PeopleInGraphite, folder: Path) -> None:
    """A picture of each dashboard; the last day is not shown, for it lasts until noon only."""
    last = LAST - timedelta(days=1)
    for one in PEOPLE_DASHBOARDS:
        path = folder / f"{one.uid}.png"
        # The leaderboard's lower row shows two weeks in any case.
        days = 14 if one.everybody else DAYS[one.start]
        first = last - timedelta(days=days - 1)
        draw(world.graphite.render_url, one.uid, path, person=PERSON, first=first, last=last)
        shrink(path)
        print(f"{path.stat().st_size:8,} {path.name}")


if __name__ == "__main__":
    main()
