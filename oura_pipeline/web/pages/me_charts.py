"""What the published copy contains about a person: profile, last nights, trends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from oura_pipeline.analysis.frames import AnalysisError, connect
from oura_pipeline.catalog.document_types import PERSONAL_INFO
from oura_pipeline.warehouse.tables import table_name
from oura_pipeline.web.charts.night import MAX_SECONDS, PHASES, HeartSample, Nap, Night, PhaseSpan
from oura_pipeline.web.charts.trend import DAYS, METRICS, Reading, Trend
from oura_pipeline.web.pages.me_text import Brought, profile_rows

LOG = logging.getLogger("oura_pipeline.web")
NIGHTS = 3
_CALENDAR = timedelta(days=366)
_RECENT_DAYS = 10  # in which the newest nights usually are

_ABSURD = 1e12  # nothing that is measured has so many of anything, and charts have no room for it

Found = TypeVar("Found")
Rows = list[tuple[Any, ...]]


@dataclass(frozen=True, kw_only=True)
class PageData:
    """What the published copy contains about a person.

    Attributes:
        published_at: when the copy was written, UTC; None: there is no copy.
        profile: names and values, without the e-mail address.
        nights: the newest ones, newest first.
        trends: of the metrics that have a value.
        left_out: whether numbers are left out because nobody can have so many of anything.
        brought: what their own export brought, by document type.
        brought_days: on which days, of those that the calendar has.
    """

    published_at: datetime | None = None
    profile: Sequence[tuple[str, str]] = ()
    nights: Sequence[Night] = ()
    trends: Sequence[Trend] = ()
    left_out: bool = False
    brought: Mapping[str, Brought] = field(default_factory=dict)
    brought_days: Sequence[date] = ()


def page_data(published: Path, username: str, newest: date | None) -> PageData:
    """Return what the copy contains about a person, of the days up to the newest one.

    Args:
        published: the copy.
        username: the person.
        newest: the newest day of which the API gave documents; None: it gave none.
    """
    try:
        written = datetime.fromtimestamp(published.stat().st_mtime, UTC)
        with connect(published) as database:
            database.execute("SET threads = 1")  # more threads cost more than they help here
            copy = _PublishedCopy(database, username, newest)
            return PageData(
                published_at=written,
                profile=copy.read(copy.profile),
                nights=copy.read(copy.nights),
                trends=copy.read(copy.trends),
                left_out=copy.left_out,
                brought=copy.brought,
                brought_days=copy.read(copy.brought_days),
            )
    except FileNotFoundError:
        return PageData()
    # Python's own errors as well: what DuckDB can hold, Python cannot always.
    except (AnalysisError, duckdb.Error, ArithmeticError, ValueError) as error:
        # Only the class: the message may contain values.
        LOG.warning("the published copy cannot be read: %s", type(error).__name__)
        return PageData()


class _PublishedCopy:
    """The open copy, and the person and days to read.

    Attributes:
        left_out: whether an absurd number was read as none.
        brought: what their own export brought, by document type.
    """

    def __init__(
        self, database: duckdb.DuckDBPyConnection, username: str, newest: date | None
    ) -> None:
        self._database = database
        self._username = username
        self.left_out = False
        self.brought = dict(self.read(self._brought))
        days = [newest, *(one.latest_day for one in self.brought.values())]
        self._last = max(filter(None, days), default=datetime.now(UTC).date())
        self._first = self._last - timedelta(days=DAYS - 1)

    def read(self, query: Callable[[], Sequence[Found]]) -> Sequence[Found]:
        """Return the result of a query, or nothing if an older version published the copy."""
        try:
            return query()
        # A copy of an older version lacks tables, views or columns.
        except (duckdb.CatalogException, duckdb.BinderException):
            return ()

    def profile(self) -> list[tuple[str, str]]:
        query = f"SELECT age, weight, height, biological_sex FROM {table_name(PERSONAL_INFO)}"
        rows = self._rows(f"{query} WHERE username = $1")
        return profile_rows(*rows[0]) if rows else []

    def nights(self) -> list[Night]:
        # Ten days are read faster than 90, and nearly always enough.
        recent = self._last - timedelta(days=_RECENT_DAYS - 1)
        rows = self._rows(_NIGHTS, recent, self._last)
        if len(rows) < NIGHTS:
            rows = self._rows(_NIGHTS, self._first, self._last)
        if not rows:
            return []
        days = (rows[-1][0], rows[0][0])
        phases, heart, naps = (self._rows(query, *days) for query in (_PHASES, _HEART, _NAPS))
        return [_night(row, phases, heart, naps) for row in rows]

    def trends(self) -> list[Trend]:
        readings: dict[str, list[Reading]] = {}
        for name, *values in self._rows(_READINGS, self._first, self._last):
            if values[1] is not None:
                readings.setdefault(name, []).append(Reading(*values))
        known = [metric for metric in METRICS if metric.name in readings]
        return [Trend(metric, self._last, readings[metric.name]) for metric in known]

    def _brought(self) -> list[tuple[str, Brought]]:
        return [(name, Brought(*values)) for name, *values in self._rows(_BROUGHT)]

    def brought_days(self) -> list[date]:
        return [day for (day,) in self._rows(_BROUGHT_DAYS, self._last - _CALENDAR)]

    def _rows(self, query: str, *values: object) -> Rows:
        rows = self._database.execute(query, [self._username, *values]).fetchall()
        return [tuple(map(self._believed, row)) for row in rows]

    def _believed(self, value: Any) -> Any:
        # Also infinity, as which JSON's 1e999 is read, and NaN.
        if not isinstance(value, int | float) or abs(value) < _ABSURD:
            return value
        self.left_out = True
        return None


# Times leave DuckDB as seconds since 1970: converting thousands of them to Python's datetime would
# take longer than everything else.
_NIGHTS = f"""
SELECT day, epoch(bedtime_start), epoch(bedtime_end), bedtime_start_local, bedtime_end_local,
    utc_offset_minutes, total_sleep_minutes, time_in_bed_minutes, awake_minutes, rem_minutes,
    light_minutes, deep_minutes, lowest_heart_rate_bpm, average_heart_rate_bpm, hrv_average_ms
FROM oura.nights WHERE username = $1 AND day BETWEEN $2 AND $3 AND bedtime_start_local IS NOT NULL
ORDER BY day DESC NULLS LAST LIMIT {NIGHTS}
"""
_PHASES = f"""
SELECT day, epoch(time), interval_seconds, phase FROM oura.hypnogram
WHERE username = $1 AND day BETWEEN $2 AND $3 AND part = 'night'
    AND phase IN ({", ".join(f"'{phase}'" for phase in PHASES)})
ORDER BY time ASC NULLS LAST
"""
_HEART = """
SELECT day, epoch(time), interval_seconds, bpm, hrv_ms FROM oura.sleep_heart
WHERE username = $1 AND day BETWEEN $2 AND $3 AND part = 'night' ORDER BY time ASC NULLS LAST
"""
_NAPS = """
SELECT day, bedtime_start_local, total_sleep_minutes FROM oura.naps
WHERE username = $1 AND day BETWEEN $2 AND $3 AND NOT is_short ORDER BY day ASC, nap ASC
"""
_BROUGHT = """
SELECT document_type, sum(documents)::BIGINT, max(day) FROM oura.brought WHERE username = $1
GROUP BY document_type
"""
_BROUGHT_DAYS = "SELECT DISTINCT day FROM oura.brought WHERE username = $1 AND day >= $2"
_NAMES = ", ".join(f"'{metric.name}'" for metric in METRICS)
_VALUES = ", ".join(f"{metric.name}::DOUBLE" for metric in METRICS)
# The same as the view `baselines`, which reads the whole history; here 28 more days are enough.
_READINGS = f"""
WITH readings AS (
    SELECT day, unnest([{_NAMES}]) AS metric, unnest([{_VALUES}]) AS value
    FROM oura.daily_summary WHERE username = $1 AND day BETWEEN $2::DATE - 28 AND $3
), means AS (
    SELECT metric, day, value, avg(believed) OVER days_7, avg(believed) OVER days_28
    FROM (SELECT *, CASE WHEN abs(value) < {_ABSURD} THEN value END AS believed FROM readings)
    WHERE value IS NOT NULL
    WINDOW
        days_7 AS (PARTITION BY metric ORDER BY day ASC NULLS LAST
            RANGE BETWEEN INTERVAL 7 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING),
        days_28 AS (PARTITION BY metric ORDER BY day ASC NULLS LAST
            RANGE BETWEEN INTERVAL 28 DAYS PRECEDING AND INTERVAL 1 DAY PRECEDING)
)
SELECT * FROM means WHERE day >= $2 ORDER BY day ASC NULLS LAST
"""


def _night(row: tuple[Any, ...], phases: Rows, heart: Rows, naps: Rows) -> Night:
    day, start, end, bedtime, wake_time, offset, asleep, in_bed, *minutes = row[:-3]
    lowest, average, hrv = row[-3:]
    return Night(
        day=day,
        bedtime=bedtime,
        wake_time=wake_time,
        seconds=None if end is None else end - start,
        utc_offset=offset,
        asleep=asleep,
        in_bed=in_bed,
        minutes=dict(zip(PHASES, minutes, strict=True)),
        lowest_bpm=lowest,
        average_bpm=average,
        hrv=hrv,
        phases=_merge(_of_night(phases, day, start)),
        heart=[HeartSample(*sample) for sample in _of_night(heart, day, start)],
        naps=[Nap(*nap[1:]) for nap in naps if nap[0] == day],
    )


def _of_night(rows: Rows, day: date, start: float) -> Iterator[tuple[Any, ...]]:
    """Yield what belongs to a day's night: seconds since bedtime, and the other columns."""
    for row_day, at, *values in rows:
        if row_day == day and 0 <= at - start < MAX_SECONDS:
            yield at - start, *values


def _merge(intervals: Iterable[tuple[Any, ...]]) -> list[PhaseSpan]:
    """Merge adjacent intervals of one phase."""
    spans: list[PhaseSpan] = []
    for start, seconds, phase in intervals:
        last = spans[-1] if spans else None
        if last and (last.phase, last.end) == (phase, start):
            spans[-1] = PhaseSpan(last.start, start + seconds, phase)
        else:
            spans.append(PhaseSpan(start, start + seconds, phase))
    return spans
