"""What runs by itself, when and for which days."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.definitions import definitions
from oura_pipeline.defs.partitions import daily_partitions
from oura_pipeline.defs.schedules import days_back
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings

HISTORY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("now", "count", "first", "last"),
    [
        # At 10:00 UTC the next day has begun at UTC+14 only.
        (datetime(2026, 6, 10, 9, 59, tzinfo=UTC), 7, date(2026, 6, 4), date(2026, 6, 10)),
        (datetime(2026, 6, 10, 10, 0, tzinfo=UTC), 7, date(2026, 6, 5), date(2026, 6, 11)),
        (datetime(2026, 6, 10, 10, 0, tzinfo=UTC), 1, date(2026, 6, 11), date(2026, 6, 11)),
        # Nothing is asked for that lies before history.
        (datetime(2026, 1, 3, 12, 0, tzinfo=UTC), 60, HISTORY, date(2026, 1, 4)),
    ],
)
def test_days_back_end_with_the_newest_day_anywhere(
    now: datetime, count: int, first: date, last: date
) -> None:
    assert days_back(daily_partitions(HISTORY), now, count) == (first, last)


@pytest.fixture(scope="module")
def code_location() -> Iterator[dg.Definitions]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        yield definitions()


def asked(code_location: dg.Definitions, name: str, at: datetime) -> dg.RunRequest:
    """The one run that a schedule asks for at that moment."""
    [request] = tick(code_location, name, at).run_requests
    return request


def tick(code_location: dg.Definitions, name: str, at: datetime) -> Any:
    schedule: Any = code_location.resolve_schedule_def(name)
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at,
            repository_def=code_location.get_repository_def(),
        )
        with context:
            return schedule.evaluate_tick(context)


@pytest.mark.parametrize(
    ("name", "first"),
    [("daily", "2026-06-05"), ("hourly", "2026-06-10"), ("monthly_reconcile", "2026-04-13")],
)
def test_a_tick_is_one_run_for_a_range_of_days(
    code_location: dg.Definitions, name: str, first: str
) -> None:
    """Days are counted from the moment of the tick, not from when it is evaluated."""
    at = datetime(2026, 6, 10, 10, 0, tzinfo=UTC)
    request = asked(code_location, name, at)
    assert request.run_config["ops"]["sync_documents"]["config"] == {
        "first_day": first,
        "last_day": "2026-06-11",
        "document_types": [],
        "publish": True,
    }
    assert request.run_config["resources"]["pipeline"]["config"] == {"people": [], "share": 1.0}
    assert request.tags["oura_pipeline/days"] == f"{first} to 2026-06-11"
    assert request.run_key == f"{name} 2026-06-10T10:00:00+00:00"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether people are many is read in a data folder."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path / "data"))


@pytest.fixture
def people(home: None) -> int:
    """How many have signed in."""
    with open_accounts(load_settings()) as accounts:
        for number in range(9):
            accounts.people.add(f"somebody-{number}", SignIn(refresh_token=f"token {number}"))
    return 9


def test_many_people_are_synced_shard_by_shard(
    code_location: dg.Definitions, people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the two schedules asks for a run, never both and never none."""
    at = datetime(2026, 6, 10, 10, 0, tzinfo=UTC)
    monkeypatch.setenv("OURA_PEOPLE_PER_SHARD", str(people))
    assert len(tick(code_location, "daily", at).run_requests) == 1
    assert tick(code_location, "daily_in_shards", at).run_requests == []
    monkeypatch.setenv("OURA_PEOPLE_PER_SHARD", str(people - 1))
    assert tick(code_location, "daily", at).run_requests == []
    request = asked(code_location, "daily_in_shards", at)
    days = {"first_day": "2026-06-05", "last_day": "2026-06-11"}
    assert request.run_config == {
        "ops": {
            "shards": {"config": {}},
            "sync_shard": {"config": days},
            "add_up_shards": {"config": days},
        }
    }
    assert request.tags["oura_pipeline/days"] == "2026-06-05 to 2026-06-11"


def test_of_very_many_people_each_day_has_its_seventh(
    code_location: dg.Definitions, people: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week is all sevenths, and what came late on the day of a sync is in the next one's days."""
    monkeypatch.setenv("OURA_PEOPLE_PER_SHARD", "2")
    monkeypatch.setenv("OURA_PEOPLE_PER_DAY", str(people - 1))
    week = [
        asked(code_location, "daily_in_shards", datetime(2026, 6, day, 10, 0, tzinfo=UTC))
        for day in range(10, 18)
    ]
    sevenths = [one.run_config["ops"]["shards"]["config"]["seventh"] for one in week]
    assert sorted(sevenths[:7]) == [*range(7)]
    assert sevenths[7] == sevenths[0]
    assert [one.tags["oura_pipeline/days"] for one in (week[0], week[7])] == [
        "2026-05-29 to 2026-06-11",
        "2026-06-05 to 2026-06-18",
    ]


def test_every_tick_has_a_run_of_its_own(code_location: dg.Definitions) -> None:
    """Dagster never repeats a run key."""
    keys = {
        asked(code_location, name, datetime(2026, 6, day, 10, 0, tzinfo=UTC)).run_key
        for name in ("daily", "hourly")
        for day in (10, 11)
    }
    assert len(keys) == 4


def test_what_looks_further_back_or_more_often_runs_only_when_switched_on(
    code_location: dg.Definitions,
) -> None:
    told = {
        schedule.name: (schedule.cron_schedule, schedule.default_status.value)
        for schedule in code_location.get_repository_def().schedule_defs
    }
    assert told == {
        "daily": ("0 10 * * *", "RUNNING"),
        "daily_in_shards": ("0 10 * * *", "RUNNING"),
        "daily_export": ("30 10 * * *", "STOPPED"),
        "daily_renewal": ("30 3 * * *", "RUNNING"),
        "daily_tidy": ("30 4 * * *", "RUNNING"),
        "hourly": ("0 * * * *", "STOPPED"),
        "monthly_reconcile": ("0 4 1 * *", "STOPPED"),
    }
