"""What whoever runs the site does in a browser: log in, see how it is, invite somebody."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime

import pytest

from oura_pipeline.accounts.inbox import ReceivedEvent
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.studies import Enrolment
from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline_tests.browser.conftest import OpenSite, Visitor
from oura_pipeline_tests.browser.visits import PASSWORD, SandboxedSite
from oura_pipeline_tests.warehouse.documents import Odd, land, score
from oura_pipeline_tests.web.pages.test_status import run
from oura_pipeline_tests.web.test_automation import dagster, sensor

AGREED = Enrolment(
    code="A1",
    first_day=date(2026, 3, 2),
    consent_version="1.2",
    consented_on=date(2026, 2, 20),
)


DAY = date(2026, 1, 2)


@pytest.fixture
def troubled_dagster() -> Iterator[str]:
    """Dagster's UI of somebody whose sync failed, where one sensor is stopped and one is late."""
    jobs = ({"name": "sync", "runs": [run("abc", "FAILURE")]}, {"name": "tidy", "runs": []})
    sensors = (sensor("gaps", None, status="STOPPED"), sensor("publish", 10**8))
    with dagster(*sensors, jobs=jobs) as url:
        yield url


def get_into_trouble() -> None:
    """Everything that /status speaks of happens to runa, and koa and asha are gone."""
    with open_pipeline() as pipeline:
        accounts, warehouse = pipeline.accounts, pipeline.warehouse
        for study in ("nap", "night"):
            accounts.studies.create(study)
            accounts.studies.enroll(study, "runa", AGREED)
        accounts.studies.withdraw("night", "runa", AGREED.first_day)
        failed = Fetch(
            username="runa",
            document_type="sleep",
            day=DAY,
            status=FetchStatus.FAILED,
            error="Oura answered 500",
            run_id="run",
            at=datetime.now(UTC),
        )
        accounts.fetches.record([failed])
        unread, unusable = score(DAY, 80, timestamp="never"), Odd(DAY, "n-1")
        land(warehouse, DAILY_SLEEP, {"runa": [unread]}, unusable={"runa": [unusable]})
        warehouse.publish(pipeline.settings.storage.analytics_path)
        for username in ("koa", "asha"):
            accounts.people.add(username, SignIn(refresh_token="x", oura_id=username))
            accounts.removal.disconnect(username)
            accounts.removal.not_revoked(accounts.people.get(username).id, "Oura does not answer")
        accounts.removal.delete("koa")
        event = ReceivedEvent(body=b"1", oura_id="asha", data_type="sleep", known_type=True)
        accounts.inbox.receive([event])


def test_the_operator_logs_in_and_sees_how_everything_is(
    open_site: OpenSite, visitor: Visitor, troubled_dagster: str
) -> None:
    """Everybody by username and state, nothing of their health; strangers see nothing."""
    site = open_site(OURA_DAGSTER_URL=troubled_dagster, OURA_SIGNUP="invite")
    runa = visitor(site).open("/")
    runa.page.fill("#invite", site.invite())
    runa.press("#sign-in").consent("runa").page.fill("#username", "runa")
    runa.press("#choose")
    site.invite()
    get_into_trouble()
    me = runa.open("/me").check().text
    assert "agreed to version 1.2" in me
    assert "You took your consent back" in me
    visit = visitor(site).open("/status")
    assert visit.path == "/operator"
    visit.check().page.fill("#token", "guessed")
    visit.press("#enter").check()
    assert visit.error == "Wrong password."
    visit.page.fill("#token", PASSWORD)
    visit.press("#enter").check()
    assert visit.path == "/status"
    sections = visit.page.locator("main h2").all_inner_texts()
    assert sections == [
        *("People", "Days to fetch again", "Documents set aside", "Odd values", "Last runs"),
        *("Sensors and schedules", "Webhooks", "Sessions", "Studies", "Invites"),
    ]
    assert "runa" in visit.text
    visit.page.locator("summary", has_text="Enroll somebody").click()
    assert visit.check().page.locator(".participant").first.inner_text().split()[:2] == [
        "A1",
        "nap",
    ]
    assert visit.open("/status?find=RUN").check().page.locator("tr .username").count() > 0
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
