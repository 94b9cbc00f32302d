"""A night's drawing, sentences and tables, from literal values."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import pytest

from oura_pipeline.web.charts.night import (
    HeartSample,
    Nap,
    Night,
    PhaseSpan,
    night_chart,
)
from oura_pipeline.web.charts.numbers import hours_minutes, rounded, utc_offset

BEDTIME = datetime(2026, 10, 27, 23, 0)
BARE = Night(
    day=date(2026, 10, 28),
    bedtime=BEDTIME,
    utc_offset=60,
    wake_time=None,
    seconds=None,
    asleep=None,
    in_bed=None,
    minutes={},
    lowest_bpm=None,
    average_bpm=None,
    hrv=None,
)
NIGHT = replace(
    BARE,
    wake_time=BEDTIME + timedelta(hours=2),
    seconds=7200,
    asleep=95.5,
    in_bed=120,
    minutes={"awake": 24.5, "rem": 0, "light": 65.5, "deep": None},
    lowest_bpm=47,
    average_bpm=52.5,
    hrv=48,
    phases=[
        PhaseSpan(0, 600, "awake"),
        PhaseSpan(600, 4500, "light"),
        PhaseSpan(4800, 7200, "deep"),
    ],
    heart=[
        HeartSample(0, 300, 60, None),
        HeartSample(300, 300, 57, 40),
        HeartSample(600, 300, None, 44),
        HeartSample(3600, 300, 50, 48),
        HeartSample(3900, 300, 51.2, 51),
    ],
)


def test_phases_are_bars_and_adjacent_ones_are_joined() -> None:
    """A unit is 30 seconds; the gap before the deep sleep stays one."""
    drawn = night_chart("n", replace(NIGHT, heart=[]))
    assert drawn == (
        '<svg class="chart night" role="img" aria-labelledby="n-title n-about" width="100%" '
        'height="140"><title id="n-title">The night of 2026-10-28</title>'
        '<desc id="n-about">In bed from 23:00 to 01:00 (UTC+01:00). Shows sleep phases. '
        "Asleep 1:36 h:min; Lowest heart rate 47 bpm; HRV 48 ms RMSSD. "
        "The table below has the numbers.</desc>"
        '<line class="rule" x1="0%" x2="0%" y1="0" y2="116"/>'
        '<text class="label" x="0%" y="133" text-anchor="middle">23:00</text>'
        '<line class="rule" x1="50%" x2="50%" y1="0" y2="116"/>'
        '<text class="label" x="50%" y="133" text-anchor="middle">00:00</text>'
        '<line class="rule" x1="100%" x2="100%" y1="0" y2="116"/>'
        '<text class="label" x="100%" y="133" text-anchor="middle">01:00</text>'
        '<text class="label" x="-8" y="23" text-anchor="end">Awake</text>'
        '<text class="label" x="-8" y="49" text-anchor="end">REM</text>'
        '<text class="label" x="-8" y="75" text-anchor="end">Light</text>'
        '<text class="label" x="-8" y="101" text-anchor="end">Deep</text>'
        '<svg class="plot" y="6" width="100%" height="104" viewBox="0 0 240 104" '
        'preserveAspectRatio="none">'
        '<path class="risers" d="M20 13V65"/>'
        '<path class="bars awake" d="M0 4h20v18H0z"/>'
        '<path class="bars rem" d=""/>'
        '<path class="bars light" d="M20 56h130v18H20z"/>'
        '<path class="bars deep" d="M160 82h80v18H160z"/>'
        "</svg></svg>"
    )


def test_heart_rate_and_hrv_are_lines_with_gaps() -> None:
    """A null and a missing hour are gaps; points stand in the middle of their five minutes."""
    drawn = night_chart("n", replace(NIGHT, phases=[]))
    assert drawn is not None
    assert '<path class="line heart" d="M5 0L15 21.6M125 72L135 63.36"/>' in drawn
    assert '<path class="line hrv" d="M15 72L25 52.8M125 33.6L135 19.2"/>' in drawn
    assert "Heart rate, bpm</text>" in drawn
    assert "HRV, ms RMSSD</text>" in drawn
    assert "Awake" not in drawn


def test_missing_values_have_no_axes() -> None:
    """A short night without HRV has a heart rate only; one without any course no drawing."""
    beats = [replace(beat, hrv=None) for beat in NIGHT.heart]
    drawn = night_chart("n", replace(NIGHT, heart=beats))
    assert drawn is not None
    assert ("Heart rate" in drawn, "ms RMSSD</text>" in drawn) == (True, False)
    nulls = [HeartSample(0, 300, None, None)]
    assert [night_chart("n", one) for one in (BARE, replace(NIGHT, phases=[], heart=nulls))] == [
        None,
        None,
    ]


def test_impossible_nights_are_not_drawn() -> None:
    """A night that ended before it began; one of a year is drawn for a day and a half."""
    beats = [HeartSample(0, 300, 50, 50)]
    short = replace(NIGHT, seconds=-60, phases=[], heart=[])
    assert night_chart("n", short) is None
    long = night_chart("n", replace(NIGHT, seconds=365 * 86400, phases=[], heart=beats))
    assert long is not None
    assert 'viewBox="0 0 4320 72"' in long


def test_a_night_has_a_sentence_with_its_times() -> None:
    """From when to when on whose clock, and what else was slept."""
    assert NIGHT.times == "In bed from 23:00 to 01:00 (UTC+01:00)."
    assert BARE.times == "In bed since 23:00 (UTC+01:00). This night has not ended yet."
    traveller = replace(NIGHT, utc_offset=-570, wake_time=BEDTIME + timedelta(hours=8))
    assert traveller.times == "In bed from 23:00 to 07:00 (UTC−09:30)."
    naps = [Nap(datetime(2026, 10, 28, 13, 5), 43.4), Nap(datetime(2026, 10, 28, 17, 0), None)]
    assert replace(NIGHT, naps=naps).naps_text == (
        "Also a nap at 13:05, 43 min asleep and a nap at 17:00."
    )
    long = [Nap(datetime(2026, 10, 28, 13, 5), 65)]
    assert replace(NIGHT, naps=long).naps_text == "Also a nap at 13:05, 1 h 5 min asleep."
    assert NIGHT.naps_text == ""


def test_a_night_has_tables() -> None:
    """What is not known is a dash, and a zero is a zero."""
    assert NIGHT.table == [
        ("Awake", "0:25", "h:min"),
        ("REM", "0:00", "h:min"),
        ("Light", "1:06", "h:min"),
        ("Deep", "–", "h:min"),
        ("Asleep", "1:36", "h:min"),
        ("In bed", "2:00", "h:min"),
        ("Lowest heart rate", "47", "bpm"),
        ("Average heart rate", "53", "bpm"),
        ("Average HRV", "48", "ms RMSSD"),
    ]
    assert {value for _, value, _ in BARE.table} == {"–"}
    assert NIGHT.hours == [("23:00", "59", "42"), ("00:00", "51", "50")]
    assert BARE.hours == []


def test_a_night_when_the_clocks_change_goes_on_by_the_clock_at_bedtime() -> None:
    """Seven hours by both clocks of the person are eight hours of sleep, and drawn as such."""
    night = replace(BARE, wake_time=BEDTIME + timedelta(hours=7), seconds=8 * 3600)
    beats = [HeartSample(hour * 3600, 300, 50, 50) for hour in range(8)]
    night = replace(night, heart=beats)
    drawn = night_chart("n", night)
    assert drawn is not None
    assert night.times.startswith("In bed from 23:00 to 06:00")
    assert 'viewBox="0 0 960 72"' in drawn
    assert [hour for hour, _, _ in night.hours] == [f"{(23 + at) % 24:02d}:00" for at in range(8)]


@pytest.mark.parametrize(
    ("hours", "marks"),
    [
        (0.3, ["23:00"]),
        (5, ["23:00", "00:00", "01:00", "02:00", "03:00", "04:00"]),
        (9, ["00:00", "02:00", "04:00", "06:00", "08:00"]),
        (30, ["00:00", "06:00", "12:00", "18:00", "00:00"]),
        (11, ["00:00", "03:00", "06:00", "09:00"]),
    ],
)
def test_hour_marks_fit_on_a_phone(hours: float, marks: list[str]) -> None:
    """Rarer ones in longer nights."""
    drawn = night_chart("n", replace(BARE, heart=[HeartSample(0, hours * 3600, 50, None)]))
    assert drawn is not None
    words = [part.split("</text>")[0] for part in drawn.split('">')]
    assert [text for text in words if len(text) == 5 and text[2] == ":"] == marks


def test_numbers_are_rounded_as_people_do() -> None:
    """Halves go up; minutes carry over to hours."""
    assert [rounded(value) for value in (None, 0, -0.4, 2.5, 3.5, -2.5)] == [
        "–",
        "0",
        "0",
        "3",
        "4",
        "-3",
    ]
    assert [hours_minutes(value) for value in (None, 0, 59.5, 491.4)] == [
        "–",
        "0:00",
        "1:00",
        "8:11",
    ]
    assert [utc_offset(value) for value in (0, 345, -210)] == [
        "UTC+00:00",
        "UTC+05:45",
        "UTC−03:30",
    ]
