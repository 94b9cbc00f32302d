"""A night as a chart, sentences and tables: sleep phases, heart rate and HRV."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from oura_pipeline.web.charts import svg
from oura_pipeline.web.charts.numbers import duration, hours_minutes, mean, rounded, utc_offset
from oura_pipeline.web.labels import join_and

PHASES = {"awake": "Awake", "rem": "REM", "light": "Light", "deep": "Deep"}  # top to bottom
UNIT_SECONDS = 30  # the shortest phase, so that most numbers of a path are integers
# What is dated later than this after bedtime is an error in the document.
MAX_SECONDS = 36 * 3600
_ROW, _BAR, _LINE, _TITLE, _AXIS = 26, 18, 72, 34, 24  # px
_HOUR_STEPS = (1, 2, 3, 4, 6, 12)
_MAX_HOUR_MARKS = 5  # a phone has no room for more


@dataclass(frozen=True)
class PhaseSpan:
    """An uninterrupted sleep phase; start and end are seconds since bedtime."""

    start: float
    end: float
    phase: str


@dataclass(frozen=True)
class HeartSample:
    """Heart rate (bpm) and HRV (ms RMSSD) of an interval; start is in seconds since bedtime."""

    start: float
    seconds: float
    bpm: float | None
    hrv: float | None


@dataclass(frozen=True)
class Nap:
    """A sleep that is not the day's night: start in local time, minutes asleep."""

    start: datetime
    asleep: float | None


@dataclass(frozen=True, kw_only=True)
class Night:
    """The main sleep of a day.

    Attributes:
        day: Oura's.
        bedtime: in local time.
        utc_offset: of the local time at bedtime, minutes.
        wake_time: in local time; None: Oura has not said yet.
        seconds: from bedtime to wake time.
        asleep: minutes; None, here and below: unknown.
        in_bed: minutes.
        minutes: of each phase.
        lowest_bpm: lowest heart rate, bpm.
        average_bpm: average heart rate, bpm.
        hrv: average, ms RMSSD.
        phases: in their order.
        heart: samples, in their order.
        naps: of the same day.
    """

    day: date
    bedtime: datetime
    utc_offset: int | None
    wake_time: datetime | None
    seconds: float | None
    asleep: float | None
    in_bed: float | None
    minutes: dict[str, float | None]
    lowest_bpm: float | None
    average_bpm: float | None
    hrv: float | None
    phases: Sequence[PhaseSpan] = ()
    heart: Sequence[HeartSample] = ()
    naps: Sequence[Nap] = ()

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """The most important values: name, number, unit."""
        return [
            ("Asleep", hours_minutes(self.asleep), "h:min"),
            ("Lowest heart rate", rounded(self.lowest_bpm), "bpm"),
            ("HRV", rounded(self.hrv), "ms RMSSD"),
        ]

    @property
    def times(self) -> str:
        """A sentence with bedtime and wake time."""
        zone = "" if self.utc_offset is None else f" ({utc_offset(self.utc_offset)})"
        if self.wake_time is None:
            return f"In bed since {self.bedtime:%H:%M}{zone}. This night has not ended yet."
        return f"In bed from {self.bedtime:%H:%M} to {self.wake_time:%H:%M}{zone}."

    @property
    def naps_text(self) -> str:
        """A sentence about naps; empty: there were none."""
        return f"Also {join_and([_nap_text(nap) for nap in self.naps])}." if self.naps else ""

    @property
    def table(self) -> list[tuple[str, str, str]]:
        """The values of the whole night: name, number, unit."""
        phases = [
            (title, hours_minutes(self.minutes.get(key)), "h:min") for key, title in PHASES.items()
        ]
        return [
            *phases,
            ("Asleep", hours_minutes(self.asleep), "h:min"),
            ("In bed", hours_minutes(self.in_bed), "h:min"),
            ("Lowest heart rate", rounded(self.lowest_bpm), "bpm"),
            ("Average heart rate", rounded(self.average_bpm), "bpm"),
            ("Average HRV", rounded(self.hrv), "ms RMSSD"),
        ]

    @property
    def hours(self) -> list[tuple[str, str, str]]:
        """The lines of the chart by hour: hour, mean bpm, mean HRV."""
        by_hour: dict[datetime, list[HeartSample]] = {}
        for sample in self.heart:
            # The clock at bedtime goes on through a change to summer time, as in Oura's documents.
            at = self.bedtime + timedelta(seconds=sample.start)
            by_hour.setdefault(at.replace(minute=0, second=0, microsecond=0), []).append(sample)
        return [
            (f"{hour:%H:%M}", mean(one.bpm for one in samples), mean(one.hrv for one in samples))
            for hour, samples in sorted(by_hour.items())
        ]


def night_chart(name: str, night: Night) -> Markup | None:
    """Return the chart of a night; None: there is nothing to draw."""
    span = _span(night)
    bands = [band for band in _bands(night) if band.drawable]
    if not bands or span <= 0:
        return None
    tops, bottom = _layout(bands)
    return svg.chart(
        name,
        *svg.x_axis(_hour_marks(night.bedtime, span), 0, bottom),
        *(part for band, top in zip(bands, tops, strict=True) for part in band.parts(top, span)),
        title=f"The night of {night.day}",
        description=_description(night, [band.title for band in bands]),
        height=bottom + _AXIS,
        css_class="night",
    )


@dataclass(frozen=True)
class _Hypnogram:
    phases: Sequence[PhaseSpan]
    title = "sleep phases"
    head = 6
    height = _ROW * len(PHASES)

    @property
    def drawable(self) -> bool:
        return bool(self.phases)

    def parts(self, top: float, span: float) -> Iterator[Markup]:
        for row, title in enumerate(PHASES.values()):
            yield svg.side_label(title, top + row * _ROW + _ROW / 2 + 4)
        bars = [svg.path(_bars(self.phases, key), f"bars {key}") for key in PHASES]
        risers = svg.path(_risers(self.phases), "risers")
        yield svg.plot(risers, *bars, top=top, width=span / UNIT_SECONDS, height=self.height)


@dataclass(frozen=True)
class _Line:
    """Values over seconds; None is a gap."""

    points: Sequence[svg.Point | None]
    title: str
    css_class: str
    head = _TITLE
    height = _LINE

    @property
    def drawable(self) -> bool:
        return any(self.points)

    def parts(self, top: float, span: float) -> Iterator[Markup]:
        values = svg.scale([point[1] for point in self.points if point], self.height)
        scaled = [point and (point[0] / UNIT_SECONDS, values.y(point[1])) for point in self.points]
        yield svg.text(self.title, x=0, y=top - 11, css_class="name")
        yield from svg.y_axis(values, top)
        drawn = svg.path(svg.line(scaled), self.css_class)
        yield svg.plot(drawn, top=top, width=span / UNIT_SECONDS, height=self.height)


def _bands(night: Night) -> Iterator[_Hypnogram | _Line]:
    yield _Hypnogram(night.phases)
    bpm = [(sample, sample.bpm) for sample in night.heart]
    yield _Line(_points(bpm), "Heart rate, bpm", "line heart")
    hrv = [(sample, sample.hrv) for sample in night.heart]
    yield _Line(_points(hrv), "HRV, ms RMSSD", "line hrv")


def _points(values: Sequence[tuple[HeartSample, float | None]]) -> list[svg.Point | None]:
    """Return points in the middle of their intervals, and gaps where there is no value."""
    points: list[svg.Point | None] = []
    due = None
    for sample, value in values:
        if due is not None and sample.start > due:
            points.append(None)
        points.append(None if value is None else (sample.start + sample.seconds / 2, value))
        # Half an interval late is still adjacent.
        due = sample.start + sample.seconds * 1.5
    return points


def _layout(bands: Sequence[_Hypnogram | _Line]) -> tuple[list[float], float]:
    """Return where each band begins, and where the last one ends."""
    tops, y = [], 0.0
    for band in bands:
        tops.append(y + band.head)
        y = tops[-1] + band.height
    return tops, y + 6


def _span(night: Night) -> float:
    """Return the seconds from bedtime to the last thing known of the night."""
    ends = [phase.end for phase in night.phases]
    ends += [sample.start + sample.seconds for sample in night.heart]
    ends += [] if night.seconds is None else [night.seconds]
    # A night may have samples beyond its wake time, or no wake time yet.
    return min(max(ends, default=0), MAX_SECONDS)


def _bars(phases: Sequence[PhaseSpan], key: str) -> str:
    top = list(PHASES).index(key) * _ROW + (_ROW - _BAR) // 2
    return "".join(
        f"M{_units(one.start)} {top}h{_units(one.end - one.start)}v{_BAR}H{_units(one.start)}z"
        for one in phases
        if one.phase == key
    )


def _risers(phases: Sequence[PhaseSpan]) -> str:
    """Return lines between adjacent phases."""
    rows = {key: row * _ROW + _ROW // 2 for row, key in enumerate(PHASES)}
    return "".join(
        f"M{_units(after.start)} {rows[before.phase]}V{rows[after.phase]}"
        for before, after in pairwise(phases)
        if before.end == after.start
    )


def _units(seconds: float) -> str:
    return f"{round(seconds / UNIT_SECONDS, 2):.10g}"


def _hour_marks(bedtime: datetime, span: float) -> Iterator[tuple[float, str]]:
    """Yield full hours: per cent of the span, and the time."""
    fitting = (step for step in _HOUR_STEPS if span / 3600 / step <= _MAX_HOUR_MARKS)
    step = next(fitting, _HOUR_STEPS[-1])
    mark = bedtime.replace(hour=0, minute=0, second=0, microsecond=0)
    while (seconds := (mark - bedtime).total_seconds()) <= span:
        if seconds >= 0:
            yield 100 * seconds / span, f"{mark:%H:%M}"
        mark += timedelta(hours=step)


def _description(night: Night, titles: Sequence[str]) -> str:
    facts = "; ".join(f"{name} {number} {unit}" for name, number, unit in night.facts)
    return f"{night.times} Shows {join_and(titles)}. {facts}. The table below has the numbers."


def _nap_text(nap: Nap) -> str:
    asleep = "" if nap.asleep is None else f", {duration(nap.asleep)} asleep"
    return f"a nap at {nap.start:%H:%M}{asleep}"
