"""What looks at the pages does see what is wrong with them."""

from __future__ import annotations

import pytest

from oura_pipeline_tests.browser.conftest import Visitor
from oura_pipeline_tests.browser.visits import SandboxedSite, Visit


@pytest.fixture
def visit(site: SandboxedSite, visitor: Visitor) -> Visit:
    """Somebody at the front page, where everything was checked."""
    return visitor(site).open("/").check()


PALE = "p.className = 'pale'; p.textContent = 'pale'; p.style = 'color: #ccc; background: #fff'"
# The ink is pale in the dark only.
INK = "p.className = 'ink'; p.textContent = 'ink'; p.style = 'color: var(--ink); background: #fff'"


@pytest.mark.parametrize(
    ("flaw", "rule"),
    [
        ("p.innerHTML = '<input id=unnamed>'", "label"),
        ("p.innerHTML = '<h5>too deep</h5>'", "heading-order"),
        ("p.innerHTML = '<a href=\"/\"></a>'", "link-name"),
        (PALE, "color-contrast"),
        (INK, "dark 1280: .*color-contrast|dark 360: .*color-contrast"),
    ],
)
def test_an_inaccessible_page_is_found(visit: Visit, flaw: str, rule: str) -> None:
    """No name, no contrast, a heading that skips: seen, although the rest of the page is known."""
    paragraph = "const p = document.querySelector('main').appendChild(document.createElement('p'))"
    visit.page.evaluate(f"() => {{ {paragraph}; {flaw} }}")
    with pytest.raises(AssertionError, match=rule):
        visit.check()


def test_a_page_wider_than_a_phone_is_found(visit: Visit) -> None:
    """The element that sticks out is named."""
    wide = "() => { const p = document.querySelector('h1'); p.style.minWidth = '500px' }"
    visit.page.evaluate(wide)
    with pytest.raises(AssertionError, match="h1"):
        visit.check()


@pytest.mark.parametrize(
    ("added", "complaint"),
    [
        ("<p>good</p>", ""),
        ("<p style='color: red'>inline</p>", "Content Security"),
        ("<img src='http://127.0.0.1:1/stranger.png' alt=''>", "Content Security"),
        ("<img src='/nothing.png' alt=''>", "404: "),
    ],
)
def test_browser_complaints_are_found(visit: Visit, added: str, complaint: str) -> None:
    """What the Content-Security-Policy forbids, and what does not load."""
    visit.page.evaluate("html => { document.body.innerHTML += html }", added)
    visit.page.wait_for_load_state("networkidle")
    assert complaint in " ".join(visit.problems)
    assert bool(visit.problems) == bool(complaint)
    visit.problems.clear()


def test_console_errors_are_found(visit: Visit) -> None:
    """Errors and warnings, not what is only said."""
    for kind in ("error", "warn", "log"):
        visit.page.evaluate(f"() => console.{kind}('{kind}')")
    visit.page.wait_for_load_state("networkidle")
    assert visit.problems == ["console: error", "console: warn"]
    visit.problems.clear()
