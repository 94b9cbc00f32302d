"""The pictures of a person's own page: for every eye, every screen, and for none."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest
from playwright.sync_api import Browser, Page

from oura_pipeline_tests.browser.conftest import Visitor
from oura_pipeline_tests.browser.visits import (
    DESK,
    PHONE,
    SandboxedSite,
    Visit,
    new_visit,
    sandboxed_site,
)

DRAWN = ("sleep", "daily_sleep", "daily_readiness", "daily_activity")
SIZES = [DESK, PHONE]


@pytest.fixture(scope="module")
def shown(
    browser: Browser, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SandboxedSite]:
    """A site at which runa has a month to look at."""

    def set_variables(values: Mapping[str, str]) -> None:
        for name, value in values.items():
            environment.setenv(name, value)

    home = tmp_path_factory.mktemp("shown") / "home"
    shutil.copytree(empty_home, home)
    with pytest.MonkeyPatch.context() as environment, sandboxed_site(home, set_variables) as made:
        with new_visit(browser, made, {}) as visit:
            visit.join("runa", "runa")
        made.sync("runa", *DRAWN, days=30)
        yield made


@pytest.fixture
def visit(shown: SandboxedSite, visitor: Visitor) -> Visit:
    """Runa at their page."""
    return visitor(shown).sign_in("runa")


def open_tables(page: Page) -> None:
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true })")


def test_charts_and_tables_are_accessible(visit: Visit) -> None:
    """Light and dark, phone and desk, with every table open: nothing to complain of."""
    assert visit.page.locator("svg.chart").count() == 8
    open_tables(visit.page)
    visit.check()


def test_a_page_without_charts_is_accessible(site: SandboxedSite, visitor: Visitor) -> None:
    """Somebody new sees sentences and a calendar in which nothing was asked yet."""
    visit = visitor(site).join("runa", "runa").check()
    assert visit.page.locator("svg.chart").count() == 0
    assert visit.page.locator("svg.month").count() == 12


@pytest.mark.parametrize("size", SIZES, ids=["desk", "phone"])
def test_labels_in_charts_are_readable(visit: Visit, size: dict[str, Any]) -> None:
    """They have the same size on every screen, stay on it, and do not lie on each other."""
    visit.page.set_viewport_size(size)
    assert visit.page.evaluate(_SIZES) == ["13px"]
    assert visit.page.evaluate(_OUTSIDE) == []
    assert visit.page.evaluate(_OVERLAPS) == []


_SIZES = """() => [...new Set([...document.querySelectorAll('svg.chart text')]
  .map(e => getComputedStyle(e).fontSize))]"""
_OUTSIDE = """() => [...document.querySelectorAll('svg.chart text')].filter(e => {
  const box = e.getBoundingClientRect()
  const card = e.closest('.card').getBoundingClientRect()
  return box.left < card.left || box.right > card.right || box.bottom > card.bottom
}).map(e => e.textContent)"""
_OVERLAPS = """() => [...document.querySelectorAll('svg.chart')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')]
  const boxes = texts.map(e => [e.textContent, e.getBoundingClientRect()])
  return boxes.flatMap(([one, a], at) => boxes.slice(at + 1).filter(([, b]) =>
    a.left < b.right && b.left < a.right && a.top + 2 < b.bottom && b.top + 2 < a.bottom
  ).map(([two]) => one + ' lies on ' + two))
})"""


def test_a_plot_fills_its_container_and_lines_keep_their_width(visit: Visit) -> None:
    """Wide on a desk, narrow on a phone, and equally high on both."""
    heights, widths = set(), []
    for size in SIZES:
        visit.page.set_viewport_size(size)
        box = visit.page.locator("svg.chart.night").first.bounding_box()
        assert box is not None
        heights.add(box["height"])
        widths.append(round(box["width"]))
    assert len(heights) == 1
    assert widths == [917, 221]
    style = "e => getComputedStyle(e).vectorEffect"
    assert visit.page.locator("path.line").first.evaluate(style) == "non-scaling-stroke"


def test_the_tables_are_reached_and_scrolled_by_keyboard(visit: Visit) -> None:
    """Open one with Enter, go into it with Tab, see its last column with the arrow keys."""
    page = visit.page
    page.set_viewport_size(PHONE)
    page.locator("section[aria-labelledby=trends] summary").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    where = "() => document.activeElement.getAttribute('aria-labelledby')"
    assert page.evaluate(where) == "trend-caption"
    # Chromium lets everybody into what scrolls; other browsers want to be told.
    assert page.locator(".scroll").count() == page.locator(".scroll[tabindex='0']").count() == 2
    shown = "() => getComputedStyle(document.activeElement).outlineStyle !== 'none'"
    assert page.evaluate(shown)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.activeElement.scrollLeft > 0")


def test_the_tables_have_the_numbers_of_the_views(shown: SandboxedSite, visit: Visit) -> None:
    """A night as a whole, and every day of the trends, as somebody reads them who cannot see."""
    open_tables(visit.page)
    night = f"""SELECT strftime(day, '%Y-%m-%d'), {_clock("awake")}, {_clock("rem")},
        {_clock("light")}, {_clock("deep")}, {_clock("total_sleep")}, {_clock("time_in_bed")},
        {_whole("lowest_heart_rate_bpm")}, {_whole("average_heart_rate_bpm")},
        {_whole("hrv_average_ms")}
        FROM oura.nights WHERE username = 'runa' ORDER BY day DESC LIMIT 1"""
    [(day, *values)] = _asked(shown.home, night)
    assert _cells(visit.page, f"#night-table-{day} td.number") == values
    days = f"""SELECT strftime(day, '%Y-%m-%d'), {_whole("sleep_score")},
        {_whole("readiness_score")}, {_whole("activity_score")}, {_whole("hrv_average_ms")},
        {_whole("resting_heart_rate_bpm")}
        FROM oura.daily_summary WHERE username = 'runa' ORDER BY day DESC"""
    rows = [list(row) for row in _asked(shown.home, days)]
    read = _cells(visit.page, "#trend-table tbody th, #trend-table tbody td")
    assert [read[at : at + 6] for at in range(0, len(read), 6)] == rows


def _asked(home: Path, query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(home / "analytics.duckdb"), read_only=True) as copy:
        return copy.execute(query).fetchall()


def _cells(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def _whole(column: str) -> str:
    return f"coalesce(format('{{:.0f}}', floor({column} + 0.5)), '–')"


def _clock(column: str) -> str:
    minutes = f"floor({column}_minutes + 0.5)::INTEGER"
    return f"coalesce(format('{{}}:{{:02}}', {minutes} // 60, {minutes} % 60), '–')"


def test_charts_have_names_for_screen_readers(visit: Visit) -> None:
    """By title and description; what is inside of them is not read word by word."""
    night = visit.page.get_by_role("img", name="The night of 2026-10-28")
    assert night.count() == 1
    title, about = night.evaluate(_LABELS)
    assert title == "The night of 2026-10-28"
    assert about.startswith("In bed from ")
    assert visit.page.get_by_role("img", name="Sleep score, 90 days up to 2026-10-28").count() == 1
    assert visit.page.get_by_role("img", name="October 2026").count() == 1


_LABELS = """e => e.getAttribute('aria-labelledby').split(' ')
  .map(id => document.getElementById(id).textContent)"""
