"""What Oura's refusals become, and what is tried before they do."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import date
from email.utils import formatdate
from pathlib import Path
from typing import Any

import httpx
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.credentials import OuraError, SignInRequired, TokenPair
from oura_pipeline.catalog.document_types import (
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_STRESS,
    RING_CONFIGURATION,
)
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import (
    DocumentNotFound,
    GarbledAnswer,
    MembershipLapsed,
    OuraUnavailable,
    RateLimited,
    ScopeNotGranted,
    UnexpectedAnswer,
)
from oura_pipeline.oura.responses import retry_after
from oura_pipeline_tests.accounts.homes import opened
from oura_pipeline_tests.oura.conftest import ClientSetup
from oura_pipeline_tests.oura.fake_oura import FakeOura, reply
from oura_pipeline_tests.testing.token_server import token_pair

DAY = date(2026, 3, 10)


def fetch(client: OuraClient) -> int:
    """How many pages a day of sleep scores has."""
    return len(list(client.documents(DAILY_SLEEP, DAY, DAY)))


@pytest.mark.parametrize(
    "refusal",
    [
        reply(401, {"detail": "Token is not authorized access stress scope."}),
        reply(
            401,
            {
                "status": 401,
                "title": "Unauthorized",
                "detail": "Token is not authorized access stress scope.",
            },
        ),
        reply(401, {"detail": "Token is not authorized access extapi:stress scope."}),
        reply(403, {"title": "Forbidden", "detail": "The 'stress' scope is required."}),
        reply(403, {"detail": "Missing required scope: stress"}),
        reply(401, b"", WWW_Authenticate='Bearer error="insufficient_scope"'),
    ],
    ids=["2024", "2026", "prefixed", "403 quoted", "403 with colon", "challenge"],
)
def test_a_named_scope_is_one_that_was_not_granted(
    setup: ClientSetup, refusal: httpx.Response
) -> None:
    """Nothing is wrong with the token then, so it is not renewed."""
    setup.oura.next_answers.append(refusal)
    with pytest.raises(ScopeNotGranted) as caught:
        list(setup.client.documents(DAILY_RESILIENCE, DAY, DAY))
    assert caught.value.scope == "stress"
    assert (setup.tokens.refused, len(setup.oura.asked)) == ([], 1)


def test_the_scope_is_the_one_that_oura_names(setup: ClientSetup) -> None:
    """Not the one that we thought it needs."""
    setup.oura.next_answers.append(
        reply(401, {"detail": "Token is not authorized access extapi:moods scope."})
    )
    with pytest.raises(ScopeNotGranted, match="the scope moods is not granted"):
        list(setup.client.documents(DAILY_STRESS, DAY, DAY))


@pytest.mark.parametrize(
    "refusal",
    [
        reply(401),
        reply(401, b""),
        reply(401, {"detail": "Token expired"}),
        reply(401, {"title": "Your daily session has ended"}),
        reply(401, b"<html>scope, membership</html>"),
    ],
    ids=["null", "empty", "expired", "words", "html"],
)
def test_a_refused_token_is_renewed_once(setup: ClientSetup, refusal: httpx.Response) -> None:
    """And the question is asked again with the new one."""
    setup.oura.next_answers.append(refusal)
    setup.oura.access_tokens = {"fresher"}
    assert fetch(setup.client) == 1
    assert setup.tokens.refused == ["fresh"]
    assert [request.headers["Authorization"] for request in setup.oura.asked] == [
        "Bearer fresh",
        "Bearer fresher",
    ]


def test_a_token_that_runs_out_between_two_pages_is_renewed(setup: ClientSetup) -> None:
    """The answer goes on where it was."""
    setup.oura.next_answers.extend(
        [reply(200, {"data": [], "next_token": "page-0"}), reply(401, b"")]
    )
    setup.oura.access_tokens = {"fresher"}
    assert fetch(setup.client) == 2
    assert [asked.get("next_token") for asked in setup.oura.parameters] == [
        None,
        "page-0",
        "page-0",
    ]


def test_only_the_refusal_of_the_refresh_asks_for_a_sign_in(setup: ClientSetup) -> None:
    """That is for whoever holds the refresh token to say."""
    setup.oura.access_tokens = set()
    setup.tokens.renewed = SignInRequired("sign in again")
    with pytest.raises(SignInRequired, match="sign in again"):
        fetch(setup.client)
    assert len(setup.oura.asked) == 1


def test_trouble_while_renewing_is_not_repeated(setup: ClientSetup) -> None:
    """A refresh token works once; only its owner knows whether another try is safe."""
    setup.oura.access_tokens = set()
    setup.tokens.renewed = OuraUnavailable("out of order")
    with pytest.raises(OuraUnavailable, match="out of order"):
        fetch(setup.client)
    assert setup.tokens.refused == ["fresh"]


def test_a_renewed_token_that_is_refused_is_not_renewed_again(setup: ClientSetup) -> None:
    """And the person is not sent away for it."""
    setup.oura.access_tokens = set()
    for _ in range(3):
        with pytest.raises(UnexpectedAnswer, match="that was just renewed"):
            fetch(setup.client)
    # The next two questions are asked with the renewed token, once each.
    assert setup.tokens.refused == ["fresh", "fresher", "fresher"]
    assert setup.tokens.in_vain == ["fresher"]
    assert [request.headers["Authorization"] for request in setup.oura.asked] == [
        "Bearer fresh",
        *["Bearer fresher"] * 3,
    ]


def test_types_that_are_refused_at_once_renew_a_token_once(
    setup: ClientSetup, tmp_path: Path
) -> None:
    """Also one that is asked for with the renewed token before the first is refused with that."""
    setup.oura.access_tokens = set()
    renewals: list[str] = []

    def renew(refresh_token: str, token_url: str | None) -> TokenPair:
        renewals.append(refresh_token)
        return token_pair(f"access-{len(renewals) + 1}")

    with opened(tmp_path) as accounts, ThreadPoolExecutor(1) as pool:
        accounts.people.add("ada", SignIn(refresh_token="refresh-1", access_token="access-1"))
        clients = [setup.client_with(accounts.tokens.get("ada", renew)) for _ in range(2)]
        others: list[Future[int]] = []

        def late(request: httpx.Request) -> httpx.Response:
            others.append(pool.submit(fetch, clients[1]))
            wait(others, 0.5)
            return reply(401)

        setup.oura.next_answers.extend([reply(401), late])
        with pytest.raises(UnexpectedAnswer, match="that was just renewed"):
            fetch(clients[0])
        with pytest.raises(UnexpectedAnswer, match="that was just renewed"):
            others[0].result()
    assert renewals == ["refresh-1"]
    asked = [request.headers["Authorization"] for request in setup.oura.asked]
    assert asked == ["Bearer access-1", "Bearer access-2", "Bearer access-2"]


def test_403_is_a_lapsed_membership(client: OuraClient, oura: FakeOura) -> None:
    """Oura keeps the data of people without a membership back."""
    oura.next_answers.append(reply(403, {"detail": "Forbidden"}))
    with pytest.raises(MembershipLapsed, match=r"^membership lapsed: .* \(403: Forbidden\)"):
        fetch(client)


@pytest.mark.parametrize("status", [401, 402, 403])
@pytest.mark.parametrize(
    "body",
    [
        {"detail": "expired_oura_membership"},
        {"detail": "Subscription expired"},
        {"detail": "Requires additional permissions or subscription expired."},
        {"title": "Forbidden", "detail": "An active Oura Membership is required"},
        {"error": "MEMBERSHIP_EXPIRED"},
        {"error": {"code": "oura-membership-lapsed"}},
        {"detail": [{"msg": "user is not a subscriber"}]},
        b"membership has lapsed",
    ],
    ids=str,
)
def test_words_about_a_membership_are_believed_whatever_the_status(
    setup: ClientSetup, status: int, body: Any
) -> None:
    """Nothing is renewed for it, and every document type says the same."""
    said = set()
    for document_type in (DAILY_SLEEP, DAILY_STRESS):
        setup.oura.next_answers.append(reply(status, body))
        with pytest.raises(MembershipLapsed) as caught:
            list(setup.client.documents(document_type, DAY, DAY))
        said.add(str(caught.value))
    assert len(said) == 1
    assert (setup.tokens.refused, len(setup.oura.asked)) == ([], 2)


def test_404_of_a_document_is_a_document_that_is_gone(client: OuraClient, oura: FakeOura) -> None:
    """It is not asked for again."""
    oura.documents["daily_sleep"] = []
    with pytest.raises(DocumentNotFound, match="no such daily_sleep"):
        client.document(DAILY_SLEEP, "gone")
    assert len(oura.asked) == 1


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            reply(400, {"detail": "Start date is greater than end date: [start_date: a]"}),
            r"\(400: Start date is greater than end date: \[start_date: a\]\)",
        ),
        (
            reply(422, {"detail": [{"loc": ["query", "start_date"], "msg": "Input should be x"}]}),
            r"\(422: query.start_date: Input should be x\.\)",
        ),
        (reply(400, {"title": "wrong", "detail": "More."}), r"\(400: wrong More\.\)"),
        (reply(400, b""), r"\(400\)"),
        (reply(404, b"<html>"), r"\(404\)"),
        (reply(418, [1]), r"\(418\)"),
        (reply(204), r"\(204\)"),
        (reply(302, b"", Location="https://elsewhere.test/"), r"redirects .*\(302\)"),
    ],
)
def test_other_refusals_quote_oura(
    client: OuraClient, oura: FakeOura, refusal: httpx.Response, message: str
) -> None:
    """They would be the same the next time, so there is none."""
    oura.next_answers.append(refusal)
    with pytest.raises(UnexpectedAnswer, match=message):
        fetch(client)
    assert len(oura.asked) == 1


def test_oura_s_own_words_are_cut_to_one_line_and_lose_the_token(
    client: OuraClient, oura: FakeOura
) -> None:
    """An error page may repeat what we sent."""
    oura.next_answers.append(reply(400, {"detail": "Bearer fresh\n\u2028is\x1b[31m " + "x" * 999}))
    with pytest.raises(UnexpectedAnswer) as caught:
        fetch(client)
    words = "Bearer … is [31m " + "x" * 182 + "…"
    assert f"(400: {words})" in str(caught.value)


TROUBLE: list[httpx.Response | Exception] = [
    reply(500, b""),
    reply(502, {"detail": "Bad gateway"}),
    reply(503, b"<html>"),
    reply(504, b"<html><title>504</title></html>"),
    reply(200, b"<html>maintenance</html>"),
    reply(200, b'{"data":[{"id":"a","day":"2026-03-1'),
    reply(200, b""),
    httpx.ReadTimeout("slow"),
    httpx.ConnectTimeout("slow"),
    httpx.ConnectError("refused"),
    httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    httpx.ReadError("reset"),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda trouble: str(trouble)[:40])
def test_passing_trouble_is_tried_again(
    client: OuraClient, oura: FakeOura, trouble: httpx.Response | Exception
) -> None:
    """A server error, no answer, half an answer, something that is no JSON."""
    oura.next_answers.extend([trouble, trouble])
    assert fetch(client) == 1
    assert (client.requests, client.pages) == (3, 1)


def test_what_has_no_days_is_tried_again_as_well(client: OuraClient, oura: FakeOura) -> None:
    oura.next_answers.extend([reply(200, b"<html>")] * 2)
    assert len(list(client.documents(RING_CONFIGURATION))) == 1


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (reply(503, b"<html>"), OuraUnavailable),
        (httpx.ReadTimeout("slow"), OuraUnavailable),
        (reply(200, b"<html>"), GarbledAnswer),
    ],
)
def test_lasting_errors_raise_after_six_attempts(
    client: OuraClient,
    oura: FakeOura,
    trouble: httpx.Response | Exception,
    error: type[OuraError],
) -> None:
    """A garbled answer is one that we do not understand then."""
    oura.next_answers.extend([trouble] * 20)
    with pytest.raises(error):
        fetch(client)
    assert len(oura.asked) == 6
    assert issubclass(GarbledAnswer, UnexpectedAnswer)


def test_a_question_that_fails_half_way_fails(client: OuraClient, oura: FakeOura) -> None:
    """Its first page came, the second one never does."""
    oura.next_answers.append(reply(200, {"data": [], "next_token": "a"}))
    oura.next_answers.extend([reply(500)] * 6)
    pages = client.documents(DAILY_SLEEP, DAY, DAY)
    next(pages)
    with pytest.raises(OuraUnavailable, match=r"daily_sleep now \(500\)"):
        next(pages)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry_After": "7"}, 7.0),
        ({"Retry_After": "0.5"}, 0.5),
        ({"Retry_After": "-3"}, 0.0),
        (
            {
                "Retry_After": formatdate(1_900_000_030, usegmt=True),
                "Date": formatdate(1_900_000_000, usegmt=True),
            },
            30.0,
        ),
        ({"X_RateLimit_Reset": "12"}, 12.0),
        ({"Retry_After": "9", "X_RateLimit_Reset": "12"}, 9.0),
        ({"Retry_After": "soon"}, 1.0),
        ({}, 1.0),
    ],
)
def test_a_429_pauses_as_long_as_it_says(
    setup: ClientSetup, headers: dict[str, str], seconds: float
) -> None:
    """In seconds, as a date, as the time of the reset; a second where it says nothing."""
    setup.oura.next_answers.append(reply(429, b"", **headers))
    assert fetch(setup.client) == 1
    assert sum(setup.clock.slept) == pytest.approx(seconds, abs=0.06)
    assert sum(setup.clock.slept) >= seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "-3"}, 0),
        ({"X-RateLimit-Reset": "1800000060"}, 60),
        ({"X-RateLimit-Reset": "1799999999"}, 0),
        ({"Retry-After": formatdate(1_800_000_060, usegmt=True)}, 60),
        ({"Retry-After": formatdate(1_900_000_000), "Date": formatdate(1_900_000_009)}, 0),
    ],
)
def test_the_end_of_a_pause_becomes_seconds(headers: dict[str, str], seconds: float) -> None:
    """By the answer's own clock where it tells one."""
    assert retry_after(headers, now=1_800_000_000.0) == seconds


def test_a_429_pauses_everyone(setup: ClientSetup) -> None:
    """The pause stands in the shared budget."""
    setup.oura.next_answers.extend([reply(429, b"", Retry_After="2000")])
    with pytest.raises(RateLimited) as caught:
        fetch(setup.client)
    assert caught.value.retry_after == pytest.approx(2000)
    with pytest.raises(RateLimited):
        setup.budget.acquire()


def test_a_429_that_comes_again_and_again_pauses_longer_and_then_fails(setup: ClientSetup) -> None:
    """Ten times, whatever it says."""
    setup.oura.next_answers.extend([reply(429, b"", Retry_After="1")] * 10)
    with pytest.raises(RateLimited) as caught:
        fetch(setup.client)
    assert [round(pause) for pause in setup.clock.slept] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert caught.value.retry_after == 60
    assert len(setup.oura.asked) == 10


def test_every_attempt_is_paid_out_of_the_budget(setup: ClientSetup) -> None:
    """Also those that fail."""
    pause = reply(429, b"", Retry_After="1")
    setup.oura.next_answers.extend([reply(500), reply(500), pause, reply(502)])
    fetch(setup.client)
    assert setup.budget.state().used == setup.client.requests == 5


def test_no_error_shows_a_token(setup: ClientSetup) -> None:
    """Not even one with a line break, which the HTTP library would quote; nor as its cause."""
    setup.tokens.current = setup.tokens.renewed = "secret\nsecret"
    with httpx.Client() as http:
        client = OuraClient(
            http, api_url="http://127.0.0.1:9", tokens=setup.tokens, budget=setup.budget
        )
        with pytest.raises(OuraUnavailable) as caught:
            fetch(client)
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in repr(error)
        error = error.__cause__ or error.__context__
