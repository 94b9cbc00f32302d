"""The ledger of fetches: what came of the newest question."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from oura_pipeline.accounts.fetch_months import Months
from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline_tests.accounts.homes import AT, ON_SQLITE, change, fetch, rows_of

LANDED, EMPTY = FetchStatus.LANDED, FetchStatus.EMPTY
NOT_GRANTED, FAILED = FetchStatus.NOT_GRANTED, FetchStatus.FAILED
DAY = date(2026, 1, 1)


@pytest.fixture
def accounts(accounts: Accounts) -> Accounts:
    """Ada and Bob."""
    accounts.people.add("ada", SignIn(refresh_token="r"))
    accounts.people.add("bob", SignIn(refresh_token="s"))
    return accounts


def test_a_row_comes_back_as_it_was_written_and_a_newer_one_replaces_it(accounts: Accounts) -> None:
    first = fetch(status=NOT_GRANTED, documents=0, changed=0, error="scope daily is missing")
    accounts.fetches.record([first])
    assert accounts.fetches.find() == [first]
    second = fetch(run_id="run-2", at=AT + timedelta(hours=1))
    accounts.fetches.record([second])
    assert accounts.fetches.find() == [second]


def test_failures_in_a_row_are_counted_by_the_ledger(accounts: Accounts) -> None:
    """Whatever a row says about attempts; anything but a failure begins anew."""
    statuses = [FAILED, FAILED, FAILED, NOT_GRANTED, FAILED, FAILED, EMPTY, LANDED, FAILED]
    attempts = []
    for status in statuses:
        accounts.fetches.record([fetch(status=status, attempts=99)])
        attempts += [row.attempts for row in accounts.fetches.find()]
    assert attempts == [1, 2, 3, 0, 1, 2, 0, 0, 1]


def test_each_key_counts_its_own_failures(accounts: Accounts) -> None:
    ada, bob = fetch("ada", status=FAILED), fetch("bob", status=FAILED)
    other_day = fetch("ada", status=FAILED, day=date(2026, 1, 2))
    accounts.fetches.record([ada])
    accounts.fetches.record([ada, bob, other_day])
    assert accounts.fetches.find() == [
        replace(ada, attempts=2),
        replace(other_day, attempts=1),
        replace(bob, attempts=1),
    ]


@pytest.mark.parametrize(
    ("hours", "answer", "stands"),
    [
        (1, {"status": EMPTY, "documents": 0}, True),
        (19, {"status": EMPTY, "documents": 0}, True),
        (20, {"status": EMPTY, "documents": 0}, False),
        (1, {"documents": 3}, True),
        (1, {"documents": 4}, False),
        (48, {"status": FAILED, "documents": 0}, True),
        (48, {"documents": 1, "lost_from": 3}, False),
    ],
)
def test_a_loss_stands_until_it_is_settled(
    accounts: Accounts, hours: int, answer: dict[str, Any], stands: bool
) -> None:
    """By an answer of the next day, or by as many documents as there were; a new one is another."""
    accounts.fetches.record([fetch(status=EMPTY, documents=0, lost_from=4)])
    [row] = accounts.fetches.find(lost=True)
    assert (row.lost_from, row.lost_at) == (4, AT)
    later = AT + timedelta(hours=hours)
    accounts.fetches.record([fetch(at=later, **answer)])
    again = answer.get("lost_from")
    expected = (4, AT) if stands else (again, later if again else None)
    assert [(row.lost_from, row.lost_at) for row in accounts.fetches.find()] == [expected]


def test_a_loss_of_a_type_without_days_is_settled_by_a_later_day(accounts: Accounts) -> None:
    """Each day has a row of its own, and the newest one is the state."""
    rings = {"document_type": "ring_configuration", "documents": 0, "status": EMPTY}
    accounts.fetches.record([fetch(lost_from=2, **rings)])
    assert len(accounts.overview.losses("ring_configuration")) == 1
    for hours, known in ((19, 1), (20, 0)):
        tomorrow = {"day": DAY + timedelta(days=1), "at": AT + timedelta(hours=hours)}
        accounts.fetches.record([fetch(**rings, **tomorrow)])
        assert len(accounts.overview.losses("ring_configuration")) == known


def test_a_loss_is_of_its_day_person_and_type_alone(accounts: Accounts) -> None:
    other = {"status": EMPTY, "documents": 0}
    accounts.fetches.record([fetch(lost_from=4, **other)])
    beside: list[dict[str, Any]] = [
        {"day": DAY + timedelta(days=1)},
        {"username": "bob"},
        {"document_type": "tag"},
    ]
    accounts.fetches.record([fetch(**other, **key) for key in beside])
    assert [(row.username, row.day) for row in accounts.fetches.find(lost=True)] == [("ada", DAY)]


def test_of_several_rows_for_one_key_the_last_one_counts(accounts: Accounts) -> None:
    accounts.fetches.record([fetch(status=FAILED), fetch(status=LANDED), fetch(status=FAILED)])
    assert accounts.fetches.find() == [fetch(status=FAILED, attempts=1)]


def test_rows_are_found_by_what_is_asked_for(accounts: Accounts) -> None:
    rows = [
        fetch(name, document_type=kind, day=day, status=status)
        for kind, status in (("heartrate", EMPTY), ("sleep", LANDED))
        for name in ("ada", "bob")
        for day in (DAY, DAY + timedelta(1), DAY + timedelta(2))
    ]
    accounts.fetches.record(rows[::-1])
    assert accounts.fetches.find() == rows
    assert accounts.fetches.find("sleep") == rows[6:]
    assert accounts.fetches.find("sleep", usernames=["bob"]) == rows[9:]
    assert accounts.fetches.find(
        "sleep", first_day=DAY + timedelta(1), last_day=DAY + timedelta(1)
    ) == [
        rows[7],
        rows[10],
    ]
    assert accounts.fetches.find(statuses=[EMPTY, FAILED]) == rows[:6]
    assert accounts.fetches.find(usernames=["ada"], last_day=DAY) == [rows[0], rows[6]]
    assert accounts.fetches.find("tag") == []
    assert accounts.fetches.find(usernames=[]) == []
    assert accounts.fetches.find(statuses=[]) == []
    late = replace(rows[0], at=AT + timedelta(seconds=1))
    accounts.fetches.record([late])
    assert accounts.fetches.find(after=AT) == [late]


def test_rows_and_gaps_of_some_shards_are_those_of_their_people(
    home: Path, accounts: Accounts
) -> None:
    days = [DAY, DAY + timedelta(2)]
    accounts.fetches.record(
        [fetch(username, day=day) for username in ("ada", "bob") for day in days]
    )
    change(home, "UPDATE people SET shard = CASE username WHEN 'ada' THEN 6 ELSE 7 END")
    for shards, username in ((range(7), "ada"), (range(7, 8), "bob")):
        assert {row.username for row in accounts.fetches.find(shards=shards)} == {username}
        assert accounts.fetches.missing(shards) == [(username, "sleep", DAY + timedelta(1))]


def test_rows_of_who_has_left_are_not_written(accounts: Accounts) -> None:
    """Nor of nobody; whoever wrote them is told whose they were."""
    accounts.people.add("cyd", SignIn(refresh_token="t"))
    accounts.removal.retire("cyd")
    rows = [fetch("ada"), fetch("eve"), fetch("cyd"), fetch("bob")]
    assert accounts.fetches.record(rows) == {"cyd", "eve"}
    assert accounts.fetches.find() == [rows[0], rows[3]]
    assert accounts.fetches.record([fetch("eve")]) == {"eve"}


def test_days_between_others_that_have_no_row_were_never_asked(accounts: Accounts) -> None:
    """Also where a failure stands beside the hole; before the first and after the last is none."""
    days = [DAY, DAY + timedelta(3), DAY + timedelta(4)]
    accounts.fetches.record([fetch("ada", day=day, status=FAILED) for day in days])
    accounts.fetches.record([fetch("bob", day=DAY), fetch("bob", day=DAY + timedelta(1))])
    holes = [("ada", "sleep", DAY + timedelta(1)), ("ada", "sleep", DAY + timedelta(2))]
    assert accounts.fetches.missing() == holes


def test_refusals_that_a_new_consent_has_overtaken_are_forgotten(accounts: Accounts) -> None:
    """Of the granted types only, and of one person; everything else stays."""
    refused = [
        fetch(name, document_type=kind, day=DAY + timedelta(day), status=NOT_GRANTED)
        for kind in ("heartrate", "sleep", "workout")
        for name in ("ada", "bob")
        for day in range(2)
    ]
    failed = fetch("ada", document_type="workout", day=DAY + timedelta(2), status=FAILED)
    accounts.fetches.record([*refused, failed])
    accounts.people.reconnect("ada", SignIn(refresh_token="r", scopes=["workout", "daily"]))
    assert accounts.fetches.forget_not_granted("ada") == 4
    assert accounts.fetches.find(usernames=["bob"]) == [
        row for row in refused if row.username == "bob"
    ]
    assert accounts.fetches.find(usernames=["ada"]) == [*refused[:2], replace(failed, attempts=1)]
    accounts.people.reconnect("ada", SignIn(refresh_token="r", scopes=[]))
    assert accounts.fetches.forget_not_granted("ada") == 0


def test_all_refusals_are_forgotten_where_nobody_knows_what_was_granted(accounts: Accounts) -> None:
    accounts.fetches.record(
        [
            fetch("ada", document_type=kind, status=NOT_GRANTED)
            for kind in ("sleep", "workout", "a type that is not known any more")
        ]
    )
    assert accounts.fetches.forget_not_granted("ada") == 3
    assert accounts.fetches.forget_not_granted("eve") == 0
    assert accounts.fetches.find() == []


def test_no_rows_are_no_work(accounts: Accounts) -> None:
    accounts.fetches.record([])
    assert accounts.fetches.find() == []


def test_a_year_of_everything_is_one_call(accounts: Accounts) -> None:
    """What a first backfill of two people records, written twice."""
    rows: list[Fetch] = [
        fetch(name, document_type=f"type{kind:02}", day=DAY + timedelta(day))
        for kind in range(19)
        for name in ("ada", "bob")
        for day in range(365)
    ]
    accounts.fetches.record(rows)
    accounts.fetches.record(rows)
    assert accounts.fetches.find() == rows


def test_sums_tell_whether_other_rows_stand(accounts: Accounts) -> None:
    """How many, how new, and what all their instants and documents come to."""
    accounts.fetches.record(
        [
            fetch("ada", at=AT, documents=2),
            fetch("ada", day=DAY + timedelta(1), at=AT + timedelta(seconds=10), documents=3),
            fetch("bob", document_type="workout", status=EMPTY, documents=0),
        ]
    )
    seconds = int(AT.timestamp())  # cut, though 0.68 s would be rounded up
    assert dict(accounts.fetches.sums()) == {
        ("ada", "sleep"): (2, AT + timedelta(seconds=10), 2 * seconds + 10, 5, 2 + 3 * 4),
        ("bob", "workout"): (1, AT, seconds, 0, 0),
    }
    accounts.fetches.record([fetch("ada", at=AT + timedelta(seconds=1), documents=2)])
    assert dict(accounts.fetches.sums())["ada", "sleep"].seconds == 2 * seconds + 11


def test_what_is_shown_is_of_who_stays(accounts: Accounts) -> None:
    """All of it, what was asked later, or what is of some people and types."""
    late = AT + timedelta(hours=1)
    accounts.fetches.record(
        [fetch("ada"), fetch("ada", document_type="tag", at=late), fetch("bob")]
    )
    ada = ("ada", "sleep", DAY, "landed", 2, None, AT)
    tag = ("ada", "tag", DAY, "landed", 2, None, late)
    bob = ("bob", "sleep", DAY, "landed", 2, None, AT)
    assert sorted(accounts.fetches.published()) == [ada, tag, bob]
    assert list(accounts.fetches.published(after=AT)) == [tag]
    assert list(accounts.fetches.published(pairs=[("ada", "sleep"), ("bob", "tag")])) == [ada]
    accounts.removal.retire("ada")
    assert list(accounts.fetches.published()) == [bob]
    assert list(accounts.fetches.published(after=AT - timedelta(hours=1))) == [bob]
    assert list(dict(accounts.fetches.sums())) == [("bob", "sleep")]


def _summed_up(rows: list[Fetch]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """What the rows of each person and type come to, by hand."""
    sums = {}
    for pair in {(row.username, row.document_type) for row in rows}:
        theirs = [row for row in rows if (row.username, row.document_type) == pair]
        placed = [row.documents * row.day.timetuple().tm_yday ** 2 for row in theirs]
        seconds = [int(row.at.timestamp()) for row in theirs]
        documents = [row.documents for row in theirs]
        numbers = (sum(seconds), sum(documents), sum(placed))
        sums[pair] = (len(theirs), max(row.at for row in theirs), *numbers)
    return sums


@pytest.mark.parametrize(
    ("days", "first_day", "last_day"),
    [
        ([date(2026, 2, 28), date(2026, 1, 31)], date(2026, 1, 1), date(2026, 2, 28)),
        ([date(2028, 2, 29)], date(2028, 2, 1), date(2028, 2, 29)),
        ([date(2026, 12, 1)], date(2026, 12, 1), date(2026, 12, 31)),
    ],
)
def test_sums_are_of_whole_months(days: list[date], first_day: date, last_day: date) -> None:
    """A part of a month's rows would be taken for all of them."""
    assert Months.of(("sleep", "ada", day) for day in days) == Months(
        document_types=frozenset({"sleep"}),
        usernames=frozenset({"ada"}),
        first_day=first_day,
        last_day=last_day,
    )


def test_each_month_of_many_years_has_sums_of_its_own(home: Path, accounts: Accounts) -> None:
    days = [date(year, month, 1) for year in range(2010, 2027) for month in range(1, 13)]
    accounts.fetches.record([fetch(day=day) for day in days])
    assert len(rows_of(home)["fetch_months"]) == len(days)


@pytest.mark.parametrize("seed", range(2))
def test_sums_follow_whatever_becomes_of_the_rows(accounts: Accounts, seed: int) -> None:
    """Answers in any order over the ends of months and years, corrected, forgotten, of who goes."""
    dice = random.Random(seed)
    for _ in range(6):
        rows = [
            fetch(
                dice.choice(["ada", "bob"]),
                document_type=dice.choice(["sleep", "tag"]),
                day=date(2023, 12, 20) + timedelta(dice.randrange(80)),
                status=dice.choice(list(FetchStatus)),
                documents=dice.randrange(4),
                at=AT + dice.randrange(2000) * timedelta(minutes=1),
            )
            for _ in range(dice.randrange(40))
        ]
        accounts.fetches.record(rows)
        moved = {("ada", row.day): (EMPTY, 0, 1) for row in rows[:5]}
        accounts.fetches.correct("sleep", moved)
        if dice.random() < 0.5:
            accounts.fetches.forget_not_granted("ada")
        if dice.random() < 0.3:
            accounts.removal.delete("bob")
            accounts.people.add("bob", SignIn(refresh_token="r"))
        found = accounts.fetches.find()
        assert dict(accounts.fetches.sums()) == _summed_up(found)
        statuses = Counter(row.status for row in found)
        assert accounts.overview.statuses() == {one: statuses[one] for one in FetchStatus}
        landed = sorted((row.day, row.username) for row in found if row.documents)
        assert accounts.overview.latest_days() == {username: day for day, username in landed}


@ON_SQLITE
def test_nobody_reads_the_whole_ledger_who_asks_for_everybody(
    home: Path, accounts: Accounts
) -> None:
    """Months are read, and of the rows those that are new, that failed, or that have a loss."""
    asked: list[tuple[str, Any]] = []
    accounts.fetches.record([fetch("ada", day=DAY), fetch("ada", day=DAY + timedelta(2))])

    @event.listens_for(accounts._database._engine, "before_cursor_execute")
    def _note(*sent: Any) -> None:
        asked.append((sent[2], sent[3]))

    list(accounts.fetches.sums())
    list(accounts.fetches.published(after=AT - timedelta(hours=1)))
    accounts.fetches.find(statuses=[FAILED])
    accounts.fetches.find(lost=True)
    for question in ("failed_days", "to_fetch_again", "lapsed", "statuses", "latest_days"):
        getattr(accounts.overview, question)()
    assert len(accounts.fetches.missing()) == 1
    assert len(asked) == 12
    with accounts._database.reading() as connection:
        plans = [
            [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", given)]
            for sql, given in list(asked)
        ]
    steps = [step for plan in plans for step in plan if step.startswith("SCAN fetches")]
    assert {step.partition(" USING ")[2] for step in steps} <= {
        "INDEX ix_fetches_failed",
        "INDEX ix_fetches_lost",
    }
    assert any("SEARCH fetches USING PRIMARY KEY" in step for step in plans[1])
