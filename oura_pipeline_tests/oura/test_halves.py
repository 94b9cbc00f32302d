"""Long questions asked again in halves: what comes, what is left over, how often Oura is asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta

import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP, HEARTRATE, DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import (
    GarbledAnswer,
    OuraUnavailable,
    ScopeNotGranted,
    UnexpectedAnswer,
)
from oura_pipeline.oura.halves import Halving
from oura_pipeline.oura.pages import Page
from oura_pipeline_tests.oura.fake_oura import FakeOura, reply

FIRST, LAST = date(2026, 1, 1), date(2026, 3, 31)  # 90 days


def halving(client: OuraClient, document_type: DocumentType) -> Halving:
    """A question that this client asks."""

    def ask(first: date, last: date, patient: bool) -> Iterator[Page]:
        return client.documents(document_type, first, last, patient=patient)

    return Halving(ask)


def landed_days(question: Halving, first: date = FIRST, last: date = LAST) -> set[date]:
    """The days of which documents came, and that are not left over."""
    pages = list(question.pages(first, last))
    came = {document.day for page in pages for document in page.documents}
    return came - {day for part in question.unanswered for day in part.days}


def score(day: date) -> dict[str, object]:
    return {"id": f"{day}", "day": f"{day}", "score": 80}


@pytest.mark.parametrize("bad", [FIRST, date(2026, 2, 14), LAST])
def test_one_bad_day_costs_itself_and_those_that_are_asked_with_it(
    client: OuraClient, oura: FakeOura, bad: date
) -> None:
    """Every question is asked two days wider than what it is about."""
    oura.documents["daily_sleep"] = [score(day) for day in days_between(FIRST, LAST)]
    oura.garbled_days = {f"{bad}"}
    question = halving(client, DAILY_SLEEP)
    landed = landed_days(question)
    near = {bad + timedelta(days=n) for n in range(-2, 3)}
    assert landed == set(days_between(FIRST, LAST)) - near
    assert {day for part in question.unanswered for day in part.days} == near & {
        *days_between(FIRST, LAST)
    }
    assert {type(part.error) for part in question.unanswered} == {GarbledAnswer}
    # Only the first question is repeated; whoever asks in halves asks again anyway.
    assert 6 < len(oura.asked) < 40


def test_heart_rate_is_asked_in_halves_too(client: OuraClient, oura: FakeOura) -> None:
    bad = date(2026, 2, 14)
    oura.documents["heartrate"] = [
        {"timestamp": f"{day}T12:00:00+00:00", "bpm": 60, "source": "rest"}
        for day in days_between(FIRST, LAST)
    ]
    oura.garbled_days = {f"{bad}"}
    question = halving(client, HEARTRATE)
    landed = landed_days(question)
    assert landed == set(days_between(FIRST, LAST)) - {
        bad - timedelta(days=1),
        bad,
        bad + timedelta(1),
    }


def test_a_question_that_is_answered_is_asked_once(client: OuraClient, oura: FakeOura) -> None:
    oura.documents["daily_sleep"] = [score(FIRST)]
    question = halving(client, DAILY_SLEEP)
    assert (landed_days(question), question.unanswered, len(oura.asked)) == ({FIRST}, [], 1)


def test_what_fails_for_all_days_is_given_up_soon(client: OuraClient, oura: FakeOura) -> None:
    """A page about maintenance does not depend on the days: Oura must not be asked 180 times."""
    oura.documents["daily_sleep"] = [score(day) for day in days_between(FIRST, LAST)]
    oura.garbled_days = {f"{day}" for day in days_between(FIRST, LAST)}
    with pytest.raises(GarbledAnswer):
        list(halving(client, DAILY_SLEEP).pages(FIRST, LAST))
    assert len(oura.asked) == 6 + 8


def test_many_bad_days_are_given_up_at_last(client: OuraClient, oura: FakeOura) -> None:
    """Years with a bad day in every fortnight; what was answered until then is kept."""
    first = date(2020, 1, 1)
    days = days_between(first, LAST)
    oura.documents["daily_sleep"] = [score(day) for day in days]
    oura.garbled_days = {f"{day}" for day in days[::14]}
    question = halving(client, DAILY_SLEEP)
    try:
        landed = landed_days(question, first, LAST)
    except GarbledAnswer:
        landed = set()
    left = {day for part in question.unanswered for day in part.days}
    assert landed | left == {*days}
    assert len(oura.asked) < 6 + 130


def test_a_single_day_is_not_halved(client: OuraClient, oura: FakeOura) -> None:
    oura.next_answers.extend([reply(200, b"<html>")] * 6)
    with pytest.raises(GarbledAnswer):
        list(halving(client, DAILY_SLEEP).pages(FIRST, FIRST))
    assert len(oura.asked) == 6


@pytest.mark.parametrize(
    ("answer", "error", "times"),
    [
        (lambda: reply(401, {"detail": "Token is not authorized access daily scope."}),
         ScopeNotGranted, 1),
        (lambda: reply(503), OuraUnavailable, 6),
        (lambda: reply(400, {"detail": "no"}), UnexpectedAnswer, 1),
    ],
    ids=["not granted", "outage", "rejected"],
)  # fmt: skip
def test_what_is_no_matter_of_days_is_not_halved(
    client: OuraClient,
    oura: FakeOura,
    answer: Callable[[], object],
    error: type[Exception],
    times: int,
) -> None:
    """An outage must not be multiplied."""
    oura.next_answers.extend([answer()] * times)  # type: ignore[list-item]
    with pytest.raises(error):
        list(halving(client, DAILY_SLEEP).pages(FIRST, LAST))
    assert len(oura.asked) == times


def test_an_outage_between_two_halves_leaves_what_came(client: OuraClient, oura: FakeOura) -> None:
    """The rest has failed by the outage, without being asked."""
    days = days_between(FIRST, LAST)
    oura.documents["daily_sleep"] = [score(day) for day in days]
    oura.garbled_days = {f"{LAST}"}
    question = halving(client, DAILY_SLEEP)
    pages = question.pages(FIRST, LAST)
    came = {document.day for document in next(pages).documents}
    oura.next_answers.extend([reply(503)] * 100)
    assert list(pages) == []
    middle = FIRST + (LAST - FIRST) // 2
    assert came == {*days_between(FIRST, middle)}
    assert [(part.first_day, part.last_day) for part in question.unanswered] == [
        (middle + timedelta(days=1), LAST)
    ]
    assert isinstance(question.unanswered[0].error, OuraUnavailable)
