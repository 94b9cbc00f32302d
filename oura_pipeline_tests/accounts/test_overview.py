"""What the ledger says about a person as a whole."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from oura_pipeline.accounts.overview import DayOverview, DaysToFetchAgain, TypeOverview
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import MEMBERSHIP_LAPSED, FetchStatus
from oura_pipeline_tests.accounts.homes import AT, fetch

LANDED, EMPTY = FetchStatus.LANDED, FetchStatus.EMPTY
NOT_GRANTED, FAILED = FetchStatus.NOT_GRANTED, FetchStatus.FAILED
DAY = date(2026, 1, 1)
HOUR = timedelta(hours=1)


def _day(number: int) -> date:
    return DAY + timedelta(number)


@pytest.fixture
def accounts(accounts: Accounts) -> Accounts:
    """Ada, of whom a lot was asked, Bob, of whom a little was, and Cyd."""
    for name in ("ada", "bob", "cyd"):
        accounts.people.add(name, SignIn(refresh_token="r"))
    accounts.fetches.record(
        [
            fetch(document_type="tag", day=_day(3), status=EMPTY, documents=0),
            fetch(day=_day(0), documents=2, at=AT + 5 * HOUR),
            fetch(day=_day(1), documents=1),
            fetch(day=_day(2), status=EMPTY, documents=0),
            fetch(day=_day(3), status=LANDED, documents=0),  # its document is gone
            fetch(day=_day(4), status=FAILED, documents=0, error="later", at=AT + HOUR),
            fetch(day=_day(5), status=FAILED, documents=0, error="sooner"),
            fetch(document_type="daily_sleep", status=NOT_GRANTED, documents=0, error="no scope"),
            fetch(document_type="daily_sleep", day=_day(1), status=FAILED, documents=0, error="x"),
            fetch(document_type="no type of ours", status=FAILED, documents=0, error="y"),
            fetch("bob", documents=1, at=AT + 9 * HOUR),
            fetch("bob", day=_day(1), status=FAILED, documents=0, error="z"),
        ]
    )
    return accounts


def test_each_type_that_was_asked_is_summed_up_in_the_order_of_the_table(
    accounts: Accounts,
) -> None:
    common = {"landed": 0, "empty": 0, "not_granted": 0, "failed": 0, "error": None}
    assert accounts.overview.document_types("ada") == [
        TypeOverview(
            **common
            | {"document_type": "daily_sleep", "last_asked_at": AT, "first_day": DAY}
            | {"latest_day": None, "documents": 0, "not_granted": 1, "failed": 1, "error": "x"}
        ),
        TypeOverview(
            **common
            | {"document_type": "sleep", "last_asked_at": AT + 5 * HOUR, "first_day": DAY}
            | {"latest_day": _day(1), "documents": 3, "landed": 3, "empty": 1, "failed": 2}
            | {"error": "later"}
        ),
        TypeOverview(
            **common
            | {"document_type": "tag", "last_asked_at": AT, "first_day": _day(3)}
            | {"latest_day": None, "documents": 0, "empty": 1}
        ),
    ]
    assert accounts.overview.document_types("cyd") == []


def test_each_day_that_was_asked_for_is_summed_up(accounts: Accounts) -> None:
    """Only of the person, the document types and the days in question; what was not asked lacks."""
    none = {"landed": 0, "empty": 0, "not_granted": 0, "failed": 0}
    days = accounts.overview.days("ada", ["sleep", "daily_sleep"], first_day=DAY, last_day=_day(3))
    assert days == {
        _day(0): DayOverview(**none | {"landed": 1, "not_granted": 1}),
        _day(1): DayOverview(**none | {"landed": 1, "failed": 1}),
        _day(2): DayOverview(**none | {"empty": 1}),
        _day(3): DayOverview(**none | {"landed": 1}),
    }
    assert accounts.overview.days("cyd", ["sleep"], first_day=DAY, last_day=_day(9)) == {}
    assert accounts.overview.days("ada", [], first_day=DAY, last_day=_day(9)) == {}


def test_everybody_of_whom_anything_was_asked_is_listed(accounts: Accounts) -> None:
    assert accounts.overview.last_asked() == {"ada": AT + 5 * HOUR, "bob": AT + 9 * HOUR}
    asked = {("ada", "daily_sleep"): DAY, ("ada", "sleep"): DAY, ("ada", "tag"): _day(3)}
    assert accounts.overview.first_asked(["ada", "cyd"]) == asked
    assert accounts.overview.first_asked(["bob"]) == {("bob", "sleep"): DAY}
    assert accounts.overview.first_asked([]) == {}


def test_who_waits_longest_is_connected(accounts: Accounts) -> None:
    """Not who left, however long ago that was, nor of whom nothing was ever asked."""
    overview = accounts.overview
    assert overview.first_due() == AT + 5 * HOUR
    accounts.removal.disconnect("ada")
    assert overview.first_due() == AT + 9 * HOUR
    accounts.removal.disconnect("bob")
    assert overview.first_due() is None


def test_somebody_is_unasked_while_they_wait(accounts: Accounts) -> None:
    """Cyd, of whom nothing was asked, and Ada; who signs in later does not wait yet."""
    joined, overview = accounts.people.get("cyd").connected_since, accounts.overview
    later = joined + HOUR
    assert not overview.is_anybody_unasked(joined - HOUR)  # nobody was here before
    assert overview.is_anybody_unasked(later)
    for name in ("ada", "bob"):
        accounts.fetches.record([fetch(name, at=later)])
    assert overview.is_anybody_unasked(later)
    accounts.removal.disconnect("cyd")
    assert not overview.is_anybody_unasked(later)
    assert overview.is_anybody_unasked(later + HOUR)


def test_a_day_on_which_several_types_failed_is_one_failed_day(accounts: Accounts) -> None:
    assert accounts.overview.failed_days() == {"ada": 4, "bob": 1}
    accounts.fetches.record([fetch(document_type="tag", day=_day(4), status=FAILED)])
    accounts.fetches.record([fetch("bob", day=_day(1))])
    assert accounts.overview.failed_days() == {"ada": 4}


def test_losses_of_those_who_are_connected_are_to_be_fetched_again(accounts: Accounts) -> None:
    accounts.fetches.record(
        [
            fetch("cyd", day=_day(0), documents=1, lost_from=4),
            fetch("cyd", day=_day(2), documents=0, lost_from=2),
            fetch("bob", document_type="tag", documents=0, lost_from=3),
        ]
    )
    assert [loss.username for loss in accounts.overview.losses()] == ["bob", "cyd"]
    accounts.removal.disconnect("bob")
    cyd = DaysToFetchAgain(
        username="cyd",
        document_types=("sleep",),
        first_day=_day(0),
        last_day=_day(2),
        reason="Oura's answer has 5 of 6 documents no longer; it is asked again the next day",
    )
    assert accounts.overview.losses() == accounts.overview.losses("sleep") == [cyd]
    assert accounts.overview.losses("tag") == []


def test_a_loss_of_a_type_without_days_stands_on_its_newest_day_alone(accounts: Accounts) -> None:
    """Of that person and type: what others have had since settles nothing."""
    lost = {"document_type": "ring_configuration", "documents": 0, "lost_from": 2}
    accounts.fetches.record(
        [
            fetch("ada", day=_day(0), **lost),
            fetch("ada", day=_day(1), document_type="ring_configuration"),
            fetch("bob", day=_day(0), **lost),
            fetch("bob", day=_day(3)),
        ]
    )
    assert [loss.username for loss in accounts.overview.losses()] == ["bob"]


def test_failures_of_members_who_are_connected_are_to_be_fetched_again(accounts: Accounts) -> None:
    """One fault of Oura's is told once for all types that it hit."""
    away, lapsed = "Oura was away", f"{MEMBERSHIP_LAPSED}: ask them"
    failed = {"status": FAILED, "documents": 0}
    for name in ("eve", "fay", "gil"):
        accounts.people.add(name, SignIn(refresh_token="r"))
    accounts.fetches.record(
        [
            *(fetch("eve", day=_day(n), error=away, **failed) for n in (1, 3)),
            fetch("eve", day=_day(2), document_type="tag", error=away, **failed),
            fetch("fay", day=_day(1), error=lapsed, **failed),
            fetch("gil", day=_day(1), error=away, **failed),
        ]
    )
    accounts.removal.disconnect("gil")
    again = DaysToFetchAgain(
        username="eve",
        document_types=("sleep", "tag"),
        first_day=_day(1),
        last_day=_day(3),
        reason=away,
    )
    told = accounts.overview.to_fetch_again()
    assert [one for one in told if one.username not in ("ada", "bob")] == [again]
    assert accounts.overview.lapsed() == {"fay": lapsed}


def test_what_has_changed_since_somebody_asked_is_counted_by_type(accounts: Accounts) -> None:
    """Of that person; also where nothing has."""
    later = AT + 6 * HOUR
    accounts.fetches.record(
        [
            fetch(day=_day(1), changed=2, at=later),
            fetch(document_type="tag", changed=0, at=later),
        ]
    )
    assert accounts.overview.fetched_since("ada", AT + 5 * HOUR) == {"sleep": 2, "tag": 0}


def test_the_latest_day_is_of_types_that_come_every_day(accounts: Accounts) -> None:
    """A ring's day is that of the sync."""
    accounts.fetches.record(
        [
            fetch(document_type="ring_configuration", day=_day(9)),
            fetch("cyd", status=EMPTY, documents=0),
        ]
    )
    assert accounts.overview.latest_days() == {"ada": _day(1), "bob": DAY}


def test_rows_are_counted_by_status(accounts: Accounts) -> None:
    assert accounts.overview.statuses() == {LANDED: 4, EMPTY: 2, NOT_GRANTED: 1, FAILED: 5}


def test_the_first_day_with_documents_is_of_that_person(accounts: Accounts) -> None:
    accounts.people.add("eve", SignIn(refresh_token="r"))
    accounts.fetches.record(
        [
            fetch("eve", day=_day(1), status=EMPTY, documents=0),
            *(fetch("eve", day=_day(n), documents=1) for n in (2, 4)),
        ]
    )
    assert accounts.overview.first_landed("eve") == _day(2)
    assert accounts.overview.first_landed("cyd") is None
