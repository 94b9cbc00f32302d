"""What whoever runs the site does in a browser: log in, see how it is, invite somebody."""

from __future__ import annotations

from datetime import date

from oura_pipeline.accounts.studies import Enrolment
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline_tests.browser.conftest import OpenSite, Visitor
from oura_pipeline_tests.browser.visits import PASSWORD, SandboxedSite

AGREED = Enrolment(
    code="A1",
    first_day=date(2026, 3, 2),
    consent_version="1.2",
    consented_on=date(2026, 2, 20),
)


def test_the_operator_logs_in_and_sees_how_everything_is(
    site: SandboxedSite, visitor: Visitor
) -> None:
    """Everybody by username and state, nothing of their health; strangers see nothing."""
    runa = visitor(site).join("runa", "runa")
    site.sync("runa", "daily_sleep")
    with open_pipeline() as pipeline:
        pipeline.accounts.studies.create("nap")
        pipeline.accounts.studies.enroll("nap", "runa", AGREED)
    assert "agreed to version 1.2" in runa.open("/me").check().text
    visit = visitor(site).open("/status")
    assert visit.path == "/operator"
    visit.check().page.fill("#token", "guessed")
    visit.press("#enter").check()
    assert visit.error == "Wrong password."
    visit.page.fill("#token", PASSWORD)
    visit.press("#enter").check()
    assert visit.path == "/status"
    assert "runa" in visit.text
    visit.page.locator("summary", has_text="Enroll somebody").click()
    assert visit.check().page.locator(".participant").inner_text().split()[:2] == ["A1", "nap"]
    visit.press("#sign-out")
    assert visit.open("/status").path == "/operator"


def test_a_link_to_a_person_marks_their_row(site: SandboxedSite, visitor: Visitor) -> None:
    """Dagster links to the id of a person; the page says who that is, also after signing in."""
    visitor(site).join("runa", "runa")
    visitor(site).join("koa", "koa")
    with open_pipeline() as pipeline:
        person = pipeline.accounts.people.get("runa")
    visit = visitor(site).open(f"/status#{person.id}")
    visit.page.fill("#token", PASSWORD)
    visit.press("#enter").check()
    marked = visit.page.locator("tr:target").inner_text().split()
    assert marked[0] == "runa"
    assert person.id in marked


def test_a_person_is_not_an_operator(site: SandboxedSite, visitor: Visitor) -> None:
    """Being signed in opens one's own page only."""
    assert visitor(site).join("runa", "runa").open("/status").path == "/operator"


def test_an_invite_of_the_operator_lets_somebody_in(open_site: OpenSite, visitor: Visitor) -> None:
    """The code is shown once, and it works."""
    site = open_site(OURA_SIGNUP="invite")
    visit = visitor(site).open("/operator")
    visit.page.fill("#token", PASSWORD)
    visit.press("#enter").press("#make-invite").check()
    code = visit.page.locator("#invite-code").inner_text()
    guest = visitor(site).open("/")
    guest.page.fill("#invite", code)
    guest.press("#sign-in").consent("koa").page.fill("#username", "koa")
    assert guest.press("#choose").heading == "koa"


def test_without_a_password_the_page_is_off(open_site: OpenSite, visitor: Visitor) -> None:
    """It says which setting opens it."""
    visit = visitor(open_site(OURA_OPERATOR_TOKEN="")).open("/operator").check()
    assert "OURA_OPERATOR_TOKEN" in visit.text
