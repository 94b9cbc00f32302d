"""The sandbox's own table of Oura's collections: names, ranges, scopes, nullable fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# How a range is read. `day`: both ends included, on the document's day. `instant`: half-open on a
# point in time, where a bare date is midnight UTC. `samples`: the same with start_datetime and
# end_datetime. `whole`: no range. `bare`: no list at all.
Family = Literal["day", "instant", "samples", "whole", "bare"]


@dataclass(frozen=True)
class Collection:
    """One route below `/v2/usercollection/`."""

    name: str
    scope: str | None
    family: Family
    # Paths of the fields that Oura's schema lets be null.
    nullable: tuple[str, ...] = ()
    # The field that places a document in time. It is not its day: a night begins the day before.
    instant: str | None = None
    day: str | None = "day"
    # Whether `fields` has an effect.
    selectable: bool = True
    # Without which of its fields nobody could say which it is or when it was, besides its day.
    needed: tuple[str, ...] = ()
    # Paths of the numbers that are 0 (or, of a heart rate, 255) where nothing was measured.
    zeros: tuple[str, ...] = ()
    hearts: tuple[str, ...] = ()

    @property
    def single(self) -> bool:
        """Whether `GET …/{document_id}` exists: samples have no id to ask for."""
        return self.family not in ("samples", "bare")

    @property
    def one_a_day(self) -> bool:
        """Whether a person has one document of a day, whose id comes and goes."""
        return self.day == "day" and not self.needed

    @property
    def webhook(self) -> str | None:
        """The `data_type` of its webhook events, where Oura sends any."""
        # The route `vO2_max` has a capital and its events, `vo2_max`, have none.
        return self.name.lower() if self.single else None


def names(text: str, *, below: str = "") -> tuple[str, ...]:
    """Return the words of a text, `below` put before each."""
    return tuple(below + word for word in text.split())


READINESS_CONTRIBUTORS = names(
    "activity_balance body_temperature hrv_balance previous_day_activity previous_night"
    " recovery_index resting_heart_rate sleep_balance sleep_regularity"
)
SLEEP_CONTRIBUTORS = names("deep_sleep efficiency latency rem_sleep restfulness timing total_sleep")
ACTIVITY_CONTRIBUTORS = names(
    "meet_daily_targets move_every_hour recovery_time stay_active training_frequency"
    " training_volume"
)
_TEMPERATURES = "temperature_deviation temperature_trend_deviation"


# Written down a second time on purpose: a stand-in that shared its table with the client would
# agree with the client's mistakes.
#
# Which family a collection belongs to was seen in recorded answers: the same two dates gave two
# documents of a `day` collection and one of an `instant` one. The scopes are those that Oura's 401
# answers name; its description gives none per route. No recording shows the range ends of vO2_max,
# tag, session and rest_mode_period: those follow what authors of clients report.
COLLECTIONS: tuple[Collection, ...] = (
    # Filtered on 04:00 local time, so asking for one day alone (start = end) finds nothing.
    Collection(
        "daily_activity",
        "daily",
        "instant",
        (
            *names("class_5_min score"),
            *names(" ".join(ACTIVITY_CONTRIBUTORS), below="contributors."),
        ),
        instant="timestamp",
    ),
    # Not `daily`, although its name begins so: a token with `daily` alone gets 401.
    Collection(
        "daily_cardiovascular_age",
        "heart_health",
        "day",
        names("pulse_wave_velocity vascular_age"),
        zeros=("vascular_age",),
    ),
    Collection(
        "daily_readiness",
        "daily",
        "day",
        (
            *names(f"score {_TEMPERATURES}"),
            *names(" ".join(READINESS_CONTRIBUTORS), below="contributors."),
        ),
    ),
    # `stress` is in no published list of scopes, but the 401 names it.
    Collection("daily_resilience", "stress", "day", selectable=False),
    Collection(
        "daily_sleep",
        "daily",
        "day",
        ("score", *names(" ".join(SLEEP_CONTRIBUTORS), below="contributors.")),
    ),
    Collection(
        "daily_spo2",
        "spo2",
        "day",
        names("breathing_disturbance_index spo2_percentage"),
        zeros=("spo2_percentage.average",),
    ),
    # Sources disagree between `daily` and `stress`; a token with `daily` alone was given data.
    Collection("daily_stress", "daily", "day", names("day_summary recovery_high stress_high")),
    # The one document with a start_day and no day.
    Collection(
        "enhanced_tag",
        "tag",
        "day",
        names("tag_type_code end_time end_day comment custom_name"),
        day="start_day",
        selectable=False,
        needed=("id",),
    ),
    Collection(
        "heartrate",
        "heartrate",
        "samples",
        instant="timestamp",
        day=None,
        needed=("timestamp", "source"),
        hearts=("bpm",),
    ),
    # No scope: the id is shown to every token, the other fields need theirs (see routes).
    Collection("personal_info", None, "bare", day=None),
    Collection(
        "rest_mode_period",
        "daily",
        "instant",
        names("end_day end_time start_time"),
        day="start_day",
        instant="start_time",
        needed=("id",),
    ),
    Collection(
        "ring_battery_level",
        "ring_configuration",
        "samples",
        instant="timestamp",
        day=None,
        nullable=names("charging in_charger"),
        needed=("timestamp",),
    ),
    # Every ring there ever was: Oura's description gives this route no dates.
    Collection(
        "ring_configuration",
        "ring_configuration",
        "whole",
        instant="set_up_at",
        day=None,
        nullable=names("color design firmware_version hardware_type set_up_at size"),
        needed=("id",),
    ),
    Collection(
        "session",
        "session",
        "instant",
        names("heart_rate heart_rate_variability mood motion_count"),
        instant="start_datetime",
        needed=("id", "start_datetime"),
    ),
    # Filtered on going to bed, not on the day: a night that began on the 8th is missing from a
    # range that starts on the 9th, although it is the 9th's night.
    Collection(
        "sleep",
        "daily",
        "instant",
        (
            *names(
                "average_breath average_heart_rate average_hrv awake_time deep_sleep_duration"
                " efficiency heart_rate hrv latency light_sleep_duration lowest_heart_rate"
                " movement_30_sec readiness_score_delta rem_sleep_duration restless_periods"
                " sleep_algorithm_version sleep_analysis_reason sleep_phase_30_sec"
                " sleep_phase_5_min sleep_score_delta total_sleep_duration type ring_id"
                " app_sleep_phase_5_min"
            ),
            *names(f"score {_TEMPERATURES}", below="readiness."),
            *names(" ".join(READINESS_CONTRIBUTORS), below="readiness.contributors."),
        ),
        instant="bedtime_start",
        needed=("id", "bedtime_start"),
        zeros=("average_hrv", "average_breath"),
        hearts=("average_heart_rate", "lowest_heart_rate"),
    ),
    Collection("sleep_time", "daily", "day", names("optimal_bedtime recommendation status")),
    Collection(
        "tag",
        "tag",
        "instant",
        instant="timestamp",
        nullable=("text",),
        selectable=False,
        needed=("id",),
    ),
    Collection("vO2_max", "heart_health", "day", zeros=("vo2_max",)),
    Collection(
        "workout",
        "workout",
        "instant",
        instant="start_datetime",
        nullable=names("calories distance label"),
        needed=("id", "start_datetime"),
    ),
)
BY_NAME: dict[str, Collection] = {collection.name: collection for collection in COLLECTIONS}

# The scopes that Oura grants. Others exist (`metabolic`, `research`) but no application gets them.
SCOPES: tuple[str, ...] = names(
    "email personal daily heartrate workout tag session spo2 heart_health stress ring_configuration"
)
# The names of `data_type` that a webhook subscription takes, in the order of Oura's description
# (a refusal lists them). `meal` has no route.
WEBHOOK_TYPES: tuple[str, ...] = names(
    "tag enhanced_tag workout session sleep daily_sleep daily_readiness daily_activity daily_spo2"
    " sleep_time rest_mode_period ring_configuration daily_stress daily_cardiovascular_age"
    " daily_resilience vo2_max meal"
)
