"""Where a person was: the nearest observation."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from oura_pipeline.oura.offsets import OffsetTimeline

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WEST, EAST = -7 * HOUR, 2 * HOUR


def test_nothing_known_is_utc() -> None:
    """The one zone that Oura's rows name."""
    timeline = OffsetTimeline()
    assert (timeline.nearest(NOON), timeline.local_day(NOON)) == (timedelta(), date(2026, 3, 10))


@pytest.mark.parametrize(
    ("hours", "offset"),
    [
        (-100, WEST),
        (-1, WEST),
        (0, WEST),
        (4, WEST),
        (5, WEST),
        (5.001, EAST),
        (10, EAST),
        (99, EAST),
    ],
)
def test_the_nearest_observation_counts_and_of_two_the_earlier(
    hours: float, offset: timedelta
) -> None:
    """Before the first one, between, and after the last one."""
    timeline = OffsetTimeline([(NOON + 10 * HOUR, EAST), (NOON, WEST)])
    assert timeline.nearest(NOON + hours * HOUR) == offset


def test_the_local_day_is_the_date_where_the_person_was() -> None:
    """However the instant is written."""
    timeline = OffsetTimeline([(NOON, WEST), (NOON + 24 * HOUR, EAST)])
    early = datetime(2026, 3, 10, 6, 59, 59, tzinfo=UTC)
    late = datetime(2026, 3, 11, 22, 0, tzinfo=UTC)
    assert timeline.local_day(early) == date(2026, 3, 9)
    assert timeline.local_day(early + timedelta(seconds=1)) == date(2026, 3, 10)
    assert timeline.local_day(late) == date(2026, 3, 12)
    assert timeline.local_day(late.astimezone(timezone(WEST))) == date(2026, 3, 12)


def test_observations_are_learned_in_any_order_and_kept_in_the_order_of_time() -> None:
    """Of two at one instant the first one stays."""
    timeline = OffsetTimeline([(NOON, WEST)])
    timeline.observe([(NOON - HOUR, EAST), (NOON.astimezone(timezone(EAST)), EAST)])
    assert timeline.observations == [(NOON - HOUR, EAST), (NOON, WEST)]
    assert timeline.nearest(NOON - HOUR) == EAST


def test_an_instant_without_a_zone_is_a_mistake() -> None:
    """It would be read in the zone of this machine."""
    with pytest.raises(ValueError, match="needs a time zone"):
        OffsetTimeline([(datetime(2026, 3, 10), WEST)])
