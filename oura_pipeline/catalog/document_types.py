"""THE TABLE: one frozen row per Oura document type; whatever differs between types is a column.

What surprises: `vO2_max` is spelled like this in Oura's addresses and nowhere else (its webhook is
`vo2_max`), and some types have no `day` of their own. A type that is added here is fetched, landed,
flattened and pushed; nothing else needs to know its name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

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


class Ask(Enum):
    """How a collection is asked for."""

    DAYS = "start_date, end_date"
    INSTANTS = "start_datetime, end_datetime"
    ALL = "no range: everything there is"
    ONE = "a bare object, no list"


@dataclass(frozen=True, kw_only=True)
class Variants:
    """Documents of one type that differ in kind, told apart by the text in `field`.

    The longest `main` document of a day, by its number `length`, is the day's own; further ones
    and those in `others` happen at their time and go to `other_series`; those in `silent` are
    landed and not sent. Any other text, or none, is landed, reported and not sent.
    """

    field: str
    main: str
    length: str
    others: frozenset[str]
    other_series: str
    silent: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class DocumentType:
    """One Oura document type; only what differs from the normal case is written in its row.

    Attributes:
        name: Oura's collection, in the case of its address; also the name of the Dagster assets.
        scope: what a person must have granted.
        description: one sentence for the UI, the README and the table's comment.
        fields: what a document holds.
        ask: how the collection is asked for.
        max_days: the longest range of one question, in days; None: no limit known.
        key: what makes a document the same one, beside the person.
        day_field: the field that holds Oura's day; None: the local date of `starts_at`, or, where
            there is no such field, the day of the fetch.
        starts_at: the field with the instant at which it happened or at which its series begin.
        ends_at: the field with the instant of its end, where a duration is sent.
        single: whether one document can be asked for by its id.
        webhook: the name of its webhook `data_type`; None: there is none.
        series: the series in Graphite.
        interval: seconds to which events and rows are aligned.
        split_by: the field whose text names a sub-series that gets the values as well.
        counted: whether the documents of a day are counted.
        newest: of several documents, only the one with the newest instant in this field is sent.
        variants: documents that differ in kind.
        identifies: whether its `id` is Oura's id of the person.
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

    def __post_init__(self) -> None:
        """Derive from the name what the row does not say."""
        if not self.series:
            object.__setattr__(self, "series", self.table)
        if self.webhook == "":
            object.__setattr__(self, "webhook", self.table)

    @property
    def path(self) -> str:
        """Its address below the API's."""
        return f"/v2/usercollection/{self.name}"

    @property
    def table(self) -> str:
        """Its table in the warehouse's schema `oura`."""
        return self.name.lower()

    @property
    def daily(self) -> bool:
        """Whether there is one document per person and day."""
        return self.key == ("day",)

    @property
    def partitioned(self) -> bool:
        """Whether it has a document for a day, rather than a current state."""
        return self.ask in (Ask.DAYS, Ask.INSTANTS)


def _id(*, required: bool = True) -> Field:
    return Field("id", TEXT, "Oura's identifier of the document.", required=required)


def _day(name: str = "day", description: str = "The day it belongs to, as Oura says.") -> Field:
    return Field(name, DAY, description, required=name != "end_day")


def _scores(*names: str) -> Field:
    """Contributors: scores, whatever their names suggest."""
    scores = tuple(
        _score(name, f"How {name.replace('_', ' ')} contributed, a score of 1 to 100.")
        for name in names
    )
    return Field("contributors", OBJECT, "Scores of what contributed, 1 to 100.", fields=scores)


def _score(name: str, description: str) -> Field:
    # Contributors of naps go down to 0.
    return Field(name, INTEGER, description, low=0, high=100)


def _amount(name: str, description: str, kind: Kind = INTEGER, low: float | None = 0) -> Field:
    return Field(name, kind, description, merge=SUM, low=low)


def _pulse(name: str, description: str, kind: Kind = INTEGER) -> Field:
    return Field(name, kind, description, low=20, high=260)


_DAILY_TIMESTAMP = Field(
    "timestamp", INSTANT, "A midnight near the day; its date can differ from the day."
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
_UNIX = Field("timestamp_unix", INTEGER, "The same instant, ms since 1970.", sent=False)

DAILY_ACTIVITY = DocumentType(
    name="daily_activity",
    scope="daily",
    description="Steps, energy and how the day from 04:00 to 04:00 was spent.",
    series="activity",
    starts_at="timestamp",
    fields=(
        _id(),
        _day(),
        Field("timestamp", LOCAL, "Begin of the activity day, 04:00 local.", required=True),
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
            "meters_to_target",
            "Left to walk to the target, m; negative when exceeded.",
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
        Field(
            "class_5_min",
            DIGITS,
            "Class of every 5 minutes: 0 not worn, 1 rest, 2 inactive, 3 low, 4 medium, 5 high.",
            interval=300,
            merge=LAST,
        ),
    ),
)

DAILY_CARDIOVASCULAR_AGE = DocumentType(
    name="daily_cardiovascular_age",
    scope="heart_health",
    description="Estimated age of the arteries.",
    series="cardiovascular_age",
    fields=(
        _id(required=False),  # documents of 2024 had none
        _day(),
        Field("vascular_age", INTEGER, "Age of the arteries, years.", low=15, high=120),
        Field("pulse_wave_velocity", NUMBER, "Speed of the pulse wave, m/s.", low=1, high=30),
    ),
)

DAILY_READINESS = DocumentType(
    name="daily_readiness",
    scope="daily",
    description="Readiness score, body temperature and what contributed.",
    series="readiness",
    fields=(_id(), _day(), _DAILY_TIMESTAMP, *_READINESS),
)

DAILY_RESILIENCE = DocumentType(
    name="daily_resilience",
    scope="stress",
    description="How well stress is withstood, as a level.",
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
            "What contributed, 0 to 100 with decimals.",
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
    scope="daily",
    description="Sleep score and what contributed to it.",
    series="sleep",
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
                    "Mean oxygen saturation, %; 0 means that there is none.",
                    metric="daily_average",
                    low=0,
                    high=100,
                    zero_is_missing=True,
                ),
            ),
        ),
        _score("breathing_disturbance_index", "Breathing disturbances, 0 to 100."),
    ),
)

DAILY_STRESS = DocumentType(
    name="daily_stress",
    scope="daily",
    description="Time under stress and in recovery, awake.",
    series="stress",
    fields=(
        _id(),
        _day(),
        _amount("stress_high", "High stress, s."),
        _amount("recovery_high", "High recovery, s."),
        Field(
            "day_summary",
            TEXT,
            "restored, normal or stressful.",
            codes={"restored": 1, "normal": 2, "stressful": 3},
        ),
    ),
)

ENHANCED_TAG = DocumentType(
    name="enhanced_tag",
    scope="tag",
    description="Notes: a tag, a time, a comment.",
    key=("id",),
    day_field="start_day",
    starts_at="start_time",
    counted=True,
    fields=(
        _id(),
        _day("start_day", "The day on which it begins, as Oura says."),
        _day("end_day", "The day on which it ends."),
        Field("start_time", LOCAL, "When it begins.", required=True),
        Field("end_time", LOCAL, "When it ends."),
        Field("tag_type_code", TEXT, "The tag; `custom` for the person's own, null: text only."),
        Field("custom_name", TEXT, "The name of the person's own tag."),
        Field("comment", TEXT, "The person's own words."),
    ),
)

HEARTRATE = DocumentType(
    name="heartrate",
    scope="heartrate",
    description="Heart rate around the clock, unevenly spaced.",
    ask=Ask.INSTANTS,
    max_days=30,
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
        _pulse("bpm", "Heart rate, beats per minute."),
        Field("source", TEXT, "awake, workout, rest, sleep, live or session."),
    ),
)

PERSONAL_INFO = DocumentType(
    name="personal_info",
    scope="personal",
    description="Age, height and weight, as entered at Oura.",
    ask=Ask.ONE,
    key=(),
    day_field=None,
    single=False,
    webhook=None,
    series="profile",
    identifies=True,
    fields=(
        _id(),
        Field("age", INTEGER, "Age, years.", low=0, high=130),
        Field("weight", NUMBER, "Weight, kg.", low=20, high=400),
        Field("height", NUMBER, "Height, m.", low=0.5, high=2.6),
        Field("biological_sex", TEXT, "As entered."),
        Field("email", TEXT, "Address of the Oura account."),
    ),
)

REST_MODE_PERIOD = DocumentType(
    name="rest_mode_period",
    scope="daily",
    description="Days in rest mode, as switched on in the app.",
    key=("id",),
    day_field="start_day",
    starts_at="start_time",
    ends_at="end_time",
    fields=(
        _id(),
        _day("start_day", "The day on which it begins, as Oura says."),
        _day("end_day", "The day on which it ends; null while it lasts."),
        Field("start_time", LOCAL, "When it begins."),
        Field("end_time", LOCAL, "When it ends."),
        Field(
            "episodes",
            OBJECTS,
            "What was noted meanwhile.",
            fields=(
                Field("tags", TEXTS, "Tags."),
                Field("timestamp", LOCAL, "When."),
            ),
        ),
    ),
)

RING_BATTERY_LEVEL = DocumentType(
    name="ring_battery_level",
    scope="ring_configuration",
    description="Charge of the ring's battery.",
    ask=Ask.INSTANTS,
    max_days=30,
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
        _score("level", "Charge, %."),
        Field("charging", FLAG, "Whether it charges."),
        Field("in_charger", FLAG, "Whether it lies in the charger."),
    ),
)

RING_CONFIGURATION = DocumentType(
    name="ring_configuration",
    scope="ring_configuration",
    description="Every ring that was ever set up.",
    ask=Ask.ALL,
    key=("id",),
    day_field=None,
    series="ring",
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
    scope="session",
    description="Breathing, meditation and other guided moments.",
    key=("id",),
    starts_at="start_datetime",
    ends_at="end_datetime",
    fields=(
        _id(),
        _day(),
        Field("start_datetime", LOCAL, "When it begins.", required=True),
        Field("end_datetime", LOCAL, "When it ends.", required=True),
        Field("type", TEXT, "breathing, meditation, nap, relaxation, rest or body_status."),
        Field("mood", TEXT, "bad, worse, same, good or great."),
        Field("heart_rate", SERIES, "Heart rate, beats per minute.", interval=5),
        Field(
            "heart_rate_variability",
            SERIES,
            "Heart rate variability, ms RMSSD.",
            interval=5,
        ),
        Field("motion_count", SERIES, "Movements, count.", interval=5, merge=SUM),
    ),
)

SLEEP = DocumentType(
    name="sleep",
    scope="daily",
    description="Every sleep of a day: the night, naps, and what turned out to be none.",
    key=("id",),
    starts_at="bedtime_start",
    variants=Variants(
        field="type",
        main="long_sleep",
        length="time_in_bed",
        others=frozenset({"sleep", "late_nap"}),
        other_series="nap",
        silent=frozenset({"rest", "deleted"}),
    ),
    fields=(
        _id(),
        _day(),
        Field("bedtime_start", LOCAL, "When the person went to bed.", required=True),
        Field("bedtime_end", LOCAL, "When the person got up; null while the night lasts."),
        Field("type", TEXT, "long_sleep, sleep, late_nap, rest (none after all) or deleted."),
        Field("average_breath", NUMBER, "Mean breaths per minute.", low=4, high=60),
        _pulse("average_heart_rate", "Mean heart rate, beats per minute.", NUMBER),
        Field(
            "average_hrv",
            INTEGER,
            "Mean heart rate variability, ms RMSSD.",
            low=0,
            high=500,
        ),
        _pulse("lowest_heart_rate", "Lowest heart rate, beats per minute."),
        _amount("awake_time", "Awake in bed, s."),
        _amount("deep_sleep_duration", "Deep sleep, s."),
        _amount("light_sleep_duration", "Light sleep, s."),
        _amount("rem_sleep_duration", "REM sleep, s."),
        _amount("total_sleep_duration", "Asleep in all, s."),
        _amount("time_in_bed", "In bed, s."),
        _amount("latency", "Until asleep, s."),
        _amount("restless_periods", "Restless periods, count."),
        _score("efficiency", "Asleep of the time in bed, %."),
        Field("period", INTEGER, "Which sleep of the day it is, counted from 0.", merge=LAST),
        Field("readiness_score_delta", INTEGER, "By how much it changed the readiness score."),
        Field("sleep_score_delta", INTEGER, "By how much it changed the sleep score."),
        Field(
            "readiness",
            OBJECT,
            "Readiness as this sleep alone would have it, scores of 1 to 100 and °C.",
            fields=_READINESS,
        ),
        Field("heart_rate", SERIES, "Heart rate, beats per minute.", interval=300),
        Field("hrv", SERIES, "Heart rate variability, ms RMSSD.", interval=300),
        Field(
            "sleep_phase_5_min",
            DIGITS,
            "Phase of every 5 minutes: 1 deep, 2 light, 3 REM, 4 awake.",
            interval=300,
            merge=LAST,
        ),
        Field(
            "sleep_phase_30_sec",
            DIGITS,
            "Phase of every 30 seconds: 1 deep, 2 light, 3 REM, 4 awake.",
            interval=30,
            merge=LAST,
        ),
        Field(
            "movement_30_sec",
            DIGITS,
            "Movement of every 30 seconds: 1 none, 2 restless, 3 tossing, 4 active.",
            interval=30,
            merge=LAST,
        ),
        Field("app_sleep_phase_5_min", TEXT, "Phases as the app shows them; on its way out."),
        Field("low_battery_alert", FLAG, "Whether the battery was low."),
        Field("sleep_algorithm_version", TEXT, "v1 or v2."),
        Field("sleep_analysis_reason", TEXT, "Why it was analysed, for instance bedtime_edit."),
        Field("ring_id", TEXT, "No longer filled."),
    ),
)

SLEEP_TIME = DocumentType(
    name="sleep_time",
    scope="daily",
    description="When to go to bed, in Oura's opinion.",
    fields=(
        _id(),
        _day(),
        Field(
            "optimal_bedtime",
            OBJECT,
            "The best time to go to bed, s after midnight.",
            fields=(
                Field("start_offset", INTEGER, "From, s after midnight; negative before it."),
                Field("end_offset", INTEGER, "Until, s after midnight; negative before it."),
                Field("day_tz", INTEGER, "Offset of the zone, s.", sent=False),
            ),
        ),
        Field("recommendation", TEXT, "What to change, for instance earlier_bedtime."),
        Field("status", TEXT, "Whether there was enough to go by."),
    ),
)

TAG = DocumentType(
    name="tag",
    scope="tag",
    description="Tags of the older kind, which Oura no longer extends.",
    key=("id",),
    starts_at="timestamp",
    counted=True,
    fields=(
        _id(),
        _day(),
        Field("timestamp", LOCAL, "When.", required=True),
        Field("text", TEXT, "The person's own words."),
        Field("tags", TEXTS, "Tags."),
    ),
)

VO2_MAX = DocumentType(
    name="vO2_max",
    scope="heart_health",
    description="Estimated oxygen uptake at full effort.",
    fields=(
        _id(),
        _day(),
        _DAILY_TIMESTAMP,
        Field("vo2_max", INTEGER, "Oxygen uptake at full effort, ml/kg/min.", low=5, high=100),
    ),
)

WORKOUT = DocumentType(
    name="workout",
    scope="workout",
    description="Workouts: what, when, how hard.",
    key=("id",),
    starts_at="start_datetime",
    ends_at="end_datetime",
    fields=(
        _id(),
        _day(),
        Field("start_datetime", LOCAL, "When it begins.", required=True),
        Field("end_datetime", LOCAL, "When it ends.", required=True),
        Field("activity", TEXT, "What it was, in Oura's words."),
        _amount("calories", "Energy spent, kcal.", NUMBER),
        _amount("distance", "Distance, m.", NUMBER),
        Field("intensity", TEXT, "easy, moderate or hard."),
        Field("label", TEXT, "The person's own name for it."),
        Field("source", TEXT, "manual, autodetected, confirmed or a heart rate source."),
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


def get_document_type(name: str) -> DocumentType:
    """The row of a document type, whatever the case of its name.

    Raises:
        LookupError: there is no such document type; the message lists those that there are.
    """
    for document_type in DOCUMENT_TYPES:
        if document_type.name.lower() == name.lower():
            return document_type
    known = ", ".join(document_type.name for document_type in DOCUMENT_TYPES)
    raise LookupError(f"no document type is called {name!r}; there are: {known}")
