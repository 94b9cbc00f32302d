"""What studies found of sleep and hearts, found again by the views in the sandbox's people.

The ranges are those of the studies named in `sandbox/generate/studies.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations, pairwise
from statistics import mean, stdev

import pytest

from oura_pipeline.catalog.document_types import DAILY_ACTIVITY, DAILY_SLEEP, ENHANCED_TAG, SLEEP
from oura_pipeline.sandbox.generate.history import DOCUMENTS, SAMPLES
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.people import awkward_people, synthetic_people
from oura_pipeline.sandbox.times import midnight
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase, copied

LAST = date(2026, 10, 28)
TYPES = (DAILY_ACTIVITY, DAILY_SLEEP, ENHANCED_TAG, SLEEP)
# One of them ends no night and one has many days without values.
PEOPLE = [person for person in synthetic_people(13, seed=1) if person.username != "sione"]


def lives(days: int) -> list[Life]:
    first, now = LAST - timedelta(days=days - 1), midnight(LAST) + 12 * 3600
    return [Life(person, first, now, 1) for person in PEOPLE]


def since(life: Life, days: int) -> Life:
    """The same life, so many days of it; what is known of it is shared."""
    return replace(life, first=LAST - timedelta(days=days - 1))


@pytest.fixture(scope="module")
def people() -> list[Life]:
    """Twelve people's 120 days."""
    return lives(120)


@pytest.fixture(scope="module")
def told(
    people: list[Life], empty_database: ViewDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ViewDatabase]:
    """A database of them, without what no test here looks at."""
    unread = dict.fromkeys(("met", "movement_30_sec", "sleep_phase_30_sec"))
    with copied(empty_database, tmp_path_factory.mktemp("lives")) as database:
        for document_type in TYPES:
            days = 60 if document_type is DAILY_ACTIVITY else 120
            database.land_together(
                document_type,
                {
                    life.person.username: [
                        {**document, **unread} for document in DOCUMENTS[document_type.name](life)
                    ]
                    for life in (since(one, days) for one in people)
                },
            )
        yield database


def test_alcohol_raises_the_heart_rate_of_the_first_hours_and_lowers_its_variability(
    told: ViewDatabase,
) -> None:
    """Pietilä 2018: by 1.4 to 8.7 bpm and 2.0 to 12.9 ms, from few drinks to many."""
    rows = told.query("""
        WITH evenings AS (
            SELECT DISTINCT username, day + 1 AS day FROM oura.tags
            WHERE name = 'tag_generic_alcohol'
        ), hours AS (
            SELECT username, day, avg(bpm) AS bpm, avg(hrv_ms) AS hrv
            FROM oura.sleep_heart JOIN oura.nights USING (username, day, sleep_id)
            WHERE time < bedtime_start + INTERVAL 3 HOUR GROUP BY ALL
        )
        SELECT username, count(e.day) AS drank,
            avg(bpm) FILTER (e.day IS NOT NULL) - avg(bpm) FILTER (e.day IS NULL),
            avg(hrv) FILTER (e.day IS NOT NULL) - avg(hrv) FILTER (e.day IS NULL)
        FROM hours LEFT JOIN evenings e USING (username, day) GROUP BY username HAVING drank > 9
    """)
    assert len(rows) >= 6
    assert 1.4 < mean(bpm for _, _, bpm, _ in rows) < 8.7
    assert -12.9 < mean(hrv for _, _, _, hrv in rows) < -2.0
    assert all(bpm > 0.5 and hrv < 0 for _, _, bpm, hrv in rows)


def test_the_middle_of_sleep_is_later_at_weekends(told: ViewDatabase) -> None:
    """Wittmann 2006, Roenneberg 2012: by an hour or more for two people in three."""
    rows = told.query("""
        WITH middles AS (
            SELECT username, isodow(day) > 5 AS free,
                epoch(bedtime_start_local + (bedtime_end_local - bedtime_start_local) / 2
                    - day::TIMESTAMP) / 3600 AS hour
            FROM oura.nights WHERE type = 'long_sleep' AND is_finished
        )
        SELECT avg(hour) FILTER (free) - avg(hour) FILTER (NOT free)
        FROM middles GROUP BY username
    """)
    later = [hours for (hours,) in rows]
    assert 0.7 < mean(later) < 1.8
    assert 0.4 < mean(hours >= 1 for hours in later) < 0.9
    assert 0 < min(later) < max(later) < 2.6


def test_the_heart_is_slower_at_night_by_a_tenth_to_a_fifth() -> None:
    """Ben-Dov 2007: less than a tenth would be a blunted dip."""
    dips = []
    for life in lives(7):
        _, texts = SAMPLES["heartrate"](life)
        awake, asleep = (
            [int(text.split(":")[1].split(",")[0]) for text in texts if source in text]
            for source in ('"awake"', '"rest"')
        )
        dips.append(1 - mean(asleep) / mean(awake))
    assert 0.12 < mean(dips) < 0.18
    assert 0.09 < min(dips) < max(dips) < 0.22


def test_a_night_resembles_the_night_before(told: ViewDatabase) -> None:
    """Not white noise, and not the same either."""
    [(hrv, bpm, temperature)] = told.query("""
        WITH pairs AS (
            SELECT a.username, corr(a.hrv_average_ms, b.hrv_average_ms) AS hrv,
                corr(a.average_heart_rate_bpm, b.average_heart_rate_bpm) AS bpm,
                corr(a.temperature_deviation_c, b.temperature_deviation_c) AS temperature
            FROM oura.nights a JOIN oura.nights b
                ON a.username = b.username AND b.day = a.day + 1
            GROUP BY ALL
        )
        SELECT avg(hrv), avg(bpm), avg(temperature) FROM pairs
    """)
    assert 0.25 < hrv < 0.6
    assert 0.2 < bpm < 0.65
    assert 0.3 < temperature < 0.8


def test_deep_sleep_comes_first_and_rem_last(told: ViewDatabase) -> None:
    """Feinberg 1979; Ohayon 2004: 13 to 23 % of sleep is deep, and 18 to 25 % REM."""
    [(early_deep, late_deep, early_rem, late_rem, deep, rem)] = told.query("""
        WITH phases AS (
            SELECT phase, (epoch(time) - epoch(bedtime_start))
                / (epoch(bedtime_end) - epoch(bedtime_start)) AS part
            FROM oura.hypnogram JOIN oura.nights USING (username, day, sleep_id)
            WHERE nights.type = 'long_sleep'
        ), counts AS (
            SELECT phase, count(*) FILTER (part < 1 / 3) / count(*) AS early,
                count(*) FILTER (part > 2 / 3) / count(*) AS late, count(*) AS number
            FROM phases WHERE phase <> 'awake' GROUP BY phase
        )
        SELECT max(early) FILTER (phase = 'deep'), max(late) FILTER (phase = 'deep'),
            max(early) FILTER (phase = 'rem'), max(late) FILTER (phase = 'rem'),
            max(number) FILTER (phase = 'deep') / sum(number),
            max(number) FILTER (phase = 'rem') / sum(number)
        FROM counts
    """)
    assert early_deep > 0.55
    assert late_deep < 0.15
    assert early_rem < 0.25
    assert late_rem > 0.4
    assert 0.13 < deep < 0.23
    assert 0.18 < rem < 0.25


def test_an_illness_is_warm_fast_and_even(told: ViewDatabase) -> None:
    """Karjalainen 1986: 8.5 bpm per °C; Altini 2021: about a tenth less HRV."""
    [(days, warmer, bpm_per_degree, hrv)] = told.query("""
        WITH ill AS (
            SELECT DISTINCT username, day FROM oura.tags WHERE name = 'tag_generic_cold'
        ), means AS (
            SELECT username, count(i.day) AS days,
                avg(temperature_deviation_c) FILTER (i.day IS NOT NULL)
                    - avg(temperature_deviation_c) FILTER (i.day IS NULL) AS warmer,
                avg(average_heart_rate_bpm) FILTER (i.day IS NOT NULL)
                    - avg(average_heart_rate_bpm) FILTER (i.day IS NULL) AS faster,
                avg(hrv_average_ms) FILTER (i.day IS NOT NULL)
                    / avg(hrv_average_ms) FILTER (i.day IS NULL) - 1 AS hrv
            FROM oura.nights LEFT JOIN ill i USING (username, day)
            GROUP BY username HAVING days > 0
        )
        SELECT sum(days), avg(warmer), avg(faster) / avg(warmer), avg(hrv) FROM means
    """)
    assert days >= 10
    assert 0.4 < warmer < 1.3
    assert 5 < bpm_per_degree < 12
    assert -0.25 < hrv < -0.05


def test_temperature_follows_the_cycle_of_who_has_one(told: ViewDatabase) -> None:
    """Maijala 2019: 0.30 ± 0.12 °C warmer in the luteal phase."""
    nights = told.query("SELECT username, day, temperature_deviation_c FROM oura.nights")
    found = []
    for life in lives(1):
        if life.traits.cycle:
            length, begun = life.traits.cycle
            phases: tuple[list[float], list[float]] = [], []
            for username, day, temperature in nights:
                into = (date.fromisoformat(day).toordinal() + begun) % length
                if username == life.person.username and temperature < 0.5:
                    phases[into > length - 11].append(temperature)
            found.append(mean(phases[1]) - mean(phases[0]))
    assert len(found) >= 3
    assert 0.18 < mean(found) < 0.42
    assert min(found) > 0.1


def test_long_nights_score_well_and_not_for_their_length_alone(told: ViewDatabase) -> None:
    rows = told.query("""
        SELECT corr(total_sleep_minutes, score) FROM oura.nights
        JOIN oura.daily_sleep USING (username, day) GROUP BY username
    """)
    assert all(0.6 < together < 0.98 for (together,) in rows)
    assert 0.7 < mean(together for (together,) in rows) < 0.95


def test_steps_and_calories_go_together_but_not_exactly(told: ViewDatabase) -> None:
    rows = told.query("""
        SELECT corr(steps, active_calories), avg(steps) FROM oura.daily_activity
        WHERE score IS NOT NULL GROUP BY username
    """)
    assert all(0.6 < together < 0.97 for together, _ in rows)
    assert 7000 < mean(steps for _, steps in rows) < 14000


def test_no_two_people_look_alike(told: ViewDatabase) -> None:
    """Each differs from each other in something, and no two have good nights together."""
    rows = told.query("""
        SELECT username, avg(hrv_average_ms), avg(average_heart_rate_bpm),
            avg(total_sleep_minutes), avg(average_breath_per_minute), list(day ORDER BY day)
        FROM oura.nights GROUP BY username
    """)
    people = {row[0]: row[1:5] for row in rows}
    spreads = [stdev(column) for column in zip(*people.values(), strict=True)]
    assert spreads[0] > 8
    assert spreads[1] > 3
    for one, other in combinations(people.values(), 2):
        distances = [abs(a - b) / s for a, b, s in zip(one, other, spreads, strict=True)]
        assert max(distances) > 0.35
    together = told.query("""
        SELECT corr(a.hrv_average_ms, b.hrv_average_ms) FROM oura.nights a
        JOIN oura.nights b ON a.day = b.day AND a.username < b.username
        GROUP BY a.username, b.username
    """)
    assert abs(mean(r for (r,) in together)) < 0.1
    assert max(r for (r,) in together) < 0.5


def test_nights_are_late_after_a_flight_east() -> None:
    """Waterhouse 2007: an hour of it is made good a day."""
    [yuki] = [person for person in awkward_people(seed=1) if person.username == "yuki"]
    life = replace(lives(1)[0], person=yuki, first=LAST - timedelta(days=250))
    hours: dict[int, list[float]] = {0: [], 1: [], 5: []}
    for day in life.days[6:]:
        for ago in hours:
            came = day - timedelta(days=ago + 1)
            if yuki.arrives_on(came) and yuki.zone_on(came).key == "Asia/Tokyo":
                night = life.plan(day).bed_periods[0]
                hours[ago].append((night.start - life.plan(day).at(0)) / 3600)
    assert mean(hours[0]) - mean(hours[5]) > 0.5
    assert mean(hours[1]) - mean(hours[5]) > 0.4


def test_a_day_is_the_same_wherever_a_history_begins() -> None:
    for longer, shorter in zip(lives(8), lives(2), strict=True):
        for make in DOCUMENTS.values():
            held = list(make(longer))
            of_days = [d for d in make(shorter) if "set_up_at" not in d]
            assert [d for d in held if d in of_days] == of_days
        times, texts = SAMPLES["heartrate"](shorter)
        known = dict(zip(*SAMPLES["heartrate"](longer), strict=True))
        assert {t: known.get(t) for t in times} == dict(zip(times, texts, strict=True))


def test_variability_is_lower_after_training(people: list[Life]) -> None:
    """Altini 2021: by 4.6 %, in the mean over many people."""
    changes = []
    for life in (since(one, 240) for one in people):
        after: tuple[list[float], list[float]] = [], []
        for day in life.days[1:]:
            trained = life.draws(day - timedelta(days=1)).training > 0
            after[trained].append(life.condition(day).hrv)
        changes.append(mean(after[1]) / mean(after[0]) - 1)
    assert -0.09 < mean(changes) < -0.015


def test_arteries_and_fitness_change_over_weeks(people: list[Life]) -> None:
    """By one at most from document to document, seldom, and yet in the four months."""
    for name, field, seldom in (
        ("daily_cardiovascular_age", "vascular_age", 1 / 6),
        ("vO2_max", "vo2_max", 1 / 2),
    ):
        values = [[one[field] for one in DOCUMENTS[name](life) if one[field]] for life in people]
        steps = [[abs(b - a) for a, b in pairwise(theirs)] for theirs in values]
        assert max(map(max, steps)) == 1
        assert max(map(mean, steps)) < seldom
