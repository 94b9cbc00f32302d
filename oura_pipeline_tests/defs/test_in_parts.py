"""What looks at everybody does so a shard's people at a time, and finds the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.people import Person, SignIn
from oura_pipeline.defs.gaps import due_gaps
from oura_pipeline.defs.new_people import RUNS_PER_TICK, first_chunks
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import Settings
from oura_pipeline_tests.testing.settings import settings_with

NEWEST = date(2026, 6, 11)
NOW = datetime(2026, 6, 11, 12, tzinfo=UTC)
OLD, NEW = [f"old{number}" for number in range(6)], ["new0", "new1"]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Six whose newest days were fetched, but for one each, and two of whom nothing was."""
    settings = settings_with(
        oura_pipeline_home=tmp_path, oura_client_id="id", oura_client_secret="secret"
    )
    with open_accounts(settings) as accounts:
        for username in (*OLD, *NEW):
            accounts.people.add(username, SignIn(refresh_token=username))
        for number, username in enumerate(OLD):
            landed = Fetch(
                username=username,
                document_type="sleep",
                day=NEWEST,
                status=FetchStatus.LANDED,
                documents=1,
                run_id="run",
                at=NOW - timedelta(days=1),
            )
            day = NEWEST - timedelta(days=1 + number % 2)
            failed = replace(landed, day=day, status=FetchStatus.FAILED, documents=0)
            accounts.fetches.record([landed, failed])
    return settings


def in_parts_of(settings: Settings, people: int) -> Settings:
    workers = settings.workers.model_copy(update={"people_per_shard": people})
    return settings.model_copy(update={"workers": workers})


def usernames(settings: Settings) -> dict[str, str]:
    with open_accounts(settings) as accounts:
        return accounts.people.usernames_by_id()


def test_gaps_of_a_part_are_found_with_it(settings: Settings) -> None:
    """Failed days and days that are missing; nobody's twice."""

    def found(people: int) -> set[tuple[str, date, date]]:
        gaps = due_gaps(in_parts_of(settings, people), NOW)
        pairs = [(who, gap.first_day, gap.last_day) for gap in gaps for who in gap.people]
        assert len(pairs) == len({*pairs})
        return {*pairs}

    assert found(1) == found(100)
    assert len(found(1)) == len(OLD)


def test_whoever_is_new_goes_first_whatever_part_they_are_of(settings: Settings) -> None:
    """Those of all parts are compared, and as many runs are asked for as ever."""
    names = usernames(settings)
    together, _ = first_chunks(in_parts_of(settings, 100), NEWEST)
    alone, left = first_chunks(in_parts_of(settings, 1), NEWEST)
    assert {names[who] for who in together[0][0].people} == {*NEW}
    assert {names[who] for one, _ in alone[:2] for who in one.people} == {*NEW}
    assert [one.newcomers for one, _ in alone] == [True, True, False]
    assert (len(alone), left) == (RUNS_PER_TICK, len(OLD) + len(NEW))
    assert all(since.keys() == {*one.people} for one, since in alone)


def test_an_error_names_some_of_those_who_are_there(settings: Settings) -> None:
    with open_accounts(settings) as accounts:
        for number in range(UnknownPerson.NAMED):
            accounts.people.add(f"zoe{number:02}", SignIn(refresh_token="r"))
        with pytest.raises(UnknownPerson) as refused:
            accounts.people.get("eve")
        people: list[Person] = accounts.people.all()
    named = ", ".join(sorted(one.username for one in people)[: UnknownPerson.NAMED])
    assert str(refused.value) == f"there is no person 'eve'; known are: {named}, …"
