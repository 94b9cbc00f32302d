"""`python -m oura_pipeline_tests.browser.screenshots`: pictures of every page, of made-up people.

They are taken of the real site, at a sandbox, and written into
docs/pictures/site/. The times that the pages show are those of the moment, so two runs differ
by a few pixels.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.sync_api import Browser, FloatRect

from oura_pipeline.catalog.document_types import DAILY_SLEEP, SLEEP, SLEEP_TIME, DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.settings import ALL_SCOPES
from oura_pipeline.sync.push import confirm_sent, push_documents
from oura_pipeline.sync.subscriptions import maintain
from oura_pipeline_tests.browser.png import shrink
from oura_pipeline_tests.browser.visits import (
    DESK,
    PASSWORD,
    PHONE,
    SandboxedSite,
    Visit,
    chromium,
    new_visit,
    sandboxed_site_with,
)
from oura_pipeline_tests.testing.paths import ROOT

SCREENS = ROOT / "docs" / "pictures" / "site"
LARGEST, LARGEST_ALL = 300_000, 1_500_000  # bytes
DAYS, HISTORY_DAYS, SHOWN_DAYS = 240, 365, 100


def main(folder: Path = SCREENS) -> None:
    """Take every picture. Raises `SystemExit` when they are too large for a repository."""
    folder.mkdir(parents=True, exist_ok=True)
    began = datetime.now(UTC).date() - timedelta(days=HISTORY_DAYS)
    settings = {"OURA_SIGNUP": "invite", "OURA_HISTORY_START": str(began)}
    options = SandboxOptions(days=DAYS)
    with (
        tempfile.TemporaryDirectory() as home,
        sandboxed_site_with(options, Path(home), os.environ.update, **settings) as site,
        chromium() as browser,
    ):
        Photographer(site, browser, folder).take_all()
    take_first_steps(folder)
    take_dashboards(folder)
    sizes = {path.name: path.stat().st_size for path in sorted(folder.glob("*.png"))}
    for name, size in sizes.items():
        print(f"{size:8,} {name}")
    if max(sizes.values()) > LARGEST or sum(sizes.values()) > LARGEST_ALL:
        sys.exit(f"too large: {sum(sizes.values()):,} bytes, the largest {max(sizes.values()):,}")


def take_first_steps(folder: Path) -> None:
    """Take the pictures of a site on one's own machine, which asks for no invite."""
    with (
        tempfile.TemporaryDirectory() as home,
        sandboxed_site_with(SandboxOptions(days=3), Path(home), os.environ.update) as site,
        chromium() as browser,
    ):
        Photographer(site, browser, folder).take_first_steps()


def take_dashboards(folder: Path) -> None:
    """Take a picture of the dashboards that the site draws."""
    with tempfile.TemporaryDirectory() as home, LocalGraphite() as graphite:
        settings = {
            "GRAPHITE_HOST": "127.0.0.1",
            "GRAPHITE_PORT": str(graphite.line_port),
            "GRAPHITE_RENDER_URL": graphite.render_url,
        }
        options = SandboxOptions(days=DAYS)
        with (
            sandboxed_site_with(options, Path(home), os.environ.update, **settings) as site,
            chromium() as browser,
        ):
            Photographer(site, browser, folder).take_dashboards()


class Photographer:
    """Somebody who signs in, gets into every trouble, and takes pictures of it."""

    def __init__(self, site: SandboxedSite, browser: Browser, folder: Path) -> None:
        self._site = site
        self._browser = browser
        self._folder = folder

    def take_all(self) -> None:
        """Every page."""
        for work in (self._signing_up, self._own_page, self._missing, self._trouble, self._status):
            work()

    def take_first_steps(self) -> None:
        """The first page and the consent of somebody alone, and a consent that allows nothing."""
        with self._visit() as visit:
            self._take(visit.open("/"), "own-home", until="#collected")
            visit.press("#sign-in").consent("runa", without=ALL_SCOPES.split())
            self._take(visit, "nothing-granted")

    def take_dashboards(self) -> None:
        """What somebody sees of their sleep."""
        with self._visit() as visit:
            visit.join("runa", "runa")
            nights = (DAILY_SLEEP, SLEEP, SLEEP_TIME)
            self._site.fetch("runa", *(one.name for one in nights), days=SHOWN_DAYS)
            push("runa", nights, days=SHOWN_DAYS)
            self._take(visit.open("/dashboards/sleep"), "dashboards", until="#row-2")

    def _signing_up(self) -> None:
        with self._visit() as visit:
            self._in_both_schemes(visit.open("/"), "home")
            self._on_a_phone(visit, "home")
            visit.page.fill("#invite", self._site.invite())
            self._take(visit.press("#sign-in"), "consent")
            self._take(visit.consent("runa"), "welcome")
            visit.page.evaluate("() => document.querySelector('#username-form').noValidate = true")
            visit.page.fill("#username", "Runa!")
            self._take(visit.press("#choose"), "welcome-error")
            visit.page.fill("#username", "runa")
            visit.press("#choose")
        self._site.sync("runa", days=DAYS)

    def _own_page(self) -> None:
        with self._visit() as visit:
            visit.sign_in("runa")
            self._in_both_schemes(visit, "me", until="#fetched")
            self._take(visit.open("/me/delete"), "delete")
            self._on_a_phone(visit.open("/me"), "me", until="#trends")

    def _missing(self) -> None:
        with self._visit() as visit:
            visit.open("/").page.fill("#invite", self._site.invite())
            visit.press("#sign-in").consent("koa", without=["workout", "heart_health"])
            visit.page.fill("#username", "koa")
            visit.press("#choose")
            self._site.sync("koa", days=7)
            self._take(visit.open("/me"), "me-missing-scope", until="#nights")

    def _trouble(self) -> None:
        with self._visit() as visit:
            visit.sign_in("koa")
            self._site.sandbox.change_person("koa", revoke="all")
            self._site.sync("koa", days=1)
            self._take(visit.open("/me"), "me-reconnect", until="#nights")
            self._take(visit.open("/oauth/callback?state=old"), "error")

    def _status(self) -> None:
        with self._visit() as visit:
            self._take(visit.open("/operator"), "operator")
            with open_pipeline() as pipeline:
                maintain(pipeline)
            visit.page.fill("#token", PASSWORD)
            self._take(visit.press("#enter"), "status")

    @contextmanager
    def _visit(self) -> Iterator[Visit]:
        with new_visit(self._browser, self._site, {}) as visit:
            yield visit

    def _in_both_schemes(self, visit: Visit, name: str, until: str = "") -> None:
        for scheme in ("light", "dark"):
            visit.page.emulate_media(color_scheme=scheme)
            self._take(visit, f"{name}-{scheme}", until)
        visit.page.emulate_media(color_scheme="light")

    def _on_a_phone(self, visit: Visit, name: str, until: str = "") -> None:
        visit.page.set_viewport_size(PHONE)
        self._take(visit, f"{name}-phone", until)
        visit.page.set_viewport_size(DESK)

    def _take(self, visit: Visit, name: str, until: str = "") -> None:
        """The whole page, or what stands above an element, which a long page is known by."""
        path = self._folder / f"{name}.png"
        page, clip = visit.page, None
        if until:
            top = page.evaluate(_TOP, until)
            width = page.evaluate("() => document.documentElement.clientWidth")
            clip = FloatRect(x=0, y=0, width=width, height=top)
        page.screenshot(path=path, full_page=True, clip=clip)
        shrink(path)


def push(username: str, document_types: Sequence[DocumentType], *, days: int) -> None:
    """Send somebody's last days to Graphite, and wait until they are there."""
    last = datetime.now(UTC).date()
    shown = days_between(last - timedelta(days=days - 1), last)
    with open_pipeline() as pipeline:
        for one in document_types:
            push_documents(pipeline, one, [username], shown)
        confirm_sent(pipeline, [username], shown)


# In pixels from the top of the page, with some air.
_TOP = "s => document.querySelector(s).getBoundingClientRect().top + scrollY - 24"


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
