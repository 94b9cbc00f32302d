"""Changing documents, telling the truth, counting requests; a sandbox as a process."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx
import pytest

import oura_pipeline.sandbox
from oura_pipeline.sandbox.catalog import COLLECTIONS
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.sandbox.conftest import END, OPTIONS, Ask, data, requester


def test_the_truth_is_what_the_routes_serve(shared: Sandbox, read: Ask) -> None:
    """Asked wide enough, every route gives exactly what is held."""
    for row in COLLECTIONS:
        if row.family in ("day", "instant"):
            asked = {"start_date": "2026-09-01", "end_date": "2026-11-10"}
            held = [entry["document"] for entry in shared.truth("milo", row.name)]
            assert data(read("milo", row.name, **asked)) == held


def test_the_truth_of_a_day_is_the_documents_own_day(shared: Sandbox) -> None:
    entries = shared.truth("runa", "sleep", "2026-10-11", "2026-10-12")
    assert {entry["day"] for entry in entries} == {"2026-10-11", "2026-10-12"}
    assert all(entry["day"] == entry["document"]["day"] for entry in entries)
    tags = shared.truth("runa", "enhanced_tag", "2026-10-11", "2026-10-11")
    assert all(entry["document"]["start_day"] == "2026-10-11" for entry in tags)


@pytest.mark.parametrize(
    ("username", "zone"), [("koa", "Pacific/Honolulu"), ("sione", "Pacific/Tongatapu")]
)
def test_the_day_of_a_row_is_the_persons_own(shared: Sandbox, username: str, zone: str) -> None:
    entries = shared.truth(username, "heartrate", "2026-10-11", "2026-10-11")
    local = {
        datetime.fromisoformat(entry["document"]["timestamp"]).astimezone(ZoneInfo(zone)).date()
        for entry in entries
    }
    assert local == {date(2026, 10, 11)}


def test_a_travellers_rows_follow_them(shared: Sandbox) -> None:
    """Where the activity documents change their offset, the days of the rows do too."""
    nights = [d["document"] for d in shared.truth("milo", "sleep")]
    rows = [
        (entry["document"]["timestamp_unix"] / 1000, entry["day"])
        for entry in shared.truth("milo", "heartrate")
    ]
    for night in nights:
        start, end = (
            datetime.fromisoformat(night[f"bedtime_{which}"]) for which in ("start", "end")
        )
        first, last = start.timestamp(), end.timestamp()
        inside = [(day, at) for at, day in rows if first <= at < last]
        assert inside
        assert all(
            day == str(datetime.fromtimestamp(at, start.tzinfo).date()) for day, at in inside
        )


@pytest.fixture(scope="module")
def changed() -> Iterator[Sandbox]:
    """What tests change, each another document type; few of many samples."""
    with running(replace(OPTIONS, thin=20)) as sandbox:
        yield sandbox


@pytest.mark.parametrize("row", COLLECTIONS, ids=lambda row: row.name)
def test_every_type_can_be_revised_deleted_and_added(changed: Sandbox, row: object) -> None:
    name, family = row.name, row.family  # type: ignore[attr-defined]
    before = [entry["document"] for entry in changed.truth("koa", name)]
    revised = changed.revise("koa", name)
    after = [entry["document"] for entry in changed.truth("koa", name)]
    assert revised in after
    assert revised not in before
    assert len(after) == len(before)
    if family == "bare":
        return
    assert changed.delete("koa", name) == after[-1]
    assert [entry["document"] for entry in changed.truth("koa", name)] == after[:-1]
    added = changed.add("koa", name, day="2026-10-05")
    now = [entry["document"] for entry in changed.truth("koa", name)]
    assert added in now
    assert len(now) == len(before)


def test_values_can_be_said(sandbox: Sandbox, ask: Ask) -> None:
    fields = {"score": 1, "contributors": {"timing": 2}}
    day = date(2026, 10, 11)
    revised = sandbox.revise("runa", "daily_sleep", day=day, fields=fields)
    [served] = data(ask("runa", "daily_sleep", start_date=day, end_date=day))
    assert served == revised
    assert (served["score"], served["contributors"]["timing"]) == (1, 2)
    assert len(served["contributors"]) == 7


def test_a_recalculated_document_can_return_under_a_new_id(sandbox: Sandbox, ask: Ask) -> None:
    [old] = sandbox.truth("runa", "daily_sleep", "2026-10-11", "2026-10-11")
    new = sandbox.revise("runa", "daily_sleep", day="2026-10-11", new_id=True)
    assert ask("runa", f"daily_sleep/{old['document']['id']}").status_code == 404
    assert ask("runa", f"daily_sleep/{new['id']}").json() == new
    assert len(sandbox.truth("runa", "daily_sleep", "2026-10-11", "2026-10-11")) == 1


def test_a_moved_bedtime_moves_the_document(sandbox: Sandbox, ask: Ask) -> None:
    night = sandbox.truth("koa", "sleep", "2026-10-11", "2026-10-11")[0]["document"]
    fields = {"bedtime_start": "2026-10-10T01:00:00-10:00"}
    sandbox.revise("koa", "sleep", id=night["id"], fields=fields)
    found = data(ask("koa", "sleep", start_date="2026-10-10", end_date="2026-10-11"))
    assert night["id"] in [document["id"] for document in found]


def test_a_deleted_document_is_gone_everywhere(sandbox: Sandbox, ask: Ask) -> None:
    gone = sandbox.delete("runa", "workout", day="2026-10-11")
    assert ask("runa", f"workout/{gone['id']}").status_code == 404
    with pytest.raises(httpx.HTTPStatusError, match="404"):
        sandbox.delete("runa", "workout", id=gone["id"])


def test_a_row_can_be_added_at_an_instant(sandbox: Sandbox, ask: Ask) -> None:
    fields = {"timestamp": "2026-10-11T03:04:05+00:00", "bpm": 61, "source": "rest"}
    added = sandbox.add("runa", "heartrate", fields=fields)
    assert added == {**fields, "timestamp_unix": 1791687845000}
    ends = {"start_datetime": "2026-10-11T03:04:05Z", "end_datetime": "2026-10-11T03:04:06Z"}
    assert data(ask("runa", "heartrate", **ends)) == [added]


def test_requests_are_counted_by_route_and_person(sandbox: Sandbox, ask: Ask) -> None:
    ask("runa", "sleep")
    ask("runa", "sleep/none")
    ask("koa", "sleep")
    assert sandbox.requests() == {
        "authorize": {"koa": 1, "runa": 1},
        "sleep": {"koa": 1, "runa": 1},
        "sleep/{document_id}": {"runa": 1},
        "token": {"koa": 1, "runa": 1},
    }
    sandbox.reset_requests()
    assert sandbox.requests() == {}


def test_tokens_on_request(shared: Sandbox) -> None:
    sent = {"person": "koa", "scopes": ["daily"]}
    pair = shared.http.post("/_control/sign_in", json=sent).json()
    assert pair["scope"] == "extapi:daily"
    headers = {"authorization": f"Bearer {pair['access_token']}"}
    assert shared.http.get("/v2/usercollection/sleep", headers=headers).status_code == 200


def test_people_are_listed(shared: Sandbox) -> None:
    assert shared.usernames == ["runa", "koa", "milo", "asha", "sione"]
    person = shared.people()[1]
    assert (person["zone"], person["membership"]) == ("Pacific/Honolulu", True)
    ids = [entry["document"]["id"] for entry in shared.truth("koa", "personal_info")]
    assert ids == [person["id"]]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("revise", {"person": "nobody", "type": "sleep"}),
        ("revise", {"person": "runa", "type": "slumber"}),
        ("delete", {"person": "runa", "type": "sleep", "day": "1999-01-01"}),
        ("add", {"person": "runa"}),
        ("event", {"person": "runa", "data_type": "vO2_max"}),
        ("people/runa", {"scopes": ["everything"]}),
        ("people/runa", {"revoke": "some"}),
        ("sign_in", {"person": "nobody"}),
        ("options", {"people": 3}),
        ("options", {"pkce": "sometimes"}),
        ("options", {"access_seconds": "long"}),
    ],
)
def test_mistakes_are_explained(shared: Sandbox, path: str, body: dict[str, object]) -> None:
    answer = shared.http.post(f"/_control/{path}", json=body)
    assert answer.status_code in (400, 404)
    assert isinstance(answer.json()["detail"], str)


def test_a_sandbox_of_its_own_process() -> None:
    options = replace(OPTIONS, people=6, days=3, portal="new", redirect_uris=("http://x.test/cb",))
    with running(options, process=True) as sandbox:
        assert len(sandbox.usernames) == 6
        ask = requester(sandbox)
        assert len(data(ask("koa", "daily_sleep", start_date="2026-10-01"))) == 3


def test_a_process_is_given_every_option() -> None:
    """What is set here is what the child does."""
    set_here = {
        "access_seconds": 7,
        "pkce": "required",
        "callback_scope": False,
        "token_scope": False,
        "scope_prefix": "",
        "id_token": False,
        "reuse_grant": True,
        "expiration_decimals": 9,
    }
    with running(replace(OPTIONS, days=3, **set_here), process=True) as sandbox:
        assert set_here.items() <= sandbox.change_options().items()
        assert sandbox.sign_in("koa").keys() == {
            "token_type",
            "access_token",
            "expires_in",
            "refresh_token",
        }


def test_twenty_people_are_twenty() -> None:
    """Names that differ and that the pipeline takes, ids and zones that differ, data for each."""
    with running(replace(OPTIONS, people=20, days=3)) as sandbox:
        people = sandbox.people()
        ask = requester(sandbox)
        for what in ("username", "id", "zone"):
            assert len({person[what] for person in people}) == 20
        assert all(re.fullmatch(r"[a-z][a-z0-9_-]{2,31}", name) for name in sandbox.usernames)
        ids = [ask(person["username"], "personal_info").json()["id"] for person in people]
        assert ids == [person["id"] for person in people]
        asked = {"start_date": END - timedelta(days=3), "end_date": END + timedelta(days=2)}
        assert all(data(ask(p["username"], "daily_sleep", **asked)) for p in people)


def test_the_sandbox_shares_no_code_with_the_client() -> None:
    """A stand-in made of the client's own code would agree with the client's mistakes."""
    folder = Path(oura_pipeline.sandbox.__path__[0])
    lines = [line for p in folder.rglob("*.py") for line in p.read_text("utf-8").splitlines()]
    ours = [line for line in lines if line.startswith(("from oura_pipeline", "import oura_pi"))]
    assert ours
    assert all(line.startswith("from oura_pipeline.sandbox") for line in ours)


@pytest.mark.parametrize(
    "flags", [["--rate-limit", "many"], ["--people", "0"], ["--replay", "/nowhere-at-all"]]
)
def test_options_that_cannot_be_met_end_in_one_line(flags: list[str]) -> None:
    command = [sys.executable, "-m", "oura_pipeline.sandbox", "--port", "0", *flags]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
