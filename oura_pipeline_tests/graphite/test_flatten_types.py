"""Every document type: whole documents in, every point out."""

from __future__ import annotations

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_READINESS,
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SPO2,
    DAILY_STRESS,
    DOCUMENT_TYPES,
    ENHANCED_TAG,
    HEARTRATE,
    PERSONAL_INFO,
    REST_MODE_PERIOD,
    RING_BATTERY_LEVEL,
    RING_CONFIGURATION,
    SESSION,
    SLEEP,
    SLEEP_TIME,
    TAG,
    VO2_MAX,
    WORKOUT,
)
from oura_pipeline_tests.graphite.flattening import sent, series


def test_daily_activity() -> None:
    """Its numbers stand at 00:00 UTC of the day, its minutes at their own time."""
    document = {
        "id": "a",
        "day": "2026-05-01",
        "timestamp": "2026-05-01T04:00:00+02:00",
        "score": 91,
        "steps": 9000,
        "meters_to_target": -3500,
        "average_met_minutes": 1.904,
        "non_wear_time": 0,
        "total_calories": None,
        "contributors": {"stay_active": 64, "recovery_time": None},
        "met": series("2026-05-01T04:00:00.000+02:00", 60.0, [0.9, None, 1.5]),
        "class_5_min": "015",
    }
    assert sent(DAILY_ACTIVITY, ("2026-05-01", document)) == {
        "2026-05-01": {
            "activity.average_met_minutes": [("05-01 00:00", 1.904)],
            "activity.class_5_min": [
                ("05-01 02:00", 0),
                ("05-01 02:05", 1),
                ("05-01 02:10", 5),
            ],
            "activity.contrib.stay_active": [("05-01 00:00", 64)],
            "activity.met": [("05-01 02:00", 0.9), ("05-01 02:02", 1.5)],
            "activity.meters_to_target": [("05-01 00:00", -3500)],
            "activity.non_wear_time": [("05-01 00:00", 0)],
            "activity.score": [("05-01 00:00", 91)],
            "activity.steps": [("05-01 00:00", 9000)],
        }
    }


def test_daily_cardiovascular_age_without_an_id() -> None:
    """Documents of 2024 had none."""
    document = {"day": "2026-05-01", "vascular_age": 41, "pulse_wave_velocity": 6.9}
    assert sent(DAILY_CARDIOVASCULAR_AGE, ("2026-05-01", document)) == {
        "2026-05-01": {
            "cardiovascular_age.pulse_wave_velocity": [("05-01 00:00", 6.9)],
            "cardiovascular_age.vascular_age": [("05-01 00:00", 41)],
        }
    }


def test_daily_readiness_keeps_to_its_day() -> None:
    """Whatever its timestamp says: a traveller's lies on the day before."""
    document = {
        "id": "a",
        "day": "2026-05-04",
        "timestamp": "2026-05-03T20:00:00-04:00",
        "score": 84,
        "temperature_deviation": -0.28,
        "contributors": {"hrv_balance": None, "sleep_regularity": 70},
    }
    assert sent(DAILY_READINESS, ("2026-05-04", document)) == {
        "2026-05-04": {
            "readiness.contrib.sleep_regularity": [("05-04 00:00", 70)],
            "readiness.score": [("05-04 00:00", 84)],
            "readiness.temperature_deviation": [("05-04 00:00", -0.28)],
        }
    }


def test_daily_resilience() -> None:
    """The level is coded; its contributors have decimals."""
    levels = ["limited", "adequate", "solid", "strong", "exceptional"]
    documents = [
        (
            f"2026-05-0{n}",
            {"id": "a", "day": f"2026-05-0{n}", "level": level, "contributors": {"stress": 33.5}},
        )
        for n, level in enumerate(levels, 1)
    ]
    assert sent(DAILY_RESILIENCE, *documents) == {
        f"2026-05-0{n}": {
            "resilience.contrib.stress": [(f"05-0{n} 00:00", 33.5)],
            "resilience.level": [(f"05-0{n} 00:00", n)],
        }
        for n in range(1, 6)
    }


def test_daily_sleep() -> None:
    """Contributors are scores and go under `contrib`."""
    document = {
        "id": "a",
        "day": "2026-05-01",
        "timestamp": "2026-05-01T00:00:00+00:00",
        "score": 73,
        "contributors": {"deep_sleep": 64, "total_sleep": 83},
    }
    assert sent(DAILY_SLEEP, ("2026-05-01", document)) == {
        "2026-05-01": {
            "sleep.contrib.deep_sleep": [("05-01 00:00", 64)],
            "sleep.contrib.total_sleep": [("05-01 00:00", 83)],
            "sleep.score": [("05-01 00:00", 73)],
        }
    }


def test_daily_spo2_and_its_three_kinds_of_nothing() -> None:
    """Zero, null and no object at all: none of them is a value."""
    documents = [
        ("2026-05-01", {"spo2_percentage": {"average": 97.5}, "breathing_disturbance_index": 0}),
        ("2026-05-02", {"spo2_percentage": {"average": 0.0}, "breathing_disturbance_index": None}),
        ("2026-05-03", {"spo2_percentage": {"average": None}}),
        ("2026-05-04", {"spo2_percentage": None}),
    ]
    assert sent(DAILY_SPO2, *documents) == {
        "2026-05-01": {
            "spo2.breathing_disturbance_index": [("05-01 00:00", 0)],
            "spo2.daily_average": [("05-01 00:00", 97.5)],
        },
        "2026-05-02": {},
        "2026-05-03": {},
        "2026-05-04": {},
    }


def test_daily_stress() -> None:
    """The summary is coded; a running day has none."""
    summaries = ["restored", "normal", "stressful", None]
    documents = [
        (f"2026-05-0{n}", {"stress_high": 1800, "recovery_high": 0, "day_summary": summary})
        for n, summary in enumerate(summaries, 1)
    ]
    numbers = {
        n: {
            "stress.recovery_high": [(f"05-0{n} 00:00", 0)],
            "stress.stress_high": [(f"05-0{n} 00:00", 1800)],
        }
        for n in range(1, 5)
    }
    assert sent(DAILY_STRESS, *documents) == {
        **{
            f"2026-05-0{n}": numbers[n] | {"stress.day_summary": [(f"05-0{n} 00:00", n)]}
            for n in (1, 2, 3)
        },
        "2026-05-04": numbers[4],
    }


def test_enhanced_tag_counts_the_tags_of_a_day() -> None:
    """Two tags of one day are 2, wherever in the day they are."""
    documents = [
        ("2026-05-01", {"id": "a", "start_time": "2026-05-01T20:15:01+02:00", "comment": ""}),
        ("2026-05-01", {"id": "b", "start_time": "2026-05-01T00:44:30+02:00"}),
        ("2026-05-02", {"id": "c", "start_time": "2026-05-02T08:00:00+02:00"}),
    ]
    assert sent(ENHANCED_TAG, *documents) == {
        "2026-05-01": {"enhanced_tag.count": [("05-01 00:00", 2)]},
        "2026-05-02": {"enhanced_tag.count": [("05-02 00:00", 1)]},
    }


def test_heartrate_by_the_minute_and_by_source() -> None:
    """Rows of a minute become their mean, over all sources and for each."""
    rows = [
        {"timestamp": "2026-05-01T12:31:21+00:00", "bpm": 93, "source": "awake"},
        {"timestamp": "2026-05-01T12:31:28+00:00", "bpm": 88, "source": "awake"},
        {"timestamp": "2026-05-01T12:31:59.999+00:00", "bpm": 110, "source": "workout"},
        {
            "timestamp": "2026-05-01T12:32:00+00:00",
            "timestamp_unix": 1777638720000,
            "bpm": 60,
            "source": None,
        },
    ]
    assert sent(HEARTRATE, *(("2026-05-01", row) for row in rows)) == {
        "2026-05-01": {
            "hr.awake.bpm": [("05-01 12:31", 90.5)],
            "hr.bpm": [("05-01 12:31", 97.0), ("05-01 12:32", 60)],
            "hr.workout.bpm": [("05-01 12:31", 110)],
        }
    }


def test_personal_info_stands_at_the_day_of_the_sync() -> None:
    """It has no day of its own."""
    document = {"id": "1", "age": 40, "weight": 88.8, "height": 1.8, "email": "a@example.com"}
    assert sent(PERSONAL_INFO, ("2026-05-01", document)) == {
        "2026-05-01": {
            "profile.age": [("05-01 00:00", 40)],
            "profile.height": [("05-01 00:00", 1.8)],
            "profile.weight": [("05-01 00:00", 88.8)],
        }
    }


def test_rest_mode_period() -> None:
    """It has a duration once it has both times."""
    documents = [
        (
            "2026-05-01",
            {
                "id": "a",
                "start_time": "2026-05-01T10:00:30+02:00",
                "end_time": "2026-05-03T10:00:30+02:00",
                "episodes": [{"tags": ["tag_generic_cold"], "timestamp": "2026-05-01T11:00Z"}],
            },
        ),
        ("2026-05-04", {"id": "b", "start_time": "2026-05-04T10:00:00+02:00", "end_time": None}),
        ("2026-05-05", {"id": "c", "start_time": None, "episodes": []}),
    ]
    assert sent(REST_MODE_PERIOD, *documents) == {
        "2026-05-01": {"rest_mode_period.duration": [("05-01 08:00", 172800)]},
        "2026-05-04": {},
        "2026-05-05": {},
    }


def test_an_event_whose_start_may_be_missing_stands_at_its_day() -> None:
    """A rest mode without a start is known by its day alone."""
    document = {"id": "a", "start_day": "2026-05-05", "start_time": None, "severity": 3}
    assert sent(REST_MODE_PERIOD, ("2026-05-05", document)) == {
        "2026-05-05": {"rest_mode_period.severity": [("05-05 00:00", 3)]}
    }


def test_ring_battery_level_every_five_minutes() -> None:
    """Two readings within five minutes become their mean; flags are not numbers."""
    rows = [
        {"timestamp": "2026-05-01T12:04:59+00:00", "level": 80, "charging": True},
        {"timestamp": "2026-05-01T12:05:00+00:00", "level": 79, "in_charger": False},
        {"timestamp": "2026-05-01T12:09:59+00:00", "level": 78},
    ]
    assert sent(RING_BATTERY_LEVEL, *(("2026-05-01", row) for row in rows)) == {
        "2026-05-01": {"battery.level": [("05-01 12:00", 80), ("05-01 12:05", 78.5)]}
    }


def test_ring_configuration_is_the_newest_ring() -> None:
    """1970 and null mean that nobody knows when; they are the oldest."""
    rings = [
        {"id": "a", "size": 9, "set_up_at": "1970-01-01T00:00:00+00:00"},
        {"id": "b", "size": 11, "set_up_at": "2026-02-03T10:00:00+00:00"},
        {"id": "c", "size": 10, "set_up_at": "2024-02-03T10:00:00+00:00"},
        {"id": "d", "size": 8, "set_up_at": None},
    ]
    assert sent(RING_CONFIGURATION, *(("2026-05-01", ring) for ring in rings)) == {
        "2026-05-01": {"ring.size": [("05-01 00:00", 11)]}
    }


def test_session() -> None:
    """Its series keep their five seconds; its duration stands at its minute."""
    start = "2026-05-01T10:00:07.000+02:00"
    document = {
        "id": "a",
        "day": "2026-05-01",
        "start_datetime": "2026-05-01T10:00:07+02:00",
        "end_datetime": "2026-05-01T10:05:07+02:00",
        "heart_rate": series(start, 5.0, [None, 61.5]),
        "heart_rate_variability": series(start, 5.0, [None, None]),
        "motion_count": series(start, 5.0, [0, 2]),
    }
    assert sent(SESSION, ("2026-05-01", document)) == {
        "2026-05-01": {
            "session.duration": [("05-01 08:00", 300)],
            "session.heart_rate": [("05-01 08:00:10", 61.5)],
            "session.motion_count": [("05-01 08:00:05", 0), ("05-01 08:00:10", 2)],
        }
    }


def test_sleep() -> None:
    """The night: scalars at its day, series and digits from bedtime on."""
    document = {
        "id": "a",
        "day": "2026-05-02",
        "type": "long_sleep",
        "bedtime_start": "2026-05-01T23:01:59+02:00",
        "bedtime_end": None,
        "time_in_bed": 29000,
        "average_breath": 14.5,
        "sleep_score_delta": None,
        "low_battery_alert": True,
        "ring_id": None,
        "app_sleep_phase_5_min": "4422",
        "readiness": {"score": 80, "contributors": {"recovery_index": 0}},
        "heart_rate": series("2026-05-01T23:01:59.000+02:00", 300.0, [None, 61.25]),
        "hrv": None,
        "sleep_phase_5_min": "42",
        "sleep_phase_30_sec": "41",
        "movement_30_sec": "12",
    }
    assert sent(SLEEP, ("2026-05-02", document)) == {
        "2026-05-02": {
            "sleep.average_breath": [("05-02 00:00", 14.5)],
            "sleep.heart_rate": [("05-01 21:05", 61.25)],
            "sleep.movement_30_sec": [("05-01 21:01:30", 1), ("05-01 21:02", 2)],
            "sleep.readiness.contrib.recovery_index": [("05-02 00:00", 0)],
            "sleep.readiness.score": [("05-02 00:00", 80)],
            "sleep.sleep_phase_30_sec": [("05-01 21:01:30", 4), ("05-01 21:02", 1)],
            "sleep.sleep_phase_5_min": [("05-01 21:00", 4), ("05-01 21:05", 2)],
            "sleep.time_in_bed": [("05-02 00:00", 29000)],
        }
    }


def test_sleep_time() -> None:
    """The offset of the zone is no number of its own."""
    document = {
        "id": "a",
        "day": "2026-05-01",
        "optimal_bedtime": {"day_tz": 7200, "start_offset": -3600, "end_offset": 0},
        "status": "optimal_found",
    }
    nothing = {"id": "b", "day": "2026-05-02", "optimal_bedtime": None}
    assert sent(SLEEP_TIME, ("2026-05-01", document), ("2026-05-02", nothing)) == {
        "2026-05-01": {
            "sleep_time.optimal_bedtime.end_offset": [("05-01 00:00", 0)],
            "sleep_time.optimal_bedtime.start_offset": [("05-01 00:00", -3600)],
        },
        "2026-05-02": {},
    }


def test_tag() -> None:
    """Counted like those of the newer kind."""
    document = {"id": "a", "timestamp": "2026-05-01T01:02:03-08:00", "tags": ["x"], "text": "y"}
    assert sent(TAG, ("2026-05-01", document)) == {
        "2026-05-01": {"tag.count": [("05-01 00:00", 1)]}
    }


def test_vo2_max() -> None:
    """In lower case."""
    document = {"id": "a", "timestamp": "2026-05-01T00:00:00+00:00", "vo2_max": 47}
    assert sent(VO2_MAX, ("2026-05-01", document)) == {
        "2026-05-01": {"vo2_max.vo2_max": [("05-01 00:00", 47)]}
    }


def test_workout() -> None:
    """Two in one minute: amounts add up."""
    documents = [
        {
            "id": name,
            "start_datetime": f"2026-05-01T09:07:{second}+02:00",
            "end_datetime": f"2026-05-01T09:18:{second}+02:00",
            "calories": 21.5,
            "distance": distance,
            "activity": "walking",
        }
        for name, second, distance in (("a", "10", None), ("b", "50", 1472.5))
    ]
    assert sent(WORKOUT, *(("2026-05-01", one) for one in documents)) == {
        "2026-05-01": {
            "workout.calories": [("05-01 07:07", 43.0)],
            "workout.distance": [("05-01 07:07", 1472.5)],
            "workout.duration": [("05-01 07:07", 1320)],
        }
    }


def test_every_document_type_is_tested_here() -> None:
    """A type that is added to the table needs a test above."""
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    missing = [
        document_type.table
        for document_type in DOCUMENT_TYPES
        if not any(name.startswith(document_type.table) for name in tested)
    ]
    assert missing == []
