"""A night as a picture, a few sentences and tables: phases of sleep, heart rate and HRV.

What surprises: times are seconds after going to bed, and the clock is the one that the person had
there and then. It goes on through a night in which the clocks change, as Oura's documents do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise

from markupsafe import Markup

from oura_pipeline.web.charts.svg import (
    Point,
    across_axis,
    line,
    path,
    picture,
    plot,
    scale,
    side_word,
    value_axis,
    word,
)
from oura_pipeline.web.labels import listed

PHASES = {"awake": "Awake", "rem": "REM", "light": "Light", "deep": "Deep"}  # from the top
UNIT = 30  # seconds: a phase is not shorter, so that most numbers of a path are whole
_ROW, _BAR, _BAND, _TITLE, _AXIS = 26, 18, 72, 34, 24  # px
LONGEST = 36 * 3600  # seconds: what is dated later than this after going to bed is not believed
_HOURS = (1, 2, 3, 4, 6, 12)
_MOST_MARKS = 5


@dataclass(frozen=True)
class Stretch:
    """A phase of sleep without a break: seconds after going to bed, and its name."""

    start: float
    end: float
    phase: str


@dataclass(frozen=True)
class Beat:
    """Heart rate, bpm, and HRV, ms RMSSD, of an interval: its begin and its length, seconds."""

    second: float
    seconds: float
    bpm: float | None
    hrv: float | None


@dataclass(frozen=True)
class Nap:
    """A sleep that is not the day's night: when it began on the person's clock, minutes asleep."""

    began: datetime
    asleep: float | None


@dataclass(frozen=True, kw_only=True)
class Night:
    """The main sleep of a day.

    Attributes:
        day: Oura's.
        began: going to bed, as the person's clock showed it.
        offset: how far that clock was ahead of UTC, minutes.
        ended: getting up, on the clock at that time; None: Oura does not say it yet.
        seconds: from going to bed to getting up.
        asleep: minutes; None, here and below: Oura does not say.
        in_bed: minutes.
        minutes: of each phase.
        lowest: heart rate, bpm.
        average: heart rate, bpm.
        hrv: average, ms RMSSD.
        stretches: the phases in their order.
        beats: heart rate and HRV in their order.
        naps: of the same day.
    """

    day: date
    began: datetime
    offset: int | None
    ended: datetime | None
    seconds: float | None
    asleep: float | None
    in_bed: float | None
    minutes: dict[str, float | None]
    lowest: float | None
    average: float | None
    hrv: float | None
    stretches: Sequence[Stretch] = ()
    beats: Sequence[Beat] = ()
    naps: Sequence[Nap] = ()

    @property
    def facts(self) -> list[tuple[str, str, str]]:
        """What is to be read first: name, number, unit."""
        return [
            ("Asleep", clock(self.asleep), "h:min"),
            ("Lowest heart rate", whole(self.lowest), "bpm"),
            ("HRV", whole(self.hrv), "ms RMSSD"),
        ]

    @property
    def when(self) -> str:
        """From when to when, on which clock."""
        zone = "" if self.offset is None else f" ({utc(self.offset)})"
        if self.ended is None:
            return f"In bed since {self.began:%H:%M}{zone}. This night has not ended yet."
        return f"In bed from {self.began:%H:%M} to {self.ended:%H:%M}{zone}."

    @property
    def naps_in_words(self) -> str:
        """What else was slept that day; empty: nothing."""
        told = [_nap(nap) for nap in self.naps]
        return f"Also: {listed(told)}." if told else ""

    @property
    def table(self) -> list[tuple[str, str, str]]:
        """The numbers of the picture as a whole: name, number, unit."""
        phases = [(name, clock(self.minutes.get(key)), "h:min") for key, name in PHASES.items()]
        return [
            *phases,
            ("Asleep", clock(self.asleep), "h:min"),
            ("In bed", clock(self.in_bed), "h:min"),
            ("Lowest heart rate", whole(self.lowest), "bpm"),
            ("Average heart rate", whole(self.average), "bpm"),
            ("Average HRV", whole(self.hrv), "ms RMSSD"),
        ]

    @property
    def hours(self) -> list[tuple[str, str, str]]:
        """The lines of the picture by hours of the clock: hour, mean bpm, mean HRV."""
        by_hour: dict[datetime, list[Beat]] = {}
        for beat in self.beats:
            at = self.began + timedelta(seconds=beat.second)
            by_hour.setdefault(at.replace(minute=0, second=0, microsecond=0), []).append(beat)
        return [
            (f"{hour:%H:%M}", _mean(beat.bpm for beat in beats), _mean(beat.hrv for beat in beats))
            for hour, beats in sorted(by_hour.items())
        ]


def night_picture(name: str, night: Night) -> Markup | None:
    """The course of a night; None: there is nothing of it that can be drawn."""
    span = _span(night)
    bands = [band for band in _bands(night) if band.drawable]
    if not bands or span <= 0:
        return None
    tops, bottom = _tops(bands)
    return picture(
        name,
        *across_axis(_clock_marks(night.began, span), 0, bottom),
        *(part for band, top in zip(bands, tops, strict=True) for part in band.parts(top, span)),
        title=f"The night of {night.day}",
        description=_about(night, [band.title for band in bands]),
        height=bottom + _AXIS,
        kind="night",
    )


def clock(minutes: float | None) -> str:
    """Minutes as hours and minutes, `7:05`; a dash for what is not known."""
    if minutes is None:
        return "–"
    whole_minutes = math.floor(minutes + 0.5)
    return f"{whole_minutes // 60}:{whole_minutes % 60:02d}"


def whole(value: float | None) -> str:
    """A number without decimals, halves away from zero; a dash for what is not known."""
    if value is None:
        return "–"
    return f"{math.copysign(math.floor(abs(value) + 0.5), value):.0f}".replace("-0", "0")


def utc(minutes: int) -> str:
    """An offset: `UTC+05:30`."""
    sign = "−" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


@dataclass(frozen=True)
class _Hypnogram:
    stretches: Sequence[Stretch]
    title = "phases of sleep"
    head = 6
    height = _ROW * len(PHASES)

    @property
    def drawable(self) -> bool:
        return bool(self.stretches)

    def parts(self, top: float, span: float) -> Iterator[Markup]:
        for row, words in enumerate(PHASES.values()):
            yield side_word(words, top + row * _ROW + _ROW / 2 + 4)
        bars = [path(_bars(self.stretches, key), f"bars {key}") for key in PHASES]
        risers = path(_risers(self.stretches), "risers")
        yield plot(risers, *bars, top=top, width=span / UNIT, height=self.height)


@dataclass(frozen=True)
class _Line:
    """Values over seconds; None is a gap."""

    points: Sequence[Point | None]
    title: str
    kind: str
    head = _TITLE
    height = _BAND

    @property
    def drawable(self) -> bool:
        return any(self.points)

    def parts(self, top: float, span: float) -> Iterator[Markup]:
        upwards = scale([point[1] for point in self.points if point], self.height)
        drawn = [point and (point[0] / UNIT, upwards.at(point[1])) for point in self.points]
        yield word(self.title, x=0, y=top - 11, kind="name")
        yield from value_axis(upwards, top)
        yield plot(path(line(drawn), self.kind), top=top, width=span / UNIT, height=self.height)


def _bands(night: Night) -> Iterator[_Hypnogram | _Line]:
    yield _Hypnogram(night.stretches)
    bpm = [(beat, beat.bpm) for beat in night.beats]
    yield _Line(_course(bpm), "Heart rate, bpm", "line heart")
    hrv = [(beat, beat.hrv) for beat in night.beats]
    yield _Line(_course(hrv), "HRV, ms RMSSD", "line hrv")


def _course(values: Sequence[tuple[Beat, float | None]]) -> list[Point | None]:
    """Points in the middle of their intervals, and gaps where there is no value."""
    points: list[Point | None] = []
    due = None
    for beat, value in values:
        if due is not None and beat.second > due:
            points.append(None)
        points.append(None if value is None else (beat.second + beat.seconds / 2, value))
        due = beat.second + beat.seconds * 1.5
    return points


def _tops(bands: Sequence[_Hypnogram | _Line]) -> tuple[list[float], float]:
    """Where each band begins, and where the last one ends."""
    tops, y = [], 0.0
    for band in bands:
        tops.append(y + band.head)
        y = tops[-1] + band.height
    return tops, y + 6


def _span(night: Night) -> float:
    """Seconds from going to bed to the last thing known of the night."""
    ends = [stretch.end for stretch in night.stretches]
    ends += [beat.second + beat.seconds for beat in night.beats]
    ends += [] if night.seconds is None else [night.seconds]
    return min(max(ends, default=0), LONGEST)


def _bars(stretches: Sequence[Stretch], phase: str) -> str:
    top = list(PHASES).index(phase) * _ROW + (_ROW - _BAR) // 2
    return "".join(
        f"M{_units(one.start)} {top}h{_units(one.end - one.start)}v{_BAR}H{_units(one.start)}z"
        for one in stretches
        if one.phase == phase
    )


def _risers(stretches: Sequence[Stretch]) -> str:
    """Lines between phases that follow each other at once."""
    rows = {key: row * _ROW + _ROW // 2 for row, key in enumerate(PHASES)}
    return "".join(
        f"M{_units(after.start)} {rows[before.phase]}V{rows[after.phase]}"
        for before, after in pairwise(stretches)
        if before.end == after.start
    )


def _units(seconds: float) -> str:
    return f"{round(seconds / UNIT, 2):.10g}"


def _clock_marks(began: datetime, span: float) -> Iterator[tuple[float, str]]:
    """The full hours of the clock: per cent of the span, and words; not too many of them."""
    step = next((hours for hours in _HOURS if span / 3600 / hours <= _MOST_MARKS), _HOURS[-1])
    mark = began.replace(hour=0, minute=0, second=0, microsecond=0)
    while (place := (mark - began).total_seconds()) <= span:
        if place >= 0:
            yield 100 * place / span, f"{mark:%H:%M}"
        mark += timedelta(hours=step)


def _about(night: Night, titles: Sequence[str]) -> str:
    facts = "; ".join(f"{name} {number} {unit}" for name, number, unit in night.facts)
    return f"{night.when} Drawn are {listed(titles)}. {facts}. The table below has the numbers."


def _nap(nap: Nap) -> str:
    asleep = "" if nap.asleep is None else f", {_spoken(nap.asleep)} asleep"
    return f"a nap at {nap.began:%H:%M}{asleep}"


def _spoken(minutes: float) -> str:
    hours, rest = divmod(math.floor(minutes + 0.5), 60)
    return f"{hours} h {rest} min" if hours else f"{rest} min"


def _mean(values: Iterator[float | None]) -> str:
    known = [value for value in values if value is not None]
    return whole(sum(known) / len(known)) if known else "–"
