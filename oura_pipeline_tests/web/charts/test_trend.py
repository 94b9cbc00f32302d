"""A trend's drawing and words, from literal values."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest

from oura_pipeline.web.charts.trend import METRICS, Reading, Trend, trend_chart, trend_rows

UNTIL = date(2026, 10, 28)


def reading(back: int, value: float, mean: float | None = 70) -> Reading:
    """So many days before the last one."""
    return Reading(UNTIL - timedelta(days=back), value, mean, 66.4)


HRV = Trend(
    METRICS[3], UNTIL, [reading(89, 50, 50), reading(3, 60), reading(2, 80), reading(0, 70)]
)


def test_days_are_dots_and_means_are_a_line_with_gaps() -> None:
    """Ninety units wide; the last day is marked, and nothing stands for a day without a value."""
    assert trend_chart(HRV) == (
        '<svg class="chart trend" role="img" '
        'aria-labelledby="trend-hrv_average_ms-title trend-hrv_average_ms-about" width="100%" '
        'height="128"><title id="trend-hrv_average_ms-title">HRV, 90 days up to 2026-10-28</title>'
        '<desc id="trend-hrv_average_ms-about">4 days with a value, from 50 to 80 ms RMSSD; '
        "70 ms RMSSD on 2026-10-28. 4 above your 28-day mean of 66.</desc>"
        '<line class="rule" x1="1.11%" x2="1.11%" y1="0" y2="104"/>'
        '<text class="label" x="1.11%" y="121" text-anchor="middle">Aug</text>'
        '<line class="rule" x1="35.56%" x2="35.56%" y1="0" y2="104"/>'
        '<text class="label" x="35.56%" y="121" text-anchor="middle">Sep</text>'
        '<line class="rule" x1="68.89%" x2="68.89%" y1="0" y2="104"/>'
        '<text class="label" x="68.89%" y="121" text-anchor="middle">Oct</text>'
        '<line class="rule" x2="100%" y1="104" y2="104"/>'
        '<text class="label" x="-8" y="108" text-anchor="end">50</text>'
        '<line class="rule" x2="100%" y1="72" y2="72"/>'
        '<text class="label" x="-8" y="76" text-anchor="end">60</text>'
        '<line class="rule" x2="100%" y1="40" y2="40"/>'
        '<text class="label" x="-8" y="44" text-anchor="end">70</text>'
        '<line class="rule" x2="100%" y1="8" y2="8"/>'
        '<text class="label" x="-8" y="12" text-anchor="end">80</text>'
        '<svg class="plot" y="8" width="100%" height="96" viewBox="0 0 90 96" '
        'preserveAspectRatio="none">'
        '<path class="dots" d="M0.5 96h0M86.5 64h0M87.5 0h0M89.5 32h0"/>'
        '<path class="line mean" d="M0.5 96h0M86.5 32L87.5 32M89.5 32h0"/>'
        '<path class="dots last" d="M89.5 32h0"/>'
        "</svg></svg>"
    )


@pytest.mark.parametrize(
    ("value", "mean", "words"),
    [
        (82, 78.4, "4 above your 28-day mean of 78."),
        (70, 78.5, "9 below your 28-day mean of 79."),
        (78.4, 77.6, "The same as your 28-day mean of 78."),
        (0, 1, "1 below your 28-day mean of 1."),
        (82, None, "No value in the 28 days before."),
    ],
)
def test_the_last_value_is_compared_with_28_days(
    value: float, mean: float | None, words: str
) -> None:
    """In numbers that fit those that are shown, and without an opinion."""
    last = Reading(UNTIL, value, mean, mean)
    assert replace(HRV, readings=[last]).comparison == words


def test_one_day_is_enough_for_a_chart() -> None:
    """A dot in a scale around it, and the right grammar."""
    drawn = trend_chart(replace(HRV, readings=[reading(1, 61, None)]))
    assert '<path class="dots" d="M88.5 96h0"/>' in drawn
    assert '<path class="line mean" d=""/>' in drawn
    assert ">1 day with a value, from 61 to 61 ms RMSSD; 61 ms RMSSD on 2026-10-27." in drawn


def test_the_table_has_every_day_with_a_value() -> None:
    """The newest first, with a dash where one of the metrics has none."""
    sleep = Trend(METRICS[0], UNTIL, [reading(2, 77.5), reading(1, 0)])
    assert trend_rows([sleep, HRV]) == [
        (UNTIL, ["–", "70"]),
        (UNTIL - timedelta(days=1), ["0", "–"]),
        (UNTIL - timedelta(days=2), ["78", "80"]),
        (UNTIL - timedelta(days=3), ["–", "60"]),
        (UNTIL - timedelta(days=89), ["–", "50"]),
    ]
    assert trend_rows([]) == []
