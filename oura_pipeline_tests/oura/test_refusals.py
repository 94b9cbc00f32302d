"""What Oura's refusals become, and what is tried before they do."""

from __future__ import annotations

from datetime import date
from email.utils import formatdate

import httpx
import pytest

from oura_pipeline.catalog.credentials import OuraError, SignInRequired
from oura_pipeline.catalog.document_types import DAILY_RESILIENCE, DAILY_SLEEP, DAILY_STRESS
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
from oura_pipeline_tests.oura.conftest import Wired
from oura_pipeline_tests.oura.speaking import SpeakingOura, answer

DAY = date(2026, 3, 10)


def fetch(client: OuraClient) -> int:
    """How many pages a day of sleep scores has."""
    return len(list(client.documents(DAILY_SLEEP, DAY, DAY)))


@pytest.mark.parametrize(
    "refusal",
    [
        answer(401, {"detail": "Token is not authorized access stress scope."}),
        answer(
            401,
            {
                "status": 401,
                "title": "Unauthorized",
                "detail": "Token is not authorized access stress scope.",
            },
        ),
        answer(401, {"detail": "Token is not authorized access extapi:stress scope."}),
        answer(403, {"title": "Forbidden", "detail": "The 'stress' scope is required."}),
        answer(403, {"detail": "Missing required scope: stress"}),
        answer(401, b"", WWW_Authenticate='Bearer error="insufficient_scope"'),
    ],
    ids=["2024", "2026", "prefixed", "403 quoted", "403 with colon", "challenge"],
)
def test_a_named_scope_is_one_that_was_not_granted(wired: Wired, refusal: httpx.Response) -> None:
    """Nothing is wrong with the token then, so it is not renewed."""
    wired.oura.next_answers.append(refusal)
    with pytest.raises(ScopeNotGranted) as caught:
        list(wired.client.documents(DAILY_RESILIENCE, DAY, DAY))
    assert caught.value.scope == "stress"
    assert (wired.tokens.refused, len(wired.oura.asked)) == ([], 1)


def test_the_scope_is_the_one_that_oura_names(wired: Wired) -> None:
    """Not the one that we thought it needs."""
    wired.oura.next_answers.append(
        answer(401, {"detail": "Token is not authorized access extapi:moods scope."})
    )
    with pytest.raises(ScopeNotGranted, match="the scope moods is not granted"):
        list(wired.client.documents(DAILY_STRESS, DAY, DAY))


@pytest.mark.parametrize(
    "refusal",
    [
        answer(401),
        answer(401, b""),
        answer(401, {"detail": "Token expired"}),
        answer(401, {"title": "Your daily session has ended"}),
        answer(401, b"<html>scope</html>"),
    ],
    ids=["null", "empty", "expired", "words", "html"],
)
def test_a_refused_token_is_renewed_once(wired: Wired, refusal: httpx.Response) -> None:
    """And the question is asked again with the new one."""
    wired.oura.next_answers.append(refusal)
    wired.oura.access_tokens = {"fresher"}
    assert fetch(wired.client) == 1
    assert wired.tokens.refused == ["fresh"]
    assert [request.headers["Authorization"] for request in wired.oura.asked] == [
        "Bearer fresh",
        "Bearer fresher",
    ]


def test_a_token_that_runs_out_between_two_pages_is_renewed(wired: Wired) -> None:
    """The answer goes on where it was."""
    wired.oura.next_answers.extend(
        [answer(200, {"data": [], "next_token": "page-0"}), answer(401, b"")]
    )
    wired.oura.access_tokens = {"fresher"}
    assert fetch(wired.client) == 2
    assert [asked.get("next_token") for asked in wired.oura.parameters] == [
        None,
        "page-0",
        "page-0",
    ]


def test_only_the_refusal_of_the_refresh_asks_for_a_sign_in(wired: Wired) -> None:
    """That is for whoever holds the refresh token to say."""
    wired.oura.access_tokens = set()
    wired.tokens.renewed = SignInRequired("sign in again")
    with pytest.raises(SignInRequired, match="sign in again"):
        fetch(wired.client)
    assert len(wired.oura.asked) == 1


def test_trouble_while_renewing_is_not_repeated(wired: Wired) -> None:
    """A refresh token works once; only its owner knows whether another try is safe."""
    wired.oura.access_tokens = set()
    wired.tokens.renewed = OuraUnavailable("out of order")
    with pytest.raises(OuraUnavailable, match="out of order"):
        fetch(wired.client)
    assert wired.tokens.refused == ["fresh"]


def test_a_renewed_token_that_is_refused_is_not_renewed_again(wired: Wired) -> None:
    """And the person is not sent away for it."""
    wired.oura.access_tokens = set()
    with pytest.raises(UnexpectedAnswer, match="refuses a token that it has just renewed"):
        fetch(wired.client)
    assert wired.tokens.refused == ["fresh"]


def test_403_is_a_lapsed_membership(client: OuraClient, oura: SpeakingOura) -> None:
    """Oura keeps the data of people without a membership back."""
    oura.next_answers.append(answer(403, {"detail": "Forbidden"}))
    with pytest.raises(MembershipLapsed, match=r"daily_sleep \(403: Forbidden\)"):
        fetch(client)


def test_404_of_a_document_is_a_document_that_is_gone(
    client: OuraClient, oura: SpeakingOura
) -> None:
    """It is not asked for again."""
    oura.documents["daily_sleep"] = []
    with pytest.raises(DocumentNotFound, match="no such daily_sleep"):
        client.document(DAILY_SLEEP, "gone")
    assert len(oura.asked) == 1


@pytest.mark.parametrize(
    ("refusal", "message"),
    [
        (
            answer(400, {"detail": "Start date is greater than end date: [start_date: a]"}),
            r"\(400: Start date is greater than end date: \[start_date: a\]\)",
        ),
        (
            answer(422, {"detail": [{"loc": ["query", "start_date"], "msg": "Input should be x"}]}),
            r"\(422: query.start_date: Input should be x\.\)",
        ),
        (answer(400, {"title": "wrong", "detail": "More."}), r"\(400: wrong More\.\)"),
        (answer(400, b""), r"\(400\)"),
        (answer(404, b"<html>"), r"\(404\)"),
        (answer(418, [1]), r"\(418\)"),
        (answer(204), r"\(204\)"),
        (answer(302, b"", Location="https://elsewhere.test/"), r"sends us elsewhere .*\(302\)"),
    ],
)
def test_other_refusals_are_told_in_oura_s_own_words(
    client: OuraClient, oura: SpeakingOura, refusal: httpx.Response, message: str
) -> None:
    """They would be the same the next time, so there is none."""
    oura.next_answers.append(refusal)
    with pytest.raises(UnexpectedAnswer, match=message):
        fetch(client)
    assert len(oura.asked) == 1


def test_oura_s_own_words_are_cut_to_one_line_and_lose_the_token(
    client: OuraClient, oura: SpeakingOura
) -> None:
    """An error page may repeat what we sent."""
    oura.next_answers.append(answer(400, {"detail": "Bearer fresh\n\u2028is\x1b[31m " + "x" * 999}))
    with pytest.raises(UnexpectedAnswer) as caught:
        fetch(client)
    words = "Bearer … is [31m " + "x" * 182 + "…"
    assert f"(400: {words})" in str(caught.value)


TROUBLE: list[httpx.Response | Exception] = [
    answer(500, b""),
    answer(502, {"detail": "Bad gateway"}),
    answer(503, b"<html>"),
    answer(504, b"<html><title>504</title></html>"),
    answer(200, b"<html>maintenance</html>"),
    answer(200, b'{"data":[{"id":"a","day":"2026-03-1'),
    answer(200, b""),
    answer(200, b'{"data":[{"id":"\xff","day":"2026-03-10","score":1}]}'),
    httpx.ReadTimeout("slow"),
    httpx.ConnectTimeout("slow"),
    httpx.ConnectError("refused"),
    httpx.RemoteProtocolError("peer closed connection without sending complete message body"),
    httpx.ReadError("reset"),
]


@pytest.mark.parametrize("trouble", TROUBLE, ids=lambda trouble: str(trouble)[:40])
def test_passing_trouble_is_tried_again(
    client: OuraClient, oura: SpeakingOura, trouble: httpx.Response | Exception
) -> None:
    """A server error, no answer, half an answer, something that is no JSON."""
    oura.next_answers.extend([trouble, trouble])
    assert fetch(client) == 1
    assert (client.requests, client.pages) == (3, 1)


@pytest.mark.parametrize(
    ("trouble", "error"),
    [
        (answer(503, b"<html>"), OuraUnavailable),
        (httpx.ReadTimeout("slow"), OuraUnavailable),
        (answer(200, b"<html>"), GarbledAnswer),
    ],
)
def test_trouble_that_stays_is_told_after_six_attempts(
    client: OuraClient,
    oura: SpeakingOura,
    trouble: httpx.Response | Exception,
    error: type[OuraError],
) -> None:
    """A garbled answer is one that we do not understand then."""
    oura.next_answers.extend([trouble] * 20)
    with pytest.raises(error):
        fetch(client)
    assert len(oura.asked) == 6
    assert issubclass(GarbledAnswer, UnexpectedAnswer)


def test_a_question_that_fails_half_way_fails(client: OuraClient, oura: SpeakingOura) -> None:
    """Its first page came, the second one never does."""
    oura.next_answers.append(answer(200, {"data": [], "next_token": "a"}))
    oura.next_answers.extend([answer(500)] * 6)
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
    wired: Wired, headers: dict[str, str], seconds: float
) -> None:
    """In seconds, as a date, as the time of the reset; a second where it says nothing."""
    wired.oura.next_answers.append(answer(429, b"", **headers))
    assert fetch(wired.client) == 1
    assert sum(wired.clock.slept) == pytest.approx(seconds, abs=0.06)
    assert sum(wired.clock.slept) >= seconds


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


def test_a_429_pauses_everyone(wired: Wired) -> None:
    """The pause stands in the shared budget."""
    wired.oura.next_answers.extend([answer(429, b"", Retry_After="2000")])
    with pytest.raises(RateLimited) as caught:
        fetch(wired.client)
    assert caught.value.retry_after == pytest.approx(2000)
    with pytest.raises(RateLimited):
        wired.budget.acquire()


def test_a_429_that_comes_again_and_again_pauses_longer_and_then_fails(wired: Wired) -> None:
    """Ten times, whatever it says."""
    wired.oura.next_answers.extend([answer(429, b"", Retry_After="1")] * 10)
    with pytest.raises(RateLimited) as caught:
        fetch(wired.client)
    assert [round(pause) for pause in wired.clock.slept] == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert caught.value.retry_after == 60
    assert len(wired.oura.asked) == 10


def test_every_attempt_is_paid_out_of_the_budget(wired: Wired) -> None:
    """Also those that fail."""
    wired.oura.next_answers.extend([answer(500), answer(429, b"", Retry_After="1"), answer(502)])
    fetch(wired.client)
    assert wired.budget.state().used == wired.client.requests == 4


def test_no_error_shows_a_token(wired: Wired) -> None:
    """Not even one with a line break, which the HTTP library would quote; nor as its cause."""
    wired.tokens.current = wired.tokens.renewed = "secret\nsecret"
    with httpx.Client() as http:
        client = OuraClient(
            http, api_url="http://127.0.0.1:9", tokens=wired.tokens, budget=wired.budget
        )
        with pytest.raises(OuraUnavailable) as caught:
            fetch(client)
    error: BaseException | None = caught.value
    while error is not None:
        assert "secret" not in repr(error)
        error = error.__cause__ or error.__context__
