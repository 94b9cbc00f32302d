"""Pages, their tokens, `fields`, `latest`, and the dress of an answer."""

from __future__ import annotations

import gzip
from dataclasses import replace
from typing import Any

import httpx
import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.sandbox.conftest import OPTIONS, Ask, data, requester

WEEK = {"start_datetime": "2026-10-12T00:00:00Z", "end_datetime": "2026-10-19T00:00:00Z"}


def pages(ask: Ask, username: str, collection: str, **query: Any) -> list[list[dict[str, Any]]]:
    """Every page, each asked for with the same bounds and the token of the one before."""
    found, token = [], ""
    while token is not None:
        answer = ask(username, collection, **query, next_token=token)
        found.append(data(answer))
        token = answer.json()["next_token"]
    return found


def test_heart_rate_comes_in_pages_of_a_thousand(shared: Sandbox, read: Ask) -> None:
    found = pages(read, "runa", "heartrate", **WEEK)
    rows = [row for page in found for row in page]
    held = [entry["document"] for entry in shared.truth("runa", "heartrate")]
    inside = "2026-10-12", "2026-10-19"
    assert {len(page) for page in found[:-1]} == {1000}
    assert rows == [row for row in held if inside[0] <= row["timestamp"] < inside[1]]
    assert len(found) > 3


def test_a_token_works_alone(read: Ask) -> None:
    first = read("runa", "heartrate", **WEEK).json()
    alone = read("runa", "heartrate", next_token=first["next_token"])
    repeated = read("runa", "heartrate", **WEEK, next_token=first["next_token"])
    assert data(alone) == data(repeated)


def test_a_token_with_other_bounds_is_refused(read: Ask) -> None:
    token = read("runa", "heartrate", **WEEK).json()["next_token"]
    other = {**WEEK, "end_datetime": "2026-10-20T00:00:00Z"}
    assert read("runa", "heartrate", **other, next_token=token).status_code == 400


@pytest.mark.parametrize("token", ["nonsense", "?!", "AAAAAAAAAAAAAAAA"])
def test_an_invented_token_is_refused(read: Ask, token: str) -> None:
    assert read("runa", "heartrate", next_token=token).status_code == 400


def test_a_token_of_someone_else_is_refused(read: Ask) -> None:
    token = read("runa", "heartrate", **WEEK).json()["next_token"]
    assert read("koa", "heartrate", next_token=token).status_code == 400


def test_an_empty_token_is_none(read: Ask) -> None:
    assert read("runa", "heartrate", **WEEK, next_token="").json() == (
        read("runa", "heartrate", **WEEK).json()
    )


@pytest.mark.parametrize("collection", ["sleep", "daily_readiness"])
def test_documents_come_in_pages_when_told_to(collection: str) -> None:
    """Nobody has seen Oura do it, but the answer has a `next_token`."""
    asked = {"start_date": "2026-10-01", "end_date": "2026-10-28"}
    with running(replace(OPTIONS, document_rows=4)) as sandbox:
        found = pages(requester(sandbox), "runa", collection, **asked)
    with running(OPTIONS) as sandbox:
        [whole] = pages(requester(sandbox), "runa", collection, **asked)
    assert [document for page in found for document in page] == whole
    assert {len(page) for page in found[:-1]} == {4}


def test_rows_that_vanish_between_pages_skip_no_others(sandbox: Sandbox, ask: Ask) -> None:
    first = ask("runa", "heartrate", **WEEK).json()
    before = data(ask("runa", "heartrate", next_token=first["next_token"]))
    sandbox.delete("runa", "heartrate", timestamp=first["data"][0]["timestamp"])
    assert data(ask("runa", "heartrate", next_token=first["next_token"])) == before


@pytest.mark.parametrize("collection", ["heartrate", "ring_battery_level"])
def test_latest_is_the_newest_row_alone(shared: Sandbox, read: Ask, collection: str) -> None:
    newest = shared.truth("koa", collection)[-1]["document"]
    answer = read("koa", collection, latest="true", **WEEK)
    assert answer.json() == {"data": [newest], "next_token": None}


def test_latest_is_ignored_elsewhere(read: Ask) -> None:
    asked = {"start_date": "2026-10-01", "end_date": "2026-10-10"}
    assert len(data(read("koa", "daily_sleep", latest="true", **asked))) == 10


def test_fields_are_chosen_beside_id_and_day(read: Ask) -> None:
    [document] = data(
        read("koa", "daily_sleep", start_date="2026-10-11", end_date="2026-10-11", fields="score,x")
    )
    assert list(document) == ["id", "day", "score"]


def test_unknown_fields_alone_give_everything(read: Ask) -> None:
    asked = {"start_date": "2026-10-11", "end_date": "2026-10-11"}
    assert data(read("koa", "daily_sleep", **asked, fields="x,y")) == (
        data(read("koa", "daily_sleep", **asked))
    )


@pytest.mark.parametrize("collection", ["tag", "enhanced_tag", "daily_resilience"])
def test_three_routes_do_not_choose_fields(read: Ask, collection: str) -> None:
    asked = {"start_date": "2026-10-01", "end_date": "2026-10-20"}
    assert data(read("koa", collection, **asked, fields="id")) == (
        data(read("koa", collection, **asked))
    )


def test_a_single_document_is_bare(read: Ask) -> None:
    for document in data(read("runa", "sleep", start_date="2026-10-11", end_date="2026-10-14")):
        assert read("runa", f"sleep/{document['id']}").json() == document


def test_an_unknown_document_or_someone_elses_is_not_found(read: Ask) -> None:
    [document] = data(read("koa", "daily_sleep", start_date="2026-10-11", end_date="2026-10-11"))
    for username, path in (("koa", "sleep/none"), ("runa", f"daily_sleep/{document['id']}")):
        answer = read(username, path)
        assert (answer.status_code, answer.json()) == (404, {"detail": "Document not found."})


@pytest.mark.parametrize("path", ["heartrate/x", "personal_info/x", "nothing", "vo2_max"])
def test_what_is_no_route_is_not_found(read: Ask, path: str) -> None:
    """The route is `vO2_max`; its webhook type is the one in lower case."""
    assert read("koa", path).json() == {"detail": "Not Found"}


def test_answers_are_dressed_like_ouras(read: Ask) -> None:
    answer = read("koa", "daily_sleep", start_date="2026-10-01")
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-cache"
    assert len(answer.headers["x-trace-id"]) == 32
    assert not [name for name in answer.headers if "ratelimit" in name or name == "retry-after"]


def test_gzip_is_for_who_asks(shared: Sandbox) -> None:
    token = shared.sign_in("koa")["access_token"]
    url = f"{shared.url}/v2/usercollection/heartrate"
    bodies = {}
    for coding in ("gzip", "identity"):
        headers = {"authorization": f"Bearer {token}", "accept-encoding": coding}
        with httpx.stream("GET", url, params=WEEK, headers=headers, trust_env=False) as answer:
            bodies[coding] = b"".join(answer.iter_raw())
    assert gzip.decompress(bodies["gzip"]) == bodies["identity"]
