"""The operator's pages: who gets in, and what stands there."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from oura_pipeline.accounts.inbox import ReceivedEvent
from oura_pipeline.accounts.people import PersonState, SignIn
from oura_pipeline.accounts.subscriptions import Subscription
from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.ledger import MEMBERSHIP_LAPSED, Fetch, FetchStatus, PersonDay
from oura_pipeline.oura.pages import UnusableDocument
from oura_pipeline.web.pages.dagster_runs import QUERY
from oura_pipeline.web.pages.status_text import MOST_PEOPLE, PersonRow, listed
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite, RunningSite
from oura_pipeline_tests.web.html_browser import HtmlBrowser


def now() -> datetime:
    """When a test runs, which may be long after this module was read."""
    return datetime.now(UTC)


def operator_browser(site: RunningSite) -> HtmlBrowser:
    """A browser in which the operator is."""
    browser = site.browser()
    browser.go("/operator")
    browser.send("/operator", token=OPERATOR)
    assert browser.path == "/status"
    return browser


def test_the_password_opens_the_status_page(open_site: OpenSite) -> None:
    """And until then it sends everybody to the door."""
    site = open_site()
    browser = site.browser()
    browser.go("/status")
    assert browser.path == "/operator"
    browser.send("/operator", token=OPERATOR)
    assert (browser.page.status, browser.path) == (200, "/status")
    browser.send("/signout")
    browser.go("/status")
    assert browser.path == "/operator"


def test_wrong_passwords_lock_out_everybody(open_site: OpenSite) -> None:
    """The eleventh try within a minute is not even looked at; nor are the API's."""
    site = open_site()
    browser = site.browser()
    browser.go("/operator")
    for _ in range(10):
        page = browser.send("/operator", token="guess")
        assert (page.status, page.ids["token"]["aria-invalid"]) == (401, "true")
    page = browser.send("/operator", token=OPERATOR)
    assert page.status == 429
    assert 0 < int(page.response.headers["retry-after"]) <= 60
    other = site.browser().http.get("/api/people", headers={"Authorization": f"Bearer {OPERATOR}"})
    assert other.status_code == 429


def test_without_a_password_the_page_says_how_to_switch_it_on(open_site: OpenSite) -> None:
    """No form that lets an empty password in."""
    browser = open_site(oura_operator_token="").browser()
    page = browser.go("/operator")
    assert "Set OURA_OPERATOR_TOKEN" in page.text
    assert not any(form.action == "/operator" for form in page.forms)
    browser.go("/")
    csrf = dict(browser.page.form("/signin").fields)["csrf"]
    answer = browser.http.post("/operator", data={"csrf": csrf, "token": ""})
    assert answer.status_code == 503
    browser.go("/status")
    assert browser.path == "/operator"


def test_the_header_of_the_proxy_counts_only_when_it_is_set(open_site: OpenSite) -> None:
    """One of the operators, by the name that the proxy vouches for."""
    site = open_site(
        oura_operator_header="X-Auth-Request-Email",
        oura_operators="ada@example.org",
        oura_proxy_secret="known to the proxy",
    )
    browser = site.browser()
    proxy = {"X-Proxy-Secret": "known to the proxy"}
    browser.go("/status", **{"X-Auth-Request-Email": "ada@example.org"}, **proxy)
    assert (browser.page.status, browser.path) == (200, "/status")
    assert "nav-status" in browser.page.ids
    assert "sign-out" not in browser.page.ids  # that is up to the proxy
    browser.go("/status", **{"X-Auth-Request-Email": "eve@example.org"}, **proxy)
    assert browser.path == "/operator"
    for secret in ({}, {"X-Proxy-Secret": ""}, {"X-Proxy-Secret": "guessed by somebody"}):
        browser.go("/status", **{"X-Auth-Request-Email": "ada@example.org"}, **secret)
        assert browser.path == "/operator"  # past the proxy


def test_an_unconfigured_operator_header_is_ignored(open_site: OpenSite) -> None:
    """Anybody can send it."""
    browser = open_site().browser()
    browser.go("/status", **{"X-Auth-Request-Email": "ada@example.org"})
    assert browser.path == "/operator"


def test_a_new_password_ends_old_sessions(open_site: OpenSite) -> None:
    """The cookie was signed by the same key, and is worth nothing all the same."""
    cookies = dict(operator_browser(open_site()).http.cookies)
    browser = open_site(oura_operator_token="a new one").browser()
    browser.http.cookies.update(cookies)
    browser.go("/status")
    assert browser.path == "/operator"


def test_a_late_deletion_is_marked(open_site: OpenSite) -> None:
    """After five minutes; it is no sign-in to be renewed."""
    site = open_site()
    site.accounts.people.add("anna", SignIn(refresh_token="x"))
    site.accounts.removal.retire("anna")
    browser, person = operator_browser(site), site.accounts.people.get("anna")
    assert "left; being deleted" in browser.go("/status").text_of(person.id)
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql("UPDATE people SET state_since = '2026-06-01 12:00:00'")
    page = browser.go("/status")
    assert "✕ left; deletion is late" in page.text_of(person.id)
    assert page.text_of("reconnect-count") == "0"


def test_people_who_need_the_operator_come_first(open_site: OpenSite) -> None:
    """Must reconnect, then failed days, then the others by name."""
    site = open_site()
    for name in ("anna", "bert", "cleo", "dora"):
        site.accounts.people.add(name, SignIn(refresh_token="x", oura_id=name))
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE people SET state = 'sign_in_required', error = 'revoked' "
            "WHERE username = 'dora'"
        )
    site.accounts.people.request_sync("anna", now())
    failed = Fetch(
        username="cleo",
        document_type="sleep",
        day=now().date(),
        status=FetchStatus.FAILED,
        error="x",
        run_id="run",
        at=now() - timedelta(hours=3),
    )
    site.accounts.fetches.record([failed])
    browser = operator_browser(site)
    page = browser.go("/status")
    ids = {person.username: person.id for person in site.accounts.people.all()}
    rows = [name for name in page.ids if name in ids.values()]
    assert rows == [ids[name] for name in ("dora", "cleo", "anna", "bert")]
    assert "people-listed" not in page.ids
    assert page.text_of(ids["dora"]) == (
        f"dora {ids['dora']} ✕ must reconnect since just now : revoked never – 0"
    )
    assert page.text_of(ids["cleo"]).endswith("since just now 3 hours ago – 1")
    assert page.text_of(ids["anna"]).endswith("never requested just now 0")
    assert page.title == "Status: 1 must reconnect · Oura pipeline"

    found = browser.go("/status?find=+LE")
    assert [name for name in found.ids if name in ids.values()] == [ids["cleo"]]
    assert found.text_of("people-listed") == "1 of 4 people. List everybody"
    assert found.title == page.title
    by_id = browser.go(f"/status?find={ids['bert'][2:]}")
    assert [name for name in by_id.ids if name in ids.values()] == [ids["bert"]]
    nobody = browser.go("/status?find=<b>")
    assert "Nobody’s username or ID has “<b>” in it." in nobody.text
    assert nobody.text_of("people-listed") == "0 of 4 people. List everybody"


def test_of_many_people_the_first_are_listed(open_site: OpenSite) -> None:
    anna = open_site().accounts.people.add("anna", SignIn(refresh_token="x"))
    lost = replace(anna, username="lost", state=PersonState.SIGN_IN_REQUIRED)
    others = (replace(anna, username=f"p{number}") for number in range(1, MOST_PEOPLE + 1))
    people = [
        PersonRow(
            person=person,
            level="good",
            state="",
            failed_days=0,
            last_fetched=None,
            sync_pending=False,
        )
        for person in (lost, *others)
    ]
    everybody = listed(people, "")
    assert (everybody.rows, everybody.found) == (people[:-1], MOST_PEOPLE + 1)
    assert (everybody.everybody, everybody.must_reconnect) == (MOST_PEOPLE + 1, 1)
    last = listed(people, f" P{MOST_PEOPLE} ")
    assert (last.rows, last.found, last.sought) == (people[-1:], 1, f"p{MOST_PEOPLE}")
    assert (last.everybody, last.must_reconnect) == (MOST_PEOPLE + 1, 1)


def test_access_that_is_not_given_back_yet_is_said(open_site: OpenSite) -> None:
    """Of who disconnected, and of who was deleted and is nothing but an id."""
    site = open_site()
    for name in ("anna", "bert"):
        site.accounts.people.add(name, SignIn(refresh_token="x"))
        site.accounts.removal.disconnect(name)
    anna, bert = site.accounts.people.all()
    for person in (anna, bert):
        site.accounts.removal.not_revoked(person.id, "Oura rejects our client")
    site.accounts.removal.delete("bert")
    page = operator_browser(site).go("/status")
    assert page.text_of(anna.id) == (
        f"anna {anna.id} ! disconnected; access not given back yet since just now : Oura rejects "
        "our client never – 0"
    )
    assert f"{bert.id} since just now : Oura rejects our client" in page.text
    assert "bert" not in page.text


def test_webhooks_are_shown_by_data_type(open_site: OpenSite) -> None:
    """What is subscribed, what is missing, when it ends, and what came."""
    site = open_site()
    site.accounts.people.add("anna", SignIn(refresh_token="x", oura_id="anna", scopes=["daily"]))
    ends = now() + timedelta(days=20, hours=1)
    kept = [
        Subscription(
            id=event, data_type="sleep", event_type=event, callback_url="x", expires_at=ends
        )
        for event in ("create", "update")
    ]
    site.accounts.subscriptions.replace(kept)
    events = [(b"1", "anna"), (b"2", "anna"), (b"2", "anna"), (b"3", "nobody")]
    site.accounts.inbox.receive(
        [
            ReceivedEvent(body=body, oura_id=who, data_type="sleep", known_type=True)
            for body, who in events
        ]
    )
    page = operator_browser(site).go("/status")
    assert page.text_of("webhook-sleep") == "sleep ✕ delete missing in 20 days just now 2 1 1"
    assert "create, delete and update missing" in page.text_of("webhook-daily_sleep")
    assert page.text_of("backlog").startswith("2 oldest just now")


def test_days_that_wait_to_be_pushed_are_counted(open_site: OpenSite) -> None:
    """With the age of the oldest."""
    site = open_site()
    site.accounts.people.add("anna", SignIn(refresh_token="x"))
    browser = operator_browser(site)
    assert browser.go("/status").text_of("pushes") == "0"
    days = [PersonDay(username="anna", document_type="sleep", day=date(2020, 1, n)) for n in (1, 2)]
    site.accounts.waiting.add(days, at=now())
    assert browser.go("/status").text_of("pushes").startswith("2 oldest just now")


def test_what_failed_is_listed_with_its_reason(open_site: OpenSite) -> None:
    """One row for what has one reason, as in `doctor`; a lapsed membership stands at the person."""
    site = open_site()
    for username in ("anna", "ben"):
        site.accounts.people.add(username, SignIn(refresh_token=f"refresh of {username}"))
    browser = operator_browser(site)
    assert "again" not in browser.go("/status").ids
    lapsed = f"{MEMBERSHIP_LAPSED}: 403"
    for username, document_type, day, error in (
        ("anna", "workout", 3, "Oura answered 500"),
        ("anna", "workout", 4, "Oura answered 500"),
        ("anna", "daily_sleep", 9, "Oura answered 500"),
        ("anna", "tag", 5, "its page was cut short"),
        ("ben", "tag", 5, lapsed),
    ):
        failed = Fetch(
            document_type=document_type,
            username=username,
            day=date(2026, 3, day),
            status=FetchStatus.FAILED,
            error=error,
            run_id="run",
            at=now(),
        )
        site.accounts.fetches.record([failed])
    page = browser.go("/status")
    assert "anna daily_sleep, workout 2026-03-03 to 2026-03-09 Oura answered 500" in page.text
    assert "anna tag 2026-03-05 its page was cut short" in page.text
    assert "403" not in page.text


@pytest.mark.usefixtures("described")
def test_documents_that_are_set_aside_are_listed(open_site: OpenSite) -> None:
    """Whose, which and why, from the published copy; never what they hold."""
    site = open_site()
    browser = operator_browser(site)
    assert "aside" not in browser.go("/status").ids
    day, warehouse = date(2026, 3, 10), site.pipeline.warehouse
    odd = UnusableDocument(day, "n-1", "bedtime_start: expected `datetime`, got `null`", b"secret")
    with warehouse.spool(SLEEP) as spool:
        spool.set_aside("anna", [odd])
        warehouse.land(
            SLEEP,
            spool,
            usernames=["anna"],
            first_day=day,
            last_day=day,
            fetched_at=now(),
            run_id="run",
        )
    warehouse.publish(site.settings.storage.analytics_path)
    page = browser.go("/status")
    assert "Oura sent 1 document that cannot be landed." in page.text
    assert (
        "anna sleep 2026-03-10 n-1 bedtime_start: expected `datetime`, got `null` "
        "just now just now" in page.text
    )
    assert "secret" not in page.html


def test_an_invite_is_shown_once_and_works(open_site: OpenSite) -> None:
    """Code and link; afterwards only that there is one."""
    site = open_site(oura_signup="invite")
    browser = operator_browser(site)
    page = browser.send("/status/invite")
    code = page.text_of("invite-code")
    assert page.text_of("invite-link") == f"{site.url}/?invite={code}"
    assert site.accounts.invites.is_valid(code)
    page = browser.go("/status")
    assert "1 open invite" in page.text
    assert code not in page.html
    assert site.browser().join("runa", invite=code).status == 200


def test_nobody_else_makes_an_invite(open_site: OpenSite) -> None:
    """The form of a stranger changes nothing."""
    site = open_site()
    browser = site.browser()
    browser.go("/")
    csrf = dict(browser.page.form("/signin").fields)["csrf"]
    assert browser.http.post("/status/invite", data={"csrf": csrf}).status_code == 303
    assert site.accounts.invites.all() == []


def test_an_unreachable_dagster_is_reported(open_site: OpenSite) -> None:
    """The rest of the page is there."""
    page = operator_browser(open_site(oura_dagster_url="http://127.0.0.1:9")).page
    assert "Dagster’s UI is not reachable at http://127.0.0.1:9" in page.text


def test_the_query_fits_dagsters_schema() -> None:
    """As the installed version has it."""
    from dagster_graphql.schema import create_schema
    from graphql import parse, validate

    assert validate(create_schema().graphql_schema, parse(QUERY)) == []


@pytest.mark.parametrize("said", ["[]", "{}", '{"data": null}', "no JSON", '{"errors": []}'])
def test_an_unexpected_answer_of_dagster_is_no_answer(open_site: OpenSite, said: str) -> None:
    """Whatever stands at that address."""
    with dagster(said) as url:
        page = operator_browser(open_site(oura_dagster_url=url)).page
    assert "Dagster’s UI is not reachable" in page.text


def test_the_last_run_of_every_job_is_linked(open_site: OpenSite) -> None:
    """Its state in words, and the way to it."""
    jobs = [
        {"name": "sync", "runs": [run("abc", "FAILURE")]},
        {"name": "__ASSET_JOB", "runs": [run("def", "STARTED")]},
        {"name": "maintain_subscriptions", "runs": []},
    ]
    nodes = {"repositoriesOrError": {"nodes": [{"jobs": jobs}]}}
    with dagster(json.dumps({"data": nodes})) as url:
        page = operator_browser(open_site(oura_dagster_url=url)).page
    assert f"{url}/runs/abc" in page.links
    assert "sync ✕ failed 1 hour ago" in page.text
    assert "maintain_subscriptions – never ran –" in page.text


def run(run_id: str, status: str) -> dict[str, object]:
    """A run as Dagster tells it."""
    began = (now() - timedelta(hours=1)).timestamp()
    return {
        "runId": run_id,
        "status": status,
        "creationTime": began,
        "startTime": began,
        "endTime": None,
    }


@contextmanager
def dagster(said: str) -> Iterator[str]:
    """Something that answers every question with these words."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            """Say it."""
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(said.encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
