"""`python -m oura_pipeline_tests.tools.dagster_screenshots`: pictures of Dagster's UI.

They show the real webserver after syncs of a sandbox's people, of whom one does not let us see
workouts and the membership of one lapsed lately, and go into docs/pictures/dagster/.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Page

from oura_pipeline.defs.storage import project_instance
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import running
from oura_pipeline.settings import ALL_SCOPES
from oura_pipeline_tests.browser.png import shrink
from oura_pipeline_tests.browser.visits import chromium
from oura_pipeline_tests.testing.dagsters_ui import running_dagster
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import World, world

FOLDER = ROOT / "docs" / "pictures" / "dagster"
LARGEST, LARGEST_ALL = 200_000, 1_500_000  # bytes
WAIT = 120_000.0  # milliseconds
SIZE = {"width": 1400, "height": 860}
LAST = datetime.now(UTC).date()
DAYS, LAPSED = 14, 3
GROUP = "locations/oura_pipeline/asset-groups"
CHECK = "assets/oura/daily_sleep?view=checks&checkDetail=every_person_landed"
# Address, and a text that is there when the page is.
PAGES = {
    "catalog": ("assets", "daily_sleep"),
    "group": (f"{GROUP}/sleep/lineage", "sleep_time"),
    "views": (f"{GROUP}/views/lineage", "daily_summary"),
    "published": ("assets/analytics/published?view=lineage", "published"),
    "asset": ("assets/oura/daily_sleep?view=overview", "contributors"),
    "days": (f"assets/oura/daily_sleep?view=partitions&partition={LAST}", "people_landed"),
    "checks": ("assets/oura/daily_sleep?view=checks", "every_person_landed"),
    "check": (CHECK, "membership"),
    "metrics": ("assets/graphite/daily_sleep?view=overview", "sleep.score"),
    "launchpad": ("locations/oura_pipeline/jobs/sync/playground", "document_types"),
    "runs": ("runs", "publish"),
    "automation": ("automation", "on day 1 of the month"),
}


def main(folder: Path = FOLDER, *names: str) -> None:
    """Take the pictures, or some of them. Raises `SystemExit` when they are too large."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as home, synced(Path(home)), running_dagster() as url:
        take_all(url, folder, names or tuple(PAGES))
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{size:8,} {name}")
    if max(sizes.values()) > LARGEST or sum(sizes.values()) > LARGEST_ALL:
        sys.exit(f"too large: {sum(sizes.values()):,} bytes, the largest {max(sizes.values()):,}")


@contextmanager
def synced(home: Path) -> Iterator[World]:
    """Three people and a month, of which the last days failed for one of them."""
    options = SandboxOptions(people=3, days=DAYS + 5, end=LAST, thin=10)
    settings = {"OURA_HISTORY_START": str(LAST - timedelta(days=2 * DAYS))}
    with running(options) as sandbox, world(home / "data", sandbox, settings=settings) as made:
        without_workouts, lapsed, _ = sandbox.usernames
        for username in sandbox.usernames:
            refused = {"workout"} if username == without_workouts else set[str]()
            made.sign_in(username, [one for one in ALL_SCOPES.split() if one not in refused])
        made.run(LAST - timedelta(days=DAYS - 1), LAST - timedelta(days=LAPSED))
        sandbox.change_person(lapsed, membership=False)
        made.run(LAST - timedelta(days=LAPSED - 1), LAST)
        publish(made)
        yield made


def publish(made: World) -> None:
    with project_instance(captures_output=False) as instance:
        made.definitions.resolve_job_def("publish").execute_in_process(instance=instance)


def take_all(url: str, folder: Path, names: tuple[str, ...]) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport=SIZE)
        for name in names:
            place, until = PAGES[name]
            take(page, f"{url}/{place}", until, folder / f"{name}.png")


def take(page: Page, address: str, until: str, path: Path) -> None:
    """The page once this is there, and nothing moves."""
    page.goto(address, wait_until="domcontentloaded")
    page.get_by_text(until).first.wait_for(timeout=WAIT)
    page.get_by_text("Loading").first.wait_for(state="hidden", timeout=WAIT)
    page.wait_for_timeout(4000)  # graphs are laid out by a worker, and numbers come later
    page.screenshot(path=path)
    shrink(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]), *sys.argv[2:])
