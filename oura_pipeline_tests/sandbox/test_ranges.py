"""How ranges are read: two families, UTC midnights, defaults, and what is refused."""

from __future__ import annotations

from datetime import datetime

import pytest

from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline_tests.sandbox.conftest import Ask, data, days

DAY_VALUED = (
    "daily_readiness",
    "daily_sleep",
    "daily_stress",
    "daily_spo2",
    "daily_resilience",
    "daily_cardiovascular_age",
    "sleep_time",
)


@pytest.mark.parametrize("collection", DAY_VALUED)
def test_day_valued_collections_include_both_ends(read: Ask, collection: str) -> None:
    answer = read("runa", collection, start_date="2026-10-11", end_date="2026-10-12")
    assert days(answer) == ["2026-10-11", "2026-10-12"]


@pytest.mark.parametrize("collection", DAY_VALUED)
def test_one_day_is_found_by_naming_it_twice(read: Ask, collection: str) -> None:
    answer = read("koa", collection, start_date="2026-10-11", end_date="2026-10-11")
    assert days(answer) == ["2026-10-11"]


def test_activity_is_half_open_on_its_timestamp(read: Ask) -> None:
    """Two dates that give two readiness documents give one activity document."""
    asked = {"start_date": "2026-10-11", "end_date": "2026-10-12"}
    assert days(read("runa", "daily_activity", **asked)) == ["2026-10-11"]


@pytest.mark.parametrize("collection", ["daily_activity", "sleep", "workout", "session", "tag"])
def test_naming_a_day_twice_finds_nothing_that_stands_at_an_instant(
    read: Ask, collection: str
) -> None:
    answer = read("runa", collection, start_date="2026-10-11", end_date="2026-10-11")
    assert answer.json() == {"data": [], "next_token": None}


def test_an_end_with_a_time_reaches_todays_activity(read: Ask) -> None:
    asked = {"start_date": "2026-10-28", "end_date": "2026-10-28T23:59:59"}
    assert days(read("runa", "daily_activity", **asked)) == ["2026-10-28"]


def test_a_bare_date_is_midnight_utc_not_midnight_where_the_person_is(
    sandbox: Sandbox, ask: Ask
) -> None:
    """At UTC-10 the workouts of two UTC days begin on the local days before and during them."""
    for hour in ("2026-10-15T13:59:00", "2026-10-15T14:00:00", "2026-10-17T13:59:00"):
        fields = {"start_datetime": f"{hour}-10:00", "activity": hour}
        sandbox.add("koa", "workout", day=hour[:10], fields=fields)
    found = data(ask("koa", "workout", start_date="2026-10-16", end_date="2026-10-18"))
    ours = [w["activity"] for w in found if w["activity"].startswith("2026")]
    assert ours == ["2026-10-15T14:00:00", "2026-10-17T13:59:00"]


def test_a_night_is_found_by_when_it_began_not_by_its_day(sandbox: Sandbox, ask: Ask) -> None:
    """A night that began at 21:41 at UTC-5 began on the next day in UTC."""
    fields = {"day": "2026-10-16", "bedtime_start": "2026-10-15T21:41:00-05:00"}
    made = sandbox.add("milo", "sleep", fields=fields)
    found = data(ask("milo", "sleep", start_date="2026-10-16", end_date="2026-10-17"))
    assert made["id"] in [document["id"] for document in found]


def test_a_night_that_began_the_evening_before_is_missed(sandbox: Sandbox, ask: Ask) -> None:
    fields = {"day": "2026-10-09", "bedtime_start": "2026-10-08T21:30:00+02:00"}
    made = sandbox.add("runa", "sleep", fields=fields)
    found = data(ask("runa", "sleep", start_date="2026-10-09", end_date="2026-11-03"))
    assert made["id"] not in [document["id"] for document in found]


def test_east_of_four_hours_activity_lies_on_the_utc_date_before(read: Ask) -> None:
    asked = {"start_date": "2026-10-11", "end_date": "2026-10-12"}
    assert days(read("sione", "daily_activity", **asked)) == ["2026-10-12"]


def test_enhanced_tags_include_the_last_day(read: Ask) -> None:
    asked = {"start_date": "2026-10-10", "end_date": "2026-10-12"}
    found = {document["start_day"] for document in data(read("runa", "enhanced_tag", **asked))}
    assert max(found) == "2026-10-12"


def test_vo2_max_includes_both_ends(read: Ask) -> None:
    known = days(read("runa", "vO2_max", start_date="2026-10-01", end_date="2026-10-28"))[0]
    assert days(read("runa", "vO2_max", start_date=known, end_date=known)) == [known]


def test_date_times_are_taken_with_offsets(read: Ask) -> None:
    """04:00 in Berlin is 02:00 UTC in summer."""
    asked = {"end_date": "2026-10-12T04:00:00+02:00"}
    assert days(read("runa", "daily_activity", start_date="2026-10-11T02:00:00Z", **asked)) == [
        "2026-10-11"
    ]
    assert days(read("runa", "daily_activity", start_date="2026-10-11T02:00:01Z", **asked)) == []


def test_day_valued_collections_take_the_utc_date_of_a_date_time(read: Ask) -> None:
    asked = {"start_date": "2026-10-11T22:00:00Z", "end_date": "2026-10-12T01:00:00Z"}
    assert days(read("runa", "daily_sleep", **asked)) == ["2026-10-11", "2026-10-12"]


def test_digits_are_unix_time_and_old_years_are_dates(read: Ask) -> None:
    for asked in ({"start_date": "1", "end_date": "2"}, {"start_date": "0024-01-01"}):
        asked.setdefault("end_date", "0024-02-01")
        assert read("runa", "sleep", **asked).json() == {"data": [], "next_token": None}


def test_without_dates_it_is_yesterday_and_today(read: Ask) -> None:
    assert days(read("runa", "daily_readiness")) == ["2026-10-27", "2026-10-28"]


def test_without_a_start_it_is_one_day_before_the_end(read: Ask) -> None:
    assert days(read("runa", "daily_readiness", end_date="2026-10-12")) == [
        "2026-10-11",
        "2026-10-12",
    ]


def test_rings_have_no_range(read: Ask) -> None:
    assert len(data(read("sione", "ring_configuration", start_date="2026-10-11"))) == 3


def test_heart_rate_ignores_dates_and_gives_the_last_day(read: Ask) -> None:
    """`start_date` is no parameter of heartrate, so whatever was asked the answer is 24 hours."""
    plain = data(read("koa", "heartrate"))
    assert data(read("koa", "heartrate", start_date="2026-10-01", end_date="2026-10-05")) == plain
    assert min(row["timestamp"] for row in plain) >= "2026-10-27T22:00:00+00:00"
    assert plain


def test_heart_rate_is_half_open(read: Ask) -> None:
    asked = {"start_datetime": "2026-10-20T00:00:00Z", "end_datetime": "2026-10-20T12:00:00Z"}
    first, *_, last = data(read("koa", "heartrate", **asked))
    ends = {"start_datetime": first["timestamp"], "end_datetime": last["timestamp"]}
    within = data(read("koa", "heartrate", **ends))
    assert (within[0], last in within) == (first, False)


@pytest.mark.parametrize("collection", ["heartrate", "ring_battery_level"])
def test_thirty_days_of_samples_are_the_most(read: Ask, collection: str) -> None:
    start = {"start_datetime": "2026-09-28T00:00:00Z"}
    assert read("koa", collection, **start, end_datetime="2026-10-28T00:00:00Z").status_code == 200
    over = read("koa", collection, **start, end_datetime="2026-10-28T00:00:01Z")
    assert over.status_code == 400
    assert set(over.json()) == {"detail"}


def test_documents_have_no_longest_range(read: Ask) -> None:
    answer = read("runa", "daily_sleep", start_date="2018-01-01", end_date="2026-10-28")
    assert len(data(answer)) == 30


def test_a_start_after_the_end_is_refused(read: Ask) -> None:
    answer = read("runa", "sleep", start_date="2020-01-25", end_date="2020-01-22")
    detail = "Start date is greater than end date: [start_date: 2020-01-25; end_date: 2020-01-22]"
    assert (answer.status_code, answer.json()) == (400, {"detail": detail})


def test_a_start_time_after_the_end_time_is_refused(read: Ask) -> None:
    start, end = "2021-10-01T01:02:03Z", "2021-01-01T01:02:03Z"
    answer = read("runa", "heartrate", start_datetime=start, end_datetime=end)
    assert answer.status_code == 400
    assert answer.json()["detail"] == (
        "Start time is greater than end time: "
        "[start_time: 2021-10-01 01:02:03+00:00; end_time: 2021-01-01 01:02:03+00:00]"
    )


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-10-11T00:00:00 02:00", ""])
def test_what_is_no_date_is_unprocessable(read: Ask, text: str) -> None:
    """A `+` that was not written as %2B arrives as a space."""
    answer = read("runa", "sleep", start_date=text)
    [found] = answer.json()["detail"]
    assert answer.status_code == 422
    assert (found["loc"], found["input"]) == (["query", "start_date"], text)


@pytest.mark.parametrize("collection", ["sleep", "workout", "daily_activity", "heartrate"])
def test_documents_come_in_ascending_order(read: Ask, collection: str) -> None:
    asked = {"start_date": "2026-09-01", "end_date": "2026-11-01"}
    field = {"sleep": "bedtime_start", "workout": "start_datetime"}.get(collection, "timestamp")
    found = data(read("milo", collection, **asked))
    instants = [datetime.fromisoformat(document[field]) for document in found]
    assert instants == sorted(instants)
    assert len(instants) > 20
