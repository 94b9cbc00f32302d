"""Faults on demand, and the two layers of rate limits."""

from __future__ import annotations

import json
from dataclasses import replace

import httpx
import pytest

from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline_tests.sandbox.conftest import OPTIONS, Ask, data, requester

RATE_HEADERS = (
    "retry-after",
    "x-ratelimit-limit",
    "x-ratelimit-window",
    "x-ratelimit-reset",
    "x-ratelimit-tier",
)
CLIENT = {"client_id": "sandbox", "client_secret": "sandbox-secret"}


def test_a_fault_is_for_a_route_and_a_person_and_ends(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("error", route="sleep", person="runa", count=2)
    assert ask("koa", "sleep").status_code == 200
    assert ask("runa", "workout").status_code == 200
    assert [ask("runa", "sleep").status_code for _ in range(3)] == [500, 500, 200]


def test_a_fault_can_let_some_pass_first_and_choose_its_status(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("error", skip=1, status=503, count=None)
    assert [ask("runa", "sleep").status_code for _ in range(3)] == [200, 503, 503]
    sandbox.clear_faults()
    assert ask("runa", "sleep").status_code == 200


def test_a_probability_is_repeatable(ask: Ask, sandbox: Sandbox) -> None:
    sandbox.fault("error", count=None, probability=0.5)
    seen = [ask("runa", "sleep").status_code for _ in range(20)]
    with running(OPTIONS) as other:
        other.fault("error", count=None, probability=0.5)
        again = requester(other)
        assert [again("runa", "sleep").status_code for _ in range(20)] == seen
    assert set(seen) == {200, 500}


def test_rate_limited_says_when_to_come_back(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("rate_limited", seconds=7)
    answer = ask("runa", "sleep")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
    assert all(name in answer.headers for name in RATE_HEADERS)


def test_the_gateway_answers_in_html(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("gateway_timeout")
    answer = ask("runa", "sleep")
    assert (answer.status_code, answer.headers["content-type"][:9]) == (504, "text/html")


def test_a_body_cut_off_with_its_connection(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("reset", count=None)
    with pytest.raises(httpx.RemoteProtocolError):
        ask("runa", "sleep")


def test_a_body_that_ends_too_early(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("truncated")
    answer = ask("runa", "daily_activity")
    assert (answer.status_code, answer.content[:9]) == (200, b'{"data":[')
    with pytest.raises(json.JSONDecodeError):
        answer.json()


def test_hanging_and_being_slow(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("slow", seconds=0.01)
    assert ask("runa", "sleep").status_code == 200
    sandbox.fault("hang", seconds=0.01)
    assert ask("runa", "sleep").status_code == 504


def test_a_repeated_token_leads_back_to_the_same_page(sandbox: Sandbox, ask: Ask) -> None:
    asked = {"start_datetime": "2026-10-12T00:00:00Z", "end_datetime": "2026-10-19T00:00:00Z"}
    good = ask("runa", "heartrate", **asked).json()
    sandbox.fault("repeated_token", route="heartrate", count=2, skip=1)
    ask("runa", "heartrate", **asked)
    second = ask("runa", "heartrate", next_token=good["next_token"]).json()
    assert second["next_token"] == good["next_token"]
    assert ask("runa", "heartrate", next_token=second["next_token"]).json() == second


def test_a_lost_token_answer_has_used_the_refresh_token_up(sandbox: Sandbox) -> None:
    pair = sandbox.sign_in("runa")
    sent = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"], **CLIENT}
    sandbox.fault("error", route="token", person="runa")
    assert sandbox.http.post("/oauth/token", data=sent).status_code == 500
    sandbox.fault("reset", route="token", person="runa")
    with pytest.raises(httpx.RemoteProtocolError):
        sandbox.http.post("/oauth/token", data=sent)
    assert sandbox.http.post("/oauth/token", data=sent).json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "flood"}, {"kind": "error", "route": "slep"}, {"kind": "error", "when": 1}],
)
def test_a_misspelt_fault_is_refused(shared: Sandbox, wrong: dict[str, object]) -> None:
    assert shared.http.post("/_control/fault", json=wrong).status_code == 400


def test_the_limit_of_a_token() -> None:
    with running(replace(OPTIONS, rate_limit="2/60")) as sandbox:
        ask = requester(sandbox)
        assert [ask("runa", "sleep").status_code for _ in range(3)] == [200, 200, 429]
        answer = ask("runa", "sleep")
        assert answer.headers["x-ratelimit-limit"] == "2"
        assert answer.headers["x-ratelimit-window"] == "60"
        assert answer.headers["x-ratelimit-tier"] == "access_token"
        assert 1 <= int(answer.headers["retry-after"]) <= 60
        assert ask("koa", "sleep").status_code == 200
        sandbox.forward(60)
        assert ask("runa", "sleep").status_code == 200


def test_the_limit_of_the_application_counts_everyone() -> None:
    with running(replace(OPTIONS, app_rate_limit="2/60")) as sandbox:
        ask = requester(sandbox)
        assert [ask(name, "sleep").status_code for name in ("runa", "koa", "milo")] == [
            200,
            200,
            429,
        ]
        assert ask("milo", "sleep").headers["x-ratelimit-tier"] == "application"


def test_good_answers_say_nothing_about_limits(read: Ask) -> None:
    answer = read("koa", "sleep")
    assert data(answer)
    assert [name for name in RATE_HEADERS if name in answer.headers] == []


@pytest.mark.parametrize("text", ["many", "5/0", "5"])
def test_a_limit_that_is_none_is_refused_at_the_start(text: str) -> None:
    with (
        pytest.raises(ValueError, match="REQUESTS/SECONDS"),
        running(replace(OPTIONS, rate_limit=text)),
    ):
        pass


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("no_data", b'{"next_token":'),
        ("null_data", b'{"data":null,'),
        ("object_data", b'{"data":{"0":[{'),
        ("bare_list", b'[{"'),
        ("html", b"<!DOCTYPE HTML>"),
        ("empty", b""),
    ],
)
def test_a_page_that_is_no_page(sandbox: Sandbox, ask: Ask, kind: str, begins: bytes) -> None:
    """With 200, so that only a client that looks at it notices."""
    sandbox.fault(kind, route="sleep")
    answer = ask("koa", "sleep")
    assert (answer.status_code, answer.content[: len(begins)]) == (200, begins)
    assert len(answer.content) > 0 or kind == "empty"
    assert data(ask("koa", "sleep"))


def test_a_token_of_another_kind(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("odd_token", route="sleep")
    assert ask("runa", "sleep").json()["next_token"] == 7


def test_an_error_can_say_anything(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("error", status=403, body={"detail": "subscription expired"})
    sandbox.fault("error", status=401, body="")
    first, second = ask("runa", "sleep"), ask("runa", "sleep")
    assert (first.status_code, first.json()) == (403, {"detail": "subscription expired"})
    assert (second.status_code, second.content) == (401, b"")


def test_a_dropped_connection_has_done_nothing(sandbox: Sandbox, ask: Ask) -> None:
    sandbox.fault("drop", route="sleep")
    with pytest.raises(httpx.RemoteProtocolError):
        ask("runa", "sleep")
    assert ask("runa", "sleep").status_code == 200
