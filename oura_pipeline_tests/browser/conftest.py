"""One Chromium for all of these tests, a site and a sandbox for each, a new browser per visitor."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from oura_pipeline_tests.browser.visits import (
    CHROMIUM,
    SandboxedSite,
    Visit,
    chromium,
    new_visit,
    sandboxed_site,
)
from oura_pipeline_tests.testing.requirements import require_program

OpenSite = Callable[..., SandboxedSite]
Visitor = Callable[..., Visit]


# For this folder only: while Playwright runs, no other loop can run in this thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Chromium; where there is none the tests are skipped, but not in CI."""
    require_program(CHROMIUM, "chromium-headless-shell")
    with chromium() as started:
        yield started


@pytest.fixture(scope="package")
def checked() -> set[str]:
    """The parts of pages that were checked already."""
    return set()


@pytest.fixture
def open_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[OpenSite]:
    """`open_site(OURA_SIGNUP="invite", …)`: a site with these settings."""

    def set_variables(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    with ExitStack() as stack:

        def open_with(**settings: str) -> SandboxedSite:
            here = sandboxed_site(tmp_path / "home", set_variables, **settings)
            return stack.enter_context(here)

        yield open_with


@pytest.fixture
def site(open_site: OpenSite) -> SandboxedSite:
    """A site that is open to everyone."""
    return open_site()


@pytest.fixture
def visitor(browser: Browser, checked: set[str]) -> Iterator[Visitor]:
    """`visitor(place, …)`: somebody with a browser of their own; options are those of a context."""
    with ExitStack() as stack:

        def come(at: SandboxedSite, **context: Any) -> Visit:
            return stack.enter_context(new_visit(browser, at, checked, **context))

        yield come
