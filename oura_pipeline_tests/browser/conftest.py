"""One Chromium for all of these tests, a site and a sandbox for each, a new browser per visitor."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from oura_pipeline.files import keep_private
from oura_pipeline_tests.browser.visits import (
    CHROMIUM,
    Checked,
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
def checked() -> Checked:
    """The parts of pages that were checked already."""
    return {}


@pytest.fixture
def open_site(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OpenSite]:
    """`open_site(OURA_SIGNUP="invite", …)`: a site with these settings."""
    home = tmp_path / "home"
    keep_private(home)
    # With its tables and views, but not published: as if nothing had come yet.
    shutil.copy(empty_home / "warehouse.duckdb", home)

    def set_variables(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            monkeypatch.setenv(name, value)

    with ExitStack() as stack:

        def open_with(**settings: str) -> SandboxedSite:
            here = sandboxed_site(home, set_variables, **settings)
            return stack.enter_context(here)

        yield open_with


@pytest.fixture
def site(open_site: OpenSite) -> SandboxedSite:
    """A site that is open to everyone."""
    return open_site()


@pytest.fixture
def visitor(browser: Browser, checked: Checked) -> Iterator[Visitor]:
    """`visitor(place, …)`: somebody with a browser of their own; options are those of a context."""
    with ExitStack() as stack:

        def come(at: SandboxedSite, **context: Any) -> Visit:
            return stack.enter_context(new_visit(browser, at, checked, **context))

        yield come
