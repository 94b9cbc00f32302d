"""The sandbox's own table of Oura's collections: their names, ranges, scopes and nullable fields.

It is written down a second time here on purpose. A stand-in that shared its table with the client
would agree with the client's mistakes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Family = Literal["day", "instant", "samples", "whole", "bare"]


@dataclass(frozen=True, kw_only=True)
class Collection:
    """One route below `/v2/usercollection/`.

    `family` says how a range is read: `day` is inclusive on the document's day, `instant` is
    half-open on a point in time (a bare date is midnight UTC), `samples` is the same with
    `start_datetime`/`end_datetime`, `whole` has no range, `bare` is no list at all.
    """

    name: str
    scope: str | None
    family: Family
    instant: str | None = None
    day: str | None = "day"
    webhook: str | None = None
    single: bool = True
    selectable: bool = True
    nullable: tuple[str, ...] = ()


def _within(parent: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{parent}.{name}" for name in names)


_READINESS = (
    "activity_balance",
    "body_temperature",
    "hrv_balance",
    "previous_day_activity",
    "previous_night",
    "recovery_index",
    "resting_heart_rate",
    "sleep_balance",
    "sleep_regularity",
)
_TEMPERATURES = ("temperature_deviation", "temperature_trend_deviation")

COLLECTIONS: tuple[Collection, ...] = (
    Collection(
        name="daily_activity",
        scope="daily",
        family="instant",
        instant="timestamp",
        webhook="daily_activity",
        nullable=(
            "class_5_min",
            "score",
            *_within(
                "contributors",
                "meet_daily_targets",
                "move_every_hour",
                "recovery_time",
                "stay_active",
                "training_frequency",
                "training_volume",
            ),
        ),
    ),
    Collection(
        name="daily_cardiovascular_age",
        scope="heart_health",
        family="day",
        webhook="daily_cardiovascular_age",
        nullable=("pulse_wave_velocity", "vascular_age"),
    ),
    Collection(
        name="daily_readiness",
        scope="daily",
        family="day",
        webhook="daily_readiness",
        nullable=("score", *_TEMPERATURES, *_within("contributors", *_READINESS)),
    ),
    Collection(
        name="daily_resilience",
        scope="stress",
        family="day",
        webhook="daily_resilience",
        selectable=False,
    ),
    Collection(
        name="daily_sleep",
        scope="daily",
        family="day",
        webhook="daily_sleep",
        nullable=(
            "score",
            *_within(
                "contributors",
                "deep_sleep",
                "efficiency",
                "latency",
                "rem_sleep",
                "restfulness",
                "timing",
                "total_sleep",
            ),
        ),
    ),
    Collection(
        name="daily_spo2",
        scope="spo2",
        family="day",
        webhook="daily_spo2",
        nullable=("breathing_disturbance_index", "spo2_percentage"),
    ),
    Collection(
        name="daily_stress",
        scope="daily",
        family="day",
        webhook="daily_stress",
        nullable=("day_summary", "recovery_high", "stress_high"),
    ),
    Collection(
        name="enhanced_tag",
        scope="tag",
        family="day",
        day="start_day",
        webhook="enhanced_tag",
        selectable=False,
        nullable=("tag_type_code", "end_time", "end_day", "comment", "custom_name"),
    ),
    Collection(
        name="heartrate",
        scope="heartrate",
        family="samples",
        instant="timestamp",
        day=None,
        single=False,
    ),
    Collection(name="personal_info", scope=None, family="bare", day=None, single=False),
    Collection(
        name="rest_mode_period",
        scope="daily",
        family="instant",
        instant="start_time",
        day="start_day",
        webhook="rest_mode_period",
        nullable=("end_day", "end_time", "start_time"),
    ),
    Collection(
        name="ring_battery_level",
        scope="ring_configuration",
        family="samples",
        instant="timestamp",
        day=None,
        single=False,
        nullable=("charging", "in_charger"),
    ),
    Collection(
        name="ring_configuration",
        scope="ring_configuration",
        family="whole",
        instant="set_up_at",
        day=None,
        webhook="ring_configuration",
        nullable=("color", "design", "firmware_version", "hardware_type", "set_up_at", "size"),
    ),
    Collection(
        name="session",
        scope="session",
        family="instant",
        instant="start_datetime",
        webhook="session",
        nullable=("heart_rate", "heart_rate_variability", "mood", "motion_count"),
    ),
    Collection(
        name="sleep",
        scope="daily",
        family="instant",
        instant="bedtime_start",
        webhook="sleep",
        nullable=(
            "average_breath",
            "average_heart_rate",
            "average_hrv",
            "awake_time",
            "deep_sleep_duration",
            "efficiency",
            "heart_rate",
            "hrv",
            "latency",
            "light_sleep_duration",
            "lowest_heart_rate",
            "movement_30_sec",
            *_within("readiness", "score", *_TEMPERATURES),
            *_within("readiness.contributors", *_READINESS),
            "readiness_score_delta",
            "rem_sleep_duration",
            "restless_periods",
            "sleep_algorithm_version",
            "sleep_analysis_reason",
            "sleep_phase_30_sec",
            "sleep_phase_5_min",
            "sleep_score_delta",
            "total_sleep_duration",
            "type",
            "ring_id",
            "app_sleep_phase_5_min",
        ),
    ),
    Collection(
        name="sleep_time",
        scope="daily",
        family="day",
        webhook="sleep_time",
        nullable=("optimal_bedtime", "recommendation", "status"),
    ),
    Collection(
        name="tag",
        scope="tag",
        family="instant",
        instant="timestamp",
        webhook="tag",
        selectable=False,
        nullable=("text",),
    ),
    Collection(name="vO2_max", scope="heart_health", family="day", webhook="vo2_max"),
    Collection(
        name="workout",
        scope="workout",
        family="instant",
        instant="start_datetime",
        webhook="workout",
        nullable=("calories", "distance", "label"),
    ),
)
BY_NAME: dict[str, Collection] = {collection.name: collection for collection in COLLECTIONS}

SCOPES: tuple[str, ...] = (
    "email",
    "personal",
    "daily",
    "heartrate",
    "workout",
    "tag",
    "session",
    "spo2",
    "heart_health",
    "stress",
    "ring_configuration",
)
# The names of `data_type` that a webhook subscription takes. `meal` has no route.
WEBHOOK_TYPES: tuple[str, ...] = (
    "tag",
    "enhanced_tag",
    "workout",
    "session",
    "sleep",
    "daily_sleep",
    "daily_readiness",
    "daily_activity",
    "daily_spo2",
    "sleep_time",
    "rest_mode_period",
    "ring_configuration",
    "daily_stress",
    "daily_cardiovascular_age",
    "daily_resilience",
    "vo2_max",
    "meal",
)
