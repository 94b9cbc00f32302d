"""What an export of a study holds: a row per file, and which columns may leave the warehouse."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

from oura_pipeline.catalog.document_types import (
    BLOOD_GLUCOSE,
    BLOOD_PRESSURE,
    DAILY_ACTIVITY,
    DAILY_BLOOD_PRESSURE_SIGNALS,
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_METABOLIC_SCORE,
    DAILY_READINESS,
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SMOOTHED_CARDIOVASCULAR_AGE,
    DAILY_SPO2,
    DAILY_STRESS,
    DAYTIME_STRESS,
    ENHANCED_TAG,
    HEARTRATE,
    PERSONAL_INFO,
    SESSION,
    SLEEP,
    SLEEP_TIME,
    TEMPERATURE,
    VO2_MAX,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.warehouse.tables import SCHEMA, quoted
from oura_pipeline.warehouse.views.clock import later_local
from oura_pipeline.warehouse.views.hearts import AHEAD

# Numbers, and times by the person's clock, which move with the dates. Instants and offsets would
# tell where somebody lives, ids and their own words who they are.
_KEPT_TYPES = {"DOUBLE", "BIGINT", "INTEGER", "BOOLEAN", "DATE", "TIMESTAMP"}
_LEFT_OUT = {"username", "utc_offset_minutes", "optimal_bedtime_day_tz"}

COMMENTS = {
    "participant": "The participant's code.",
    "study_day": "The day of the study, count from 1, which is the participant's first day.",
    "arm": "The group that the participant is in.",
    "first_day": "The participant's first day.",
    "last_day": "The last one, included; empty: it goes on.",
    "consent_version": "The version of the consent that the participant agreed to.",
    "consented_to": "The document types that the participant agreed to; empty: all.",
}


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of an export.

    Attributes:
        name: of the file, and of the table or view whose columns it has.
        document_types: which a participant must have agreed to.
        words: the columns of text that are kept: words of Oura's, never a person's own.
        rows: the query of its rows.
        dated: whether its rows are of days.
    """

    name: str
    document_types: tuple[str, ...]
    words: frozenset[str]
    rows: str
    dated: bool


@dataclass(frozen=True, kw_only=True)
class KeptColumn:
    """A column of a file: its name, its type in the warehouse, its value in SQL, its meaning."""

    name: str
    sql_type: str
    value: str
    comment: str


def _view(name: str, *document_types: DocumentType, words: str = "", rows: str = "") -> Source:
    return Source(
        name=name,
        document_types=tuple(one.name for one in document_types),
        words=frozenset(words.split()),
        rows=rows or f"FROM {SCHEMA}.{quoted(name)}",
        dated=all(one.partitioned for one in document_types),
    )


def _table(document_type: DocumentType, words: str = "") -> Source:
    return _view(document_type.table, document_type, words=words)


def _measured(document_type: DocumentType) -> Source:
    """Return the measurements of a type that comes in members' own exports."""
    rows = f"""
    SELECT t.*, {later_local("t.timestamp", AHEAD)} AS time_local
    FROM {SCHEMA}.{quoted(document_type.table)} t
    ASOF LEFT JOIN {SCHEMA}.offsets o ON o.username = t.username AND o.since <= t.timestamp
    """
    return _view(document_type.table, document_type, rows=rows)


_TIMED_TAGS = f"""
    SELECT e.*, t.time_local FROM {SCHEMA}.enhanced_tag e
    JOIN {SCHEMA}.tags t ON t.username = e.username AND t.tag_id = e.id
        AND t.document_type = '{ENHANCED_TAG.name}'
"""

SOURCES = (
    _measured(BLOOD_GLUCOSE),
    _measured(BLOOD_PRESSURE),
    _table(DAILY_ACTIVITY),
    _table(DAILY_BLOOD_PRESSURE_SIGNALS),
    _table(DAILY_CARDIOVASCULAR_AGE),
    _table(DAILY_METABOLIC_SCORE),
    _table(DAILY_READINESS),
    _table(DAILY_RESILIENCE, "level"),
    _table(DAILY_SLEEP),
    _table(DAILY_SMOOTHED_CARDIOVASCULAR_AGE),
    _table(DAILY_SPO2),
    _table(DAILY_STRESS, "day_summary"),
    _measured(DAYTIME_STRESS),
    _view("enhanced_tag", ENHANCED_TAG, words="tag_type_code", rows=_TIMED_TAGS),
    _view("heart_rate_5min", HEARTRATE),
    _view("hypnogram", SLEEP, words="part phase"),
    _view("met_1min", DAILY_ACTIVITY),
    _view("movement", SLEEP, words="part movement"),
    _view("naps", SLEEP, words="type"),
    _view("nights", SLEEP, words="type sleep_algorithm_version"),
    _table(PERSONAL_INFO, "biological_sex"),
    _table(SESSION, "type mood"),
    _view("sleep_heart", SLEEP, words="part"),
    _table(SLEEP_TIME, "recommendation status"),
    _measured(TEMPERATURE),
    _table(VO2_MAX),
    _view("workouts", WORKOUT, words="activity intensity source"),
)


def sources(connection: duckdb.DuckDBPyConnection) -> list[Source]:
    """Return the files of which the copy has a table: those of members' own exports it may lack."""
    found = connection.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [SCHEMA]
    ).fetchall()
    return [source for source in SOURCES if (source.name,) in found]


def kept_columns(connection: duckdb.DuckDBPyConnection, source: Source) -> list[KeptColumn]:
    """Return the columns of a file that may leave, numbers of a structure each by itself."""
    comments = dict(
        connection.execute(
            "SELECT column_name, comment FROM duckdb_columns() WHERE schema_name = ? "
            "AND table_name = ? AND database_name = current_database()",
            [SCHEMA, source.name],
        ).fetchall()
    )
    described = connection.execute(f"DESCRIBE {source.rows}").fetchall()
    return [
        column
        for name, sql_type, *_ in described
        if source.dated or name != "day"  # that of the fetch
        for column in _columns(source, name, sql_type, comments.get(name) or _TIME_LOCAL)
    ]


_TIME_LOCAL = "When it was set or began, as the person's clock showed it."


def _columns(source: Source, name: str, sql_type: str, comment: str) -> list[KeptColumn]:
    value = f"s.{quoted(name)}"
    if name in source.words or (sql_type in _KEPT_TYPES and name not in _LEFT_OUT):
        return [KeptColumn(name=name, sql_type=sql_type, value=value, comment=comment)]
    if sql_type.startswith("STRUCT("):
        return [
            KeptColumn(
                name=f"{name}_{part}",
                sql_type="DOUBLE",
                value=f"{value}.{quoted(part)}",
                comment=f"{comment} Of it: {part.replace('_', ' ')}.",
            )
            for part in _numbers(sql_type)
            if f"{name}_{part}" not in _LEFT_OUT
        ]
    return []


def _numbers(sql_type: str) -> list[str]:
    """Return the numbers of a structure; none of one with a series, whose times are instants."""
    parts = duckdb.sqltype(sql_type).children
    if any(str(kind) not in _KEPT_TYPES for _, kind in parts):
        return []
    return [name for name, _ in parts]
