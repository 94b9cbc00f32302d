"""The table of Oura's document types: a row per type; whatever differs between types is a column.

A type that is added here is fetched, landed, flattened and pushed; nothing else needs its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from oura_pipeline.catalog.fields import Field, Merge
from oura_pipeline.catalog.kinds import (
    DAY,
    DIGITS,
    FLAG,
    INSTANT,
    INTEGER,
    LOCAL,
    NUMBER,
    OBJECT,
    OBJECTS,
    SERIES,
    TEXT,
    TEXTS,
    Kind,
)

SUM, LAST = Merge.SUM, Merge.LAST
# Numbers that no living body has. An amount or a deviation of 0 is a measurement.
_ZERO = (0,)
_NO_PULSE = (0, 255)  # 255 is a byte without a value


class Ask(Enum):
    """How a collection is queried."""

    DAYS = "start_date, end_date"
    # These ignore start_date, and answer with the last 24 hours instead.
    INSTANTS = "start_datetime, end_datetime"
    ALL = "no range: everything there is"
    ONE = "a bare object, no list"
    # The API has no such collection; it comes in members' own exports.
    NEVER = "not at all"


@dataclass(frozen=True, kw_only=True)
class Variants:
    """The variants of a document type, distinguished by the text in a field.

    Documents of one person that overlap in time are one, and only one of them counts. The longest
    main document of a day is the day's own; further ones and others keep their time and go to a
    series of their own. Documents with any other text, or none, are landed and reported, but not
    sent. The rules are in `warehouse/parts.py`.

    Attributes:
        field: the field with the text.
        main: the text of main documents.
        stand_in: the text of those that take the place of a main document on a day without one.
        others: the texts of those that are never the day's own, or only stand in.
        silent: the texts of those that are landed but never count.
        other_series: the series of what counts and is not the day's own.
        ends_at: the field with the instant of the end, beyond which there are no digits either.
        length: the field with the seconds from start to end.
        amount: the field with the seconds that count: of overlapping documents, the most wins.
        least: seconds; others with a smaller amount are kept and shown, but not counted.
    """

    field: str
    main: str
    stand_in: str
    others: frozenset[str]
    silent: frozenset[str]
    other_series: str
    ends_at: str
    length: str
    amount: str
    least: int


@dataclass(frozen=True, kw_only=True, eq=False)  # each is only equal to itself, and so hashable
class DocumentType:
    """One Oura document type; its row says only what differs from the normal case.

    Attributes:
        name: Oura's collection, in the case of its address; also the name of the Dagster assets.
        topic: what it is about; Dagster's UI shows the assets of a topic as a group.
        scope: the OAuth scope that a person must have granted.
        description: one sentence for the UI, the README and the table's comment.
        fields: the fields of a document.
        ask: how the collection is queried.
        max_days: the longest range of one query, in days; None: no limit known.
        key: the fields that, with the person, identify a document.
        day_field: the field that holds Oura's day; None: the local date of `starts_at`, or, where
            there is no such field, the day of the fetch.
        starts_at: the field with the instant at which it happened or its series begin.
        ends_at: the field with the instant of its end, where a duration is sent.
        single: whether a document can be fetched by its id.
        webhook: the name of its webhook `data_type`; None: there is none.
        series: the series in Graphite.
        interval: seconds to which events and rows are aligned.
        split_by: the field whose text names a sub-series to which the values are sent as well.
        counted: whether the number of documents a day is sent.
        newest: of several documents, only the one with the newest instant in this field is sent.
        variants: how documents of this type differ from each other.
        identifies: whether its `id` is Oura's id of the person.
        ends_history: whether runs that fetch history first find out with it how far back that goes.
    """

    name: str
    scope: str
    description: str
    fields: tuple[Field, ...]
    ask: Ask = Ask.DAYS
    max_days: int | None = None
    key: tuple[str, ...] = ("day",)
    day_field: str | None = "day"
    starts_at: str | None = None
    ends_at: str | None = None
    single: bool = True
    webhook: str | None = ""
    series: str = ""
    interval: int = 60
    split_by: str | None = None
    counted: bool = False
    newest: str | None = None
    variants: Variants | None = None
    identifies: bool = False
    ends_history: bool = False
    topic: str = "other"

    def __post_init__(self) -> None:
        if not self.series:
            object.__setattr__(self, "series", self.table)
        if self.webhook == "":
            object.__setattr__(self, "webhook", self.table)

    @property
    def path(self) -> str:
        """The path of the collection below the API's address."""
        return f"/v2/usercollection/{self.name}"

    @property
    def table(self) -> str:
        """The name of the table in the warehouse's schema `oura`."""
        return self.name.lower()

    @property
    def daily(self) -> bool:
        """Whether there is one document per person and day."""
        return self.key == ("day",)

    @property
    def partitioned(self) -> bool:
        """Whether its documents belong to days, rather than being a current state."""
        if self.ask is Ask.NEVER:
            return bool(self.day_field or self.starts_at)
        return self.ask in (Ask.DAYS, Ask.INSTANTS)

    @property
    def dated_by_offset(self) -> bool:
        """Whether a document's day is the local date where the person was, which others tell."""
        return self.partitioned and self.day_field is None


def _id() -> Field:
    # Daily documents need none: those of 2024 lacked it in places.
    return Field("id", TEXT, "Oura's identifier of the document.")


def _day(
    name: str = "day", description: str = "The day it belongs to, according to Oura."
) -> Field:
    return Field(name, DAY, description)


def _scores(*names: str) -> Field:
    # Contributors are scores, whatever their names suggest: `deep_sleep` is no duration.
    scores = tuple(
        _score(name, f"Contribution of {name.replace('_', ' ')}, a score of 1 to 100.")
        for name in names
    )
    return Field("contributors", OBJECT, "Scores of the contributors, 1 to 100.", fields=scores)


def _score(name: str, description: str) -> Field:
    # Contributors of naps go down to 0.
    return Field(name, INTEGER, description, low=0, high=100)


def _amount(name: str, description: str, kind: Kind = INTEGER, low: float | None = 0) -> Field:
    return Field(name, kind, description, merge=SUM, low=low)


def _digits(name: str, description: str, interval: int) -> Field:
    # Codes have no mean: that of deep (1) and awake (4) would be none or another phase.
    return Field(name, DIGITS, description, interval=interval, merge=LAST)


def _pulse(name: str, description: str, kind: Kind = INTEGER) -> Field:
    # Wide enough for a trained heart asleep and for a sprint: what lies outside was misread.
    return Field(name, kind, description, low=20, high=260, missing=_NO_PULSE)


def _pulses(interval: int) -> Field:
    return Field(
        "heart_rate", SERIES, "Heart rate, beats per minute.", interval=interval, missing=_NO_PULSE
    )


def _variability(name: str, interval: int) -> Field:
    return Field(
        name, SERIES, "Heart rate variability, ms RMSSD.", interval=interval, missing=_ZERO
    )


_DAILY_TIMESTAMP = Field(
    # No time of the person: its offset is that of no place, so it is an INSTANT, never LOCAL.
    "timestamp",
    INSTANT,
    "A midnight near the day; its date can differ from the day.",
)
_READINESS = (
    _score("score", "Readiness score, 1 to 100."),
    Field(
        "temperature_deviation", NUMBER, "Body temperature against the usual, °C.", low=-10, high=10
    ),
    Field("temperature_trend_deviation", NUMBER, "Its trend over some days, °C.", low=-10, high=10),
    _scores(
        "activity_balance",
        "body_temperature",
        "hrv_balance",
        "previous_day_activity",
        "previous_night",
        "recovery_index",
        "resting_heart_rate",
        "sleep_balance",
        "sleep_regularity",
    ),
)
# Rows of 2026 have 0 here or lack it, so it identifies nothing; the text is what counts.
_UNIX = Field("timestamp_unix", INTEGER, "The same instant, ms since 1970.", sent=False)
# In rows of 2026; a batch shares it.
_PRODUCED = Field(
    "producer_timestamp", INTEGER, "When the ring sent it, ms since 1970.", sent=False
)

DAILY_ACTIVITY = DocumentType(
    name="daily_activity",
    topic="activity",
    scope="daily",
    description="Steps, energy and activity of the day from 04:00 to 04:00.",
    series="activity",
    starts_at="timestamp",
    fields=(
        _id(),
        _day(),
        # Oura selects these documents by this instant in UTC, not by their day.
        Field("timestamp", LOCAL, "Start of the activity day, 04:00 local."),
        _score("score", "Activity score, 1 to 100."),
        _amount("active_calories", "Energy spent by moving, kcal."),
        Field("average_met_minutes", NUMBER, "Mean metabolic equivalent of the day, MET."),
        _amount("equivalent_walking_distance", "Distance on foot that costs as much, m."),
        _amount("high_activity_met_minutes", "Of high activity, MET-minutes."),
        _amount("high_activity_time", "High activity, s."),
        _amount("inactivity_alerts", "Reminders to move, count."),
        _amount("low_activity_met_minutes", "Of low activity, MET-minutes."),
        _amount("low_activity_time", "Low activity, s."),
        _amount("medium_activity_met_minutes", "Of medium activity, MET-minutes."),
        _amount("medium_activity_time", "Medium activity, s."),
        _amount(
            # -3500 has been seen: the only amount that goes below zero.
            "meters_to_target",
            "Distance left to the target, m; negative when exceeded.",
            low=None,
        ),
        _amount("non_wear_time", "Ring not worn, s."),
        _amount("resting_time", "Rest, s."),
        _amount("sedentary_met_minutes", "Of sitting, MET-minutes."),
        _amount("sedentary_time", "Sitting, s."),
        _amount("steps", "Steps, count."),
        _amount("target_calories", "Target of active energy, kcal."),
        _amount("target_meters", "Target of distance, m."),
        _amount("total_calories", "Energy spent in all, kcal."),
        _scores(
            "meet_daily_targets",
            "move_every_hour",
            "recovery_time",
            "stay_active",
            "training_frequency",
            "training_volume",
        ),
        Field("met", SERIES, "Metabolic equivalent of every minute, MET.", interval=60),
        _digits(
            "class_5_min",
            "Class of every 5 minutes: 0 not worn, 1 rest, 2 inactive, 3 low, 4 medium, 5 high.",
            300,
        ),
    ),
)

DAILY_CARDIOVASCULAR_AGE = DocumentType(
    name="daily_cardiovascular_age",
    topic="heart",
    scope="heart_health",
    description="Estimated age of the arteries.",
    series="cardiovascular_age",
    fields=(
        _id(),
        _day(),
        Field(
            "vascular_age", INTEGER, "Age of the arteries, years.", low=15, high=120, missing=_ZERO
        ),
        # Came later than the age: older documents lack it.
        Field(
            "pulse_wave_velocity",
            NUMBER,
            "Speed of the pulse wave, m/s.",
            low=1,
            high=30,
            missing=_ZERO,
        ),
    ),
)

DAILY_READINESS = DocumentType(
    name="daily_readiness",
    topic="recovery",
    scope="daily",
    description="Readiness score, its contributors and body temperature.",
    series="readiness",
    fields=(_id(), _day(), _DAILY_TIMESTAMP, *_READINESS),
)

DAILY_RESILIENCE = DocumentType(
    name="daily_resilience",
    # `daily` does not cover it: without `stress` Oura answers 401.
    topic="recovery",
    scope="stress",
    description="Resilience to stress, as a level.",
    series="resilience",
    fields=(
        _id(),
        _day(),
        Field(
            "level",
            TEXT,
            "limited, adequate, solid, strong or exceptional.",
            codes={"limited": 1, "adequate": 2, "solid": 3, "strong": 4, "exceptional": 5},
        ),
        Field(
            "contributors",
            OBJECT,
            # All other contributors are whole numbers; these come with one decimal.
            "Contributors, 0 to 100 with decimals.",
            fields=(
                Field("sleep_recovery", NUMBER, "Recovery asleep, 0 to 100.", low=0, high=100),
                Field("daytime_recovery", NUMBER, "Recovery awake, 0 to 100.", low=0, high=100),
                Field("stress", NUMBER, "Stress, 0 to 100.", low=0, high=100),
            ),
        ),
    ),
)

DAILY_SLEEP = DocumentType(
    name="daily_sleep",
    topic="sleep",
    scope="daily",
    description="Sleep score and its contributors.",
    series="sleep",
    # Small, and there for as long as there have been rings.
    ends_history=True,
    fields=(
        _id(),
        _day(),
        _DAILY_TIMESTAMP,
        _score("score", "Sleep score, 1 to 100."),
        _scores(
            "deep_sleep",
            "efficiency",
            "latency",
            "rem_sleep",
            "restfulness",
            "timing",
            "total_sleep",
        ),
    ),
)

DAILY_SPO2 = DocumentType(
    name="daily_spo2",
    topic="sleep",
    scope="spo2",
    description="Oxygen in the blood during sleep.",
    series="spo2",
    fields=(
        _id(),
        _day(),
        Field(
            "spo2_percentage",
            OBJECT,
            "Oxygen saturation, %.",
            fields=(
                Field(
                    "average",
                    NUMBER,
                    "Mean oxygen saturation, %; 0 means not measured.",
                    metric="daily_average",
                    low=0,
                    high=100,
                    # A night without a measurement is null, an object with null, or 0.
                    missing=_ZERO,
                ),
            ),
        ),
        _score("breathing_disturbance_index", "Breathing disturbances, 0 to 100."),
    ),
)

DAILY_STRESS = DocumentType(
    name="daily_stress",
    topic="recovery",
    scope="daily",
    description="Time under stress and in recovery, awake.",
    series="stress",
    fields=(
        _id(),
        _day(),
        # Oura counts stress in quarters of an hour: always a multiple of 900.
        _amount("stress_high", "High stress, s."),
        _amount("recovery_high", "High recovery, s."),
        Field(
            # Null on a day that is not over or on which the ring was not worn.
            "day_summary",
            TEXT,
            "restored, normal or stressful.",
            codes={"restored": 1, "normal": 2, "stressful": 3},
        ),
    ),
)

ENHANCED_TAG = DocumentType(
    name="enhanced_tag",
    topic="tags",
    scope="tag",
    description="Tags with a time and a comment.",
    key=("id",),
    day_field="start_day",
    starts_at="start_time",
    counted=True,
    fields=(
        _id(),
        _day("start_day", "The day on which it begins, according to Oura."),
        _day("end_day", "The day on which it ends."),
        Field("start_time", LOCAL, "When it begins."),
        Field("end_time", LOCAL, "When it ends."),
        Field("tag_type_code", TEXT, "The tag; `custom` for the person's own, null: text only."),
        Field("custom_name", TEXT, "The name of the person's own tag."),
        # Usually an empty text rather than null.
        Field("comment", TEXT, "The person's own words."),
    ),
)

HEARTRATE = DocumentType(
    name="heartrate",
    topic="heart",
    scope="heartrate",
    description="Heart rate around the clock, unevenly spaced.",
    ask=Ask.INSTANTS,
    max_days=30,
    # Rows have no id, and two sources can have measured at one instant.
    key=("timestamp", "source"),
    day_field=None,
    starts_at="timestamp",
    single=False,
    webhook=None,
    series="hr",
    split_by="source",
    fields=(
        Field("timestamp", INSTANT, "When it was measured, UTC.", required=True),
        _UNIX,
        _PRODUCED,
        _pulse("bpm", "Heart rate, beats per minute."),
        Field(
            "source",
            TEXT,
            "awake, workout, rest, sleep, live or session.",
            words=("awake", "workout", "rest", "sleep", "live", "session"),
        ),
    ),
)

PERSONAL_INFO = DocumentType(
    name="personal_info",
    topic="profile",
    scope="personal",
    description="Age, height and weight, as entered at Oura.",
    ask=Ask.ONE,
    key=(),
    day_field=None,
    single=False,
    webhook=None,
    series="profile",
    # Readable with any scope, and the `user_id` of webhook events.
    identifies=True,
    fields=(
        # Decides whose documents these are.
        Field("id", TEXT, "Oura's identifier of the person.", required=True),
        Field("age", INTEGER, "Age, years.", low=0, high=130),
        Field("weight", NUMBER, "Weight, kg.", low=20, high=400),
        Field("height", NUMBER, "Height, m.", low=0.5, high=2.6),
        Field("biological_sex", TEXT, "As entered."),
        Field("email", TEXT, "Address of the Oura account."),
    ),
)

REST_MODE_PERIOD = DocumentType(
    name="rest_mode_period",
    topic="recovery",
    scope="daily",
    description="Days in rest mode, as switched on in the app.",
    key=("id",),
    day_field="start_day",
    starts_at="start_time",
    ends_at="end_time",
    fields=(
        _id(),
        _day("start_day", "The day on which it begins, according to Oura."),
        _day("end_day", "The day on which it ends; null while it lasts."),
        Field("start_time", LOCAL, "When it begins."),
        Field("end_time", LOCAL, "When it ends."),
        Field(
            "episodes",
            OBJECTS,
            "What was noted during it.",
            fields=(Field("tags", TEXTS, "Tags."), Field("timestamp", LOCAL, "When it was noted.")),
        ),
    ),
)

RING_BATTERY_LEVEL = DocumentType(
    name="ring_battery_level",
    topic="profile",
    scope="ring_configuration",
    description="Charge of the ring's battery.",
    ask=Ask.INSTANTS,
    max_days=30,  # not documented; heart rate, which is queried like it, has this limit
    key=("timestamp",),
    day_field=None,
    starts_at="timestamp",
    single=False,
    webhook=None,
    series="battery",
    interval=300,
    fields=(
        Field("timestamp", INSTANT, "When it was measured, UTC.", required=True),
        _UNIX,
        _PRODUCED,
        _score("level", "Charge, %."),
        Field("charging", FLAG, "Whether it charges."),
        Field("in_charger", FLAG, "Whether it lies in the charger."),
    ),
)

RING_CONFIGURATION = DocumentType(
    name="ring_configuration",
    topic="profile",
    scope="ring_configuration",
    description="Every ring that was ever set up.",
    ask=Ask.ALL,
    key=("id",),
    day_field=None,
    series="ring",
    # Rings that were given up stay in the list for good; only this says which one is worn.
    newest="set_up_at",
    fields=(
        _id(),
        Field("color", TEXT, "Colour."),
        Field("design", TEXT, "Design."),
        Field("firmware_version", TEXT, "Version of its firmware."),
        Field("hardware_type", TEXT, "Generation."),
        Field("set_up_at", INSTANT, "When it was set up; 1970 or null: unknown."),
        Field("size", INTEGER, "Ring size, US.", low=1, high=20),
    ),
)

SESSION = DocumentType(
    name="session",
    topic="recovery",
    scope="session",
    description="Breathing, meditation and other guided moments.",
    key=("id",),
    starts_at="start_datetime",
    ends_at="end_datetime",
    fields=(
        _id(),
        _day(),
        Field("start_datetime", LOCAL, "When it begins.", required=True),
        Field("end_datetime", LOCAL, "When it ends."),
        Field(
            "type",
            TEXT,
            "breathing, meditation, nap, relaxation, rest or body_status.",
            words=("breathing", "meditation", "nap", "relaxation", "rest", "body_status"),
        ),
        Field("mood", TEXT, "bad, worse, same, good or great."),
        _pulses(5),
        _variability("heart_rate_variability", 5),
        Field("motion_count", SERIES, "Movements, count.", interval=5, merge=SUM),
    ),
)

SLEEP = DocumentType(
    name="sleep",
    topic="sleep",
    scope="daily",
    description="Every sleep of a day: the night, naps, and what turned out to be none.",
    key=("id",),
    starts_at="bedtime_start",
    variants=Variants(
        field="type",
        # Longer than three hours. A day can have two, and up to six sleeps in all.
        main="long_sleep",
        # A short night. A late_nap ends after 18:00, Oura counts it to the next day: never a night.
        stand_in="sleep",
        others=frozenset({"sleep", "late_nap"}),
        # The person rejected the one as a false detection, and removed the other.
        silent=frozenset({"rest", "deleted"}),
        other_series="nap",
        ends_at="bedtime_end",
        length="time_in_bed",
        amount="total_sleep_duration",
        # Oura sends sleeps of a few minutes as well; its app shows none below a quarter of an hour.
        least=900,
    ),
    fields=(
        _id(),
        _day(),
        Field("bedtime_start", LOCAL, "When the person went to bed.", required=True),
        # Oura's specification requires an end; nights are served before they have one.
        Field("bedtime_end", LOCAL, "When the person got up; null while the night lasts."),
        Field(
            "type",
            TEXT,
            "long_sleep, sleep, late_nap, rest (none after all) or deleted.",
            words=("long_sleep", "sleep", "late_nap", "rest", "deleted"),
        ),
        Field("average_breath", NUMBER, "Mean breaths per minute.", low=4, high=60, missing=_ZERO),
        _pulse("average_heart_rate", "Mean heart rate, beats per minute.", NUMBER),
        Field(
            "average_hrv",
            INTEGER,
            "Mean heart rate variability, ms RMSSD.",
            low=0,
            high=500,
            missing=_ZERO,
        ),
        _pulse("lowest_heart_rate", "Lowest heart rate, beats per minute."),
        _amount("awake_time", "Awake in bed, s."),
        _amount("deep_sleep_duration", "Deep sleep, s."),
        _amount("light_sleep_duration", "Light sleep, s."),
        _amount("rem_sleep_duration", "REM sleep, s."),
        _amount("total_sleep_duration", "Total sleep, s."),
        _amount("time_in_bed", "Time in bed, s."),
        _amount("latency", "Time until asleep, s."),
        _amount("restless_periods", "Restless periods, count."),
        _score("efficiency", "Share of the time in bed asleep, %."),
        # A number, not an amount: two naps in one interval must not become a mean of both.
        Field("period", INTEGER, "Number of the sleep within the day, counted from 0.", merge=LAST),
        Field("readiness_score_delta", INTEGER, "Change of the readiness score by it."),
        Field("sleep_score_delta", INTEGER, "Change of the sleep score by it."),
        Field(
            "readiness",
            OBJECT,
            "Readiness by this sleep alone, scores of 1 to 100 and °C.",
            fields=_READINESS,
        ),
        _pulses(300),
        _variability("hrv", 300),
        _digits(
            "sleep_phase_5_min", "Phase of every 5 minutes: 1 deep, 2 light, 3 REM, 4 awake.", 300
        ),
        _digits(
            "sleep_phase_30_sec", "Phase of every 30 seconds: 1 deep, 2 light, 3 REM, 4 awake.", 30
        ),
        _digits(
            "movement_30_sec",
            "Movement of every 30 seconds: 1 none, 2 restless, 3 tossing, 4 active.",
            30,
        ),
        Field("app_sleep_phase_5_min", TEXT, "Phases as the app shows them; deprecated by Oura."),
        Field("low_battery_alert", FLAG, "Whether the battery was low."),
        Field("sleep_algorithm_version", TEXT, "v1 or v2."),
        Field("sleep_analysis_reason", TEXT, "Why it was analysed, for instance bedtime_edit."),
        # Deprecated by Oura: null since.
        Field("ring_id", TEXT, "No longer filled."),
    ),
)

SLEEP_TIME = DocumentType(
    name="sleep_time",
    topic="sleep",
    scope="daily",
    description="Bedtime that Oura recommends.",
    fields=(
        _id(),
        _day(),
        Field(
            # Null is common: `status` then says what Oura lacked.
            "optimal_bedtime",
            OBJECT,
            "The best time to go to bed, s after midnight.",
            fields=(
                Field("start_offset", INTEGER, "From, s after midnight; negative before it."),
                Field("end_offset", INTEGER, "Until, s after midnight; negative before it."),
                Field("day_tz", INTEGER, "Offset of the zone, s.", sent=False),
            ),
        ),
        Field("recommendation", TEXT, "Recommended change, for instance earlier_bedtime."),
        Field("status", TEXT, "Whether there was enough data for a recommendation."),
    ),
)

TAG = DocumentType(
    name="tag",
    topic="tags",
    scope="tag",
    description="Tags of the older kind, which Oura no longer develops.",
    key=("id",),
    starts_at="timestamp",
    counted=True,
    fields=(
        _id(),
        _day(),
        Field("timestamp", LOCAL, "When it was set."),
        Field("text", TEXT, "The person's own words."),
        Field("tags", TEXTS, "Tags."),
    ),
)

VO2_MAX = DocumentType(
    # Oura spells it like this in addresses only; its webhook is called `vo2_max`.
    name="vO2_max",
    topic="heart",
    scope="heart_health",
    description="Estimated oxygen uptake at full effort.",
    fields=(
        _id(),
        _day(),
        _DAILY_TIMESTAMP,
        Field(
            "vo2_max",
            INTEGER,
            "Oxygen uptake at full effort, ml/kg/min.",
            low=5,
            high=100,
            missing=_ZERO,
        ),
    ),
)

WORKOUT = DocumentType(
    name="workout",
    topic="activity",
    scope="workout",
    description="Workouts: activity, time and intensity.",
    key=("id",),
    starts_at="start_datetime",
    ends_at="end_datetime",
    fields=(
        _id(),
        _day(),
        Field("start_datetime", LOCAL, "When it begins.", required=True),
        Field("end_datetime", LOCAL, "When it ends."),
        # Free text: Oura adds activities without notice, so it has no codes.
        Field("activity", TEXT, "Activity, as Oura names it."),
        # With decimals, unlike the energy of the activity day.
        _amount("calories", "Energy spent, kcal.", NUMBER),
        _amount("distance", "Distance, m.", NUMBER),
        Field("intensity", TEXT, "easy, moderate or hard."),
        Field("label", TEXT, "The person's own name for it."),
        Field(
            "source",
            TEXT,
            "manual, autodetected, confirmed or a heart rate source.",
            words=(
                *("manual", "autodetected", "confirmed", "workout_heart_rate"),
                *("live_third_party_heart_rate", "live_oura_heart_rate"),
            ),
        ),
    ),
)

DOCUMENT_TYPES: tuple[DocumentType, ...] = (
    DAILY_ACTIVITY,
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_READINESS,
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SPO2,
    DAILY_STRESS,
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
"""What the API has: fetched, landed, flattened and pushed."""


# What follows is not in the API. Its fields are those that several people's programs read out of
# the export, which Oura does not document.
def _exported(name: str, description: str, *fields: Field, **differences: Any) -> DocumentType:
    """Return a type that comes in members' own exports alone."""
    return DocumentType(
        name=name,
        scope="",
        description=description,
        fields=fields,
        ask=Ask.NEVER,
        single=False,
        webhook=None,
        **differences,
    )


_MEASURED = Field("timestamp", INSTANT, "When it was measured, UTC.", required=True)
_STREAM: dict[str, Any] = {"key": ("timestamp",), "day_field": None, "starts_at": "timestamp"}
_WITH_ID: dict[str, Any] = {"key": ("id",)}

BLOOD_GLUCOSE = _exported(
    "blood_glucose",
    "Glucose in the blood, as a sensor measured it.",
    _MEASURED,
    # The account decides between mmol/L and mg/dL, and no file says which.
    Field("value", NUMBER, "Glucose, in the unit of the account."),
    **_STREAM,
    interval=300,
)

BLOOD_PRESSURE = _exported(
    "blood_pressure",
    "Blood pressure, as entered or measured by another device.",
    _MEASURED,
    Field("systolic_blood_pressure", NUMBER, "Systolic pressure, mmHg.", low=40, high=300),
    Field("diastolic_blood_pressure", NUMBER, "Diastolic pressure, mmHg.", low=20, high=200),
    **_STREAM,
)

DAILY_BLOOD_PRESSURE_SIGNALS = _exported(
    "daily_blood_pressure_signals",
    "Whether Oura saw signs of high blood pressure.",
    _id(),
    _day(),
    _day("day_window_start", "The first day of those that were looked at."),
    Field("is_risk_above_threshold", FLAG, "Whether there were signs."),
)

DAILY_METABOLIC_SCORE = _exported(
    "daily_metabolic_score",
    "Metabolic score; what contributed to it is in the document.",
    _id(),
    _day(),
    _score("metabolic_score", "Metabolic score, 0 to 100."),
)

DAILY_SMOOTHED_CARDIOVASCULAR_AGE = _exported(
    "daily_smoothed_cardiovascular_age",
    "Estimated age of the arteries, smoothed over days, as the app shows it.",
    _day(),
    Field("cardiovascular_age", NUMBER, "Age of the arteries, years.", low=15, high=120),
    Field("pulse_wave_velocity", NUMBER, "Speed of the pulse wave, m/s.", low=1, high=30),
)

DAYTIME_STRESS = _exported(
    "daytime_stress",
    "Stress and recovery while awake, every quarter of an hour.",
    _MEASURED,
    Field("stress_value", NUMBER, "Stress, 0 to 100; null: not measured.", low=0, high=100),
    Field("recovery_value", NUMBER, "Recovery, 0 to 100; null: not measured.", low=0, high=100),
    **_STREAM,
    interval=900,
)

FOOD_ITEM = _exported(
    "food_item",
    "What meals consist of.",
    _id(),
    Field("name", TEXT, "Name."),
    Field("weight", NUMBER, "Weight, g.", sent=False),
    **_WITH_ID,
    day_field=None,
)

LAB_TEST_RESULT = _exported(
    "lab_test_result",
    "Results of blood tests; the observations are in the document.",
    _id(),
    Field("timestamp", INSTANT, "When the sample was taken.", required=True),
    Field("test_type", TEXT, "Which test."),
    Field("status", TEXT, "Whether it is completed."),
    Field("abnormal_result", FLAG, "Whether a value is outside of its usual range."),
    **_WITH_ID,
    day_field=None,
    starts_at="timestamp",
)

MEAL = _exported(
    "meal",
    "Meals, as photographed or entered; what they were made of is in the document.",
    _id(),
    _day(),
    Field("start_time", LOCAL, "When it began.", required=True),
    Field("type", TEXT, "Breakfast, lunch, dinner or snack."),
    Field("name", TEXT, "Name."),
    Field("favorite", FLAG, "Whether it is marked as a favourite."),
    Field("food_item_ids", TEXTS, "The `id` of its items in food_item."),
    _amount("weight", "Weight, g.", NUMBER),
    **_WITH_ID,
    starts_at="start_time",
    counted=True,
)

TEMPERATURE = _exported(
    "temperature",
    "Temperature of the skin under the ring, about every minute.",
    _MEASURED,
    Field("skin_temp", NUMBER, "Temperature of the skin, °C.", low=10, high=45),
    **_STREAM,
)

TIME_ZONE = _exported(
    "time_zone",
    "The zone of the phone, whenever it changed.",
    _MEASURED,
    Field("identifier", TEXT, "Name of the zone."),
    Field("offset", INTEGER, "Local time minus UTC, s.", sent=False),
    **_STREAM,
)

EXPORTED_TYPES: tuple[DocumentType, ...] = (
    BLOOD_GLUCOSE,
    BLOOD_PRESSURE,
    DAILY_BLOOD_PRESSURE_SIGNALS,
    DAILY_METABOLIC_SCORE,
    DAILY_SMOOTHED_CARDIOVASCULAR_AGE,
    DAYTIME_STRESS,
    FOOD_ITEM,
    LAB_TEST_RESULT,
    MEAL,
    TEMPERATURE,
    TIME_ZONE,
)
"""What comes in members' own exports only; never fetched, and without an asset of its own."""

STORED_TYPES = (*DOCUMENT_TYPES, *EXPORTED_TYPES)


def get_document_type(name: str) -> DocumentType:
    """Return the document type of a name, whatever its case.

    Raises:
        LookupError: there is no such document type; the message lists those that are fetched.
    """
    for document_type in STORED_TYPES:
        if document_type.name.lower() == name.lower():
            return document_type
    known = ", ".join(document_type.name for document_type in DOCUMENT_TYPES)
    raise LookupError(f"there is no document type {name!r}; known are: {known}")


def get_fetched_type(name: str) -> DocumentType:
    """Return the document type of a name, whatever its case, if it is one of Oura's API.

    Raises:
        LookupError: as for `get_document_type`, or it is in members' own exports alone.
    """
    if (document_type := get_document_type(name)) not in DOCUMENT_TYPES:
        raise LookupError(f"{document_type.name} comes in a member's own export alone")
    return document_type
