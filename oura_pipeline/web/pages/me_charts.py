"""What the published copy says of a person: the profile, the last nights, the trends.

What surprises: a copy that an older version published lacks views; what it cannot tell is absent
then, as for somebody of whom nothing was published yet. Times leave DuckDB as seconds since 1970,
because thousands of them as Python's would take longer than everything else.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from oura_pipeline.analysis.frames import AnalysisError, connect
from oura_pipeline.catalog.document_types import PERSONAL_INFO
from oura_pipeline.warehouse.tables import table_name
from oura_pipeline.web.charts.night import LONGEST, PHASES, Beat, Nap, Night, Stretch
from oura_pipeline.web.charts.trend import DAYS, METRICS, Reading, Trend
from oura_pipeline.web.pages.me_text import profile_rows

LOG = logging.getLogger("oura_pipeline.web")
NIGHTS = 3
_RECENT = 10  # days in which the newest nights usually are

_NO_NUMBERS = (math.inf, -math.inf)

Known = TypeVar("Known")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the published copy tells of somebody.

    Attributes:
        published_at: when its content was written, UTC; None: there is no copy.
        profile: name and value, without the address.
        nights: the newest ones, the newest first.
        trends: the metrics that have a value.
    """

    published_at: datetime | None = None
    profile: Sequence[tuple[str, str]] = ()
    nights: Sequence[Night] = ()
    trends: Sequence[Trend] = ()


def told(published: Path, username: str, newest: date) -> Told:
    """What the copy tells of a person of the days up to `newest`."""
    try:
        written = datetime.fromtimestamp(published.stat().st_mtime, UTC)
        with connect(published) as database:
            database.execute("SET threads = 1")  # more of them cost more than they help here
            copy = _Copy(database, username, newest)
            return Told(
                published_at=written,
                profile=copy.ask(copy.profile),
                nights=copy.ask(copy.nights),
                trends=copy.ask(copy.trends),
            )
    except FileNotFoundError:
        return Told()
    except (AnalysisError, duckdb.Error) as error:  # its text may hold values
        LOG.warning("the published copy cannot be read: %s", type(error).__name__)
        return Told()


class _Copy:
    """The copy, opened, and of whom it is asked."""

    def __init__(self, database: duckdb.DuckDBPyConnection, username: str, newest: date) -> None:
        self._database = database
        self._username = username
        self._first, self._last = newest - timedelta(days=DAYS - 1), newest

    def ask(self, question: Callable[[], Sequence[Known]]) -> Sequence[Known]:
        """An answer; an empty one when the copy has no such table, view or column."""
        try:
            return question()
        except (duckdb.CatalogException, duckdb.BinderException):
            return ()

    def profile(self) -> list[tuple[str, str]]:
        """What Oura says about the person."""
        query = f"SELECT age, weight, height, biological_sex FROM {table_name(PERSONAL_INFO)}"
        rows = self._database.execute(f"{query} WHERE username = $1", [self._username]).fetchall()
        return profile_rows(*rows[0]) if rows else []

    def nights(self) -> list[Night]:
        """The newest nights with their courses."""
        recent = self._last - timedelta(days=_RECENT - 1)
        rows = self._rows(_NIGHTS, recent, self._last)
        if len(rows) < NIGHTS:
            rows = self._rows(_NIGHTS, self._first, self._last)
        if not rows:
            return []
        days = (rows[-1][0], rows[0][0])
        phases, beats, naps = (self._rows(query, *days) for query in (_PHASES, _BEATS, _NAPS))
        return [_night(row, phases, beats, naps) for row in rows]

    def trends(self) -> list[Trend]:
        """The metrics that have a value, in their order."""
        found: dict[str, list[Reading]] = {}
        for name, *reading in self._rows(_READINGS, self._first, self._last):
            found.setdefault(name, []).append(Reading(*reading))
        known = [metric for metric in METRICS if metric.name in found]
        return [Trend(metric, self._last, found[metric.name]) for metric in known]

    def _rows(self, query: str, *values: object) -> Rows:
        """What a query finds; a number that is none, as JSON can smuggle in, is not known."""
        rows = self._database.execute(query, [self._username, *values]).fetchall()
        return [tuple(None if value in _NO_NUMBERS else value for value in row) for row in rows]


_NIGHTS = f"""
SELECT day, epoch(bedtime_start), epoch(bedtime_end), bedtime_start_local, bedtime_end_local,
    utc_offset_minutes, total_sleep_minutes, time_in_bed_minutes, awake_minutes, rem_minutes,
    light_minutes, deep_minutes, lowest_heart_rate_bpm, average_heart_rate_bpm, hrv_average_ms
FROM oura.nights WHERE username = $1 AND day BETWEEN $2 AND $3 AND bedtime_start_local IS NOT NULL
ORDER BY day DESC LIMIT {NIGHTS}
"""
_PHASES = f"""
SELECT day, epoch(time), interval_seconds, phase FROM oura.hypnogram
WHERE username = $1 AND day BETWEEN $2 AND $3 AND part = 'night'
    AND phase IN ({", ".join(f"'{phase}'" for phase in PHASES)})
ORDER BY time
"""
_BEATS = """
SELECT day, epoch(time), interval_seconds, bpm, hrv_ms FROM oura.sleep_heart
WHERE username = $1 AND day BETWEEN $2 AND $3 AND part = 'night' ORDER BY time
"""
_NAPS = """
SELECT day, bedtime_start_local, total_sleep_minutes FROM oura.naps
WHERE username = $1 AND day BETWEEN $2 AND $3 ORDER BY day, nap
"""
_NAMES = ", ".join(f"'{metric.name}'" for metric in METRICS)
_VALUES = ", ".join(f"{metric.name}::DOUBLE" for metric in METRICS)
# As the view `baselines` has it, which needs the whole history: here it is 27 days more.
_READINGS = f"""
WITH readings AS (
    SELECT day, unnest([{_NAMES}]) AS metric, unnest([{_VALUES}]) AS value
    FROM oura.daily_summary WHERE username = $1 AND day BETWEEN $2::DATE - 27 AND $3
), means AS (
    SELECT metric, day, value, avg(value) OVER days_7, avg(value) OVER days_28,
        count(value) OVER days_28
    FROM readings WHERE value IS NOT NULL
    WINDOW
        days_7 AS (PARTITION BY metric ORDER BY day
            RANGE BETWEEN INTERVAL 6 DAYS PRECEDING AND CURRENT ROW),
        days_28 AS (PARTITION BY metric ORDER BY day
            RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW)
)
SELECT * FROM means WHERE day >= $2 ORDER BY day
"""


def _night(row: tuple[Any, ...], phases: Rows, beats: Rows, naps: Rows) -> Night:
    day, start, end, began, ended, offset, asleep, in_bed, awake, rem, light, deep, *heart = row
    lowest, average, hrv = heart
    return Night(
        day=day,
        began=began,
        ended=ended,
        seconds=None if end is None else end - start,
        offset=offset,
        asleep=asleep,
        in_bed=in_bed,
        minutes={"awake": awake, "rem": rem, "light": light, "deep": deep},
        lowest=lowest,
        average=average,
        hrv=hrv,
        stretches=_stretches(_within(phases, day, start)),
        beats=[Beat(*found) for found in _within(beats, day, start)],
        naps=[Nap(*found[1:]) for found in naps if found[0] == day],
    )


def _within(rows: Rows, day: date, start: float) -> Iterator[tuple[Any, ...]]:
    """What is of a day's night: seconds after going to bed, and the rest."""
    for of, at, *rest in rows:
        if of == day and 0 <= at - start < LONGEST:
            yield at - start, *rest


def _stretches(intervals: Iterable[tuple[Any, ...]]) -> list[Stretch]:
    """Intervals of one phase that follow each other at once become one stretch."""
    stretches: list[Stretch] = []
    for begin, seconds, phase in intervals:
        last = stretches[-1] if stretches else None
        if last and (last.phase, last.end) == (phase, begin):
            stretches[-1] = Stretch(last.start, begin + seconds, phase)
        else:
            stretches.append(Stretch(begin, begin + seconds, phase))
    return stretches
