"""A site at a sandbox, visited with Chromium, and checks of the visited pages."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    Response,
    sync_playwright,
)

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.fetch import fetch_and_land, people_to_fetch
from oura_pipeline.web.server import listen, running_site, socket_url
from oura_pipeline_tests.testing.world import environment

# The one without windows takes a third of the work.
_BROWSERS = (Path("/usr/bin/chromium-headless-shell"), Path("/usr/bin/chromium"))
CHROMIUM = next((browser for browser in _BROWSERS if browser.exists()), _BROWSERS[0])
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DESK, PHONE = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
PASSWORD = "a long password of the operator"
END = date(2026, 10, 28)
# What a page is made of: every element with its classes and those of what it stands in. Marks the
# elements, and returns the parts, that are new.
_NEW_PARTS = """known => {
  const name = e => e.tagName + '.' + (e.getAttribute('class') ?? '')
  const part = e => name(e.parentElement) + ' ' + name(e)
  const all = [...document.querySelectorAll('body *')]
  all.forEach(e => e.toggleAttribute('data-new', !known.includes(part(e))))
  return [...new Set(all.map(part))].filter(one => !known.includes(one))
}"""
_TOO_WIDE = """() => document.scrollingElement.scrollWidth <= innerWidth ? [] :
  [...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1)
    .map(e => e.tagName.toLowerCase() + (e.id && '#' + e.id) + '.' + e.className)"""
_AXE = Axe()
Checked = dict[str, set[str]]
# Every rule, the best practices as well. What is right is a long list, which stays in the browser.
_VIOLATIONS = """([where, options]) =>
  axe.run(where ?? document, {resultTypes: ['violations'], ...options})
  .then(found => found.violations)"""
# Nothing else differs in the dark: no style of the site shows, hides or moves anything there. They
# take most of axe's time, on a page of a thousand small elements seconds.
_OF_COLOURS = ["color-contrast", "link-in-text-block"]
_COLOURS = {"runOnly": {"type": "rule", "values": _OF_COLOURS}}
_NO_COLOURS = {"rules": {name: {"enabled": False} for name in _OF_COLOURS}}


@dataclass(frozen=True, kw_only=True)
class SandboxedSite:
    """A site and the sandbox it signs people in at; its settings are those of the environment."""

    url: str
    sandbox: Sandbox
    home: Path

    def sync(self, username: str, *types: str, days: int = 3) -> None:
        """Fetch, land and publish somebody's last days, as a run does; all types, or only these."""
        self.fetch(username, *types, days=days)
        with open_pipeline() as pipeline:
            pipeline.warehouse.publish(pipeline.settings.storage.analytics_path)

    def fetch(self, username: str, *types: str, days: int = 3) -> None:
        """The same without publishing: the ledger knows it, and no page shows a document."""
        last = self.sandbox.options.end or datetime.now(UTC).date()
        first = last - timedelta(days=days - 1)
        with open_pipeline() as pipeline:
            people = people_to_fetch(pipeline, [username])
            for document_type in (
                document_type
                for document_type in DOCUMENT_TYPES
                if document_type.name in types or not types
            ):
                fetch_and_land(
                    pipeline, document_type, people, first_day=first, last_day=last, run_id="made"
                )

    def invite(self) -> str:
        """A code for somebody new."""
        with open_pipeline() as pipeline:
            return pipeline.accounts.invites.create()

    def people(self) -> dict[str, str]:
        """Everybody who is here, and their state."""
        with open_pipeline() as pipeline:
            return {
                person.username: person.state.value for person in pipeline.accounts.people.all()
            }

    def granted(self, person: str) -> list[list[str]]:
        """The scopes of each living grant that this person of the sandbox gave."""
        people = {row["username"]: row["granted"] for row in self.sandbox.people()}
        return list(people[person])


@contextmanager
def sandboxed_site(
    home: Path, set_variables: Callable[[dict[str, str]], None], /, **settings: str
) -> Iterator[SandboxedSite]:
    """A site on a free port, registered at a sandbox of its own with 30 days that end at `END`.

    `set_variables` puts what it is given into the environment; `settings` are more of them, by the
    names of their variables.
    """
    with sandboxed_site_with(
        SandboxOptions(end=END, days=30), home, set_variables, **settings
    ) as made:
        yield made


@contextmanager
def sandboxed_site_with(
    options: SandboxOptions,
    home: Path,
    set_variables: Callable[[dict[str, str]], None],
    /,
    **settings: str,
) -> Iterator[SandboxedSite]:
    """The same with another sandbox."""
    with listen("127.0.0.1", 0) as listener:
        url = socket_url(listener)
        registered = replace(options, redirect_uris=(f"{url}/oauth/callback",))
        with running(registered) as sandbox:
            set_variables(variables(home, url, sandbox) | settings)
            with running_site(load_settings(), listener=listener):
                yield SandboxedSite(url=url, sandbox=sandbox, home=home)


def variables(home: Path, url: str, sandbox: Sandbox) -> dict[str, str]:
    """The environment of a site for everyone, operated by somebody who says so."""
    return environment(home, sandbox) | {
        "OURA_AUTHORIZE_URL": f"{sandbox.url}/oauth/authorize",
        "OURA_PUBLIC_URL": url,
        "OURA_SIGNUP": "open",
        "OURA_OPERATED_BY": "Ada Example, ada@example.org",
        "OURA_OPERATOR_TOKEN": PASSWORD,
    }


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, which shows no windows."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@dataclass(kw_only=True)
class Visit:
    """One browser context of somebody at a site, with one page open.

    Attributes:
        page: what they see.
        url: the site.
        checked: the parts that were checked already, by path, shared by all visits.
        problems: what the browser complained about: errors in the console, among them what the
            Content-Security-Policy forbids, failed requests, requests to strangers.
    """

    page: Page
    url: str
    checked: Checked
    problems: list[str] = field(default_factory=list)

    def open(self, path: str) -> Visit:
        """Go to a page of the site."""
        self.page.goto(f"{self.url}{path}")
        return self

    def press(self, selector: str) -> Visit:
        """Press a button or follow a link, and wait for what comes."""
        with self.page.expect_navigation():
            self.page.click(selector)
        return self

    def consent(
        self, person: str, *, without: Sequence[str] = (), decision: str = "approve"
    ) -> Visit:
        """Answer the sandbox's page as that person."""
        self.page.check(f"input[name=person][value={person}]")
        for scope in without:
            self.page.uncheck(f"input[name=granted][value={scope}]")
        return self.press(f"button[value={decision}]")

    def sign_in(self, person: str, **answer: Any) -> Visit:
        """From the front page to wherever somebody who consents is sent."""
        return self.open("/").press("#sign-in").consent(person, **answer)

    def join(self, person: str, username: str, **answer: Any) -> Visit:
        """A whole first sign-in."""
        self.sign_in(person, **answer)
        self.page.fill("#username", username)
        return self.press("#choose")

    @property
    def path(self) -> str:
        """Where they are: path and query."""
        parts = urlsplit(self.page.url)
        return parts.path + (f"?{parts.query}" if parts.query else "")

    @property
    def heading(self) -> str:
        """The heading of the page."""
        return self.page.locator("h1").inner_text()

    @property
    def error(self) -> str:
        """What is said to be wrong with the field that is said to be wrong, without its mark."""
        field = self.page.locator("[aria-invalid=true]")
        ids = (field.get_attribute("aria-describedby") or "").split()
        return self.page.locator(f"#{ids[-1]}.error").inner_text().removeprefix("✕").strip()

    @property
    def text(self) -> str:
        """Everything that can be read in the main part of the page, on one line."""
        return " ".join(self.page.locator("main").inner_text().split())

    def check(self) -> Visit:
        """Check that nothing is too wide for a phone, and everything about elements seen first.

        That is: axe, on a phone and on a desk, the colours light and dark. On a page that was
        checked before, the colours of the new elements and of what is in them, light on a desk and
        dark on a phone.
        """
        self.page.set_viewport_size(PHONE)
        wide = self.page.evaluate(_TOO_WIDE)
        assert not wide, f"{self.path} is wider than a phone: {wide}"
        # All dashboards are one template.
        path = re.sub(r"^/dashboards/.*", "/dashboards", urlsplit(self.page.url).path)
        known = self.checked.setdefault(path, set())
        # Axe takes a second or two: only for elements that were not at this path before.
        if new := self.page.evaluate(_NEW_PARTS, list(known)):
            self._check_closely({"include": [["[data-new]"]]} if known else None)
            known.update(new)
        self.page.set_viewport_size(DESK)
        return self

    def _check_closely(self, where: Any) -> None:
        self.page.evaluate(_AXE.axe_script)
        # What is new on a page that was checked: each scheme and each size once.
        pairs = [("dark", PHONE), ("light", DESK)]
        for scheme, size in pairs if where else itertools.product(("dark", "light"), (PHONE, DESK)):
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size(size)
            found = _violations(self.page, where, _COLOURS)
            if scheme == "light":
                found += _violations(self.page, None, _NO_COLOURS)
            assert not found, f"{self.path} {scheme} {size['width']}: {found}"


@contextmanager
def new_visit(
    browser: Browser, at: SandboxedSite, checked: Checked, **context: Any
) -> Iterator[Visit]:
    """Somebody with a browser of their own; what it complains about fails at the end."""
    options = {"viewport": DESK, "color_scheme": "light", "reduced_motion": "reduce"} | context
    with _context(browser, options) as opened_context:
        page = opened_context.new_page()
        page.set_default_timeout(15_000)
        visit = Visit(page=page, url=at.url, checked=checked)
        _listen(page, visit.problems, {at.url, at.sandbox.url})
        yield visit
        assert not visit.problems, visit.problems


@contextmanager
def _context(browser: Browser, options: Mapping[str, Any]) -> Iterator[BrowserContext]:
    context = browser.new_context(**options)
    try:
        yield context
    finally:
        context.close()


def _listen(page: Page, problems: list[str], known: set[str]) -> None:
    """Note what the browser complains about."""

    def console(message: ConsoleMessage) -> None:
        # That a page came with a status of 400 and more is checked in `answered`.
        if message.type in ("error", "warning") and "the server responded with" not in message.text:
            problems.append(f"console: {message.text}")

    def asked(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and f"{parts.scheme}://{parts.netloc}" not in known:
            problems.append(f"a stranger is asked: {request.url}")

    def answered(response: Response) -> None:
        refused = response.status >= 400 and not response.request.is_navigation_request()
        if refused or response.status >= 500:
            problems.append(f"{response.status}: {response.url}")

    def failed(request: Request) -> None:
        # A download ends the navigation that began it.
        if request.failure != "net::ERR_ABORTED":
            problems.append(f"{request.failure}: {request.url}")

    page.on("console", console)
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on("request", asked)
    page.on("response", answered)
    page.on("requestfailed", failed)


def _violations(page: Page, where: Any, options: Mapping[str, Any]) -> list[str]:
    """What axe finds wrong, in a part of the page or (None) all of it: the rule, and where."""
    return [
        f"{found['id']}: {node['target']} {node['failureSummary']}"
        for found in page.evaluate(_VIOLATIONS, [where, options])
        for node in found["nodes"]
    ]
