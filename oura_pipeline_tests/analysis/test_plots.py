"""Plots of nights and trends."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.analysis import AnalysisError, plot_night, plot_trend
from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline_tests.analysis.sleeps import long_sleep
from oura_pipeline_tests.warehouse.views.view_database import ViewDatabase


def test_a_night_is_drawn_on_the_persons_own_clock(home: Path) -> None:
    """Phases, heart rate, HRV; units at the axes; what was not measured interrupts the line."""
    figure = plot_night("ada")
    phases, heart, hrv = figure.axes
    assert phases.get_title(loc="left") == "ada, night to Wednesday 14 January 2026\n"
    assert [text.get_text() for text in phases.texts] == [
        "in bed from 22:00 to 22:30, asleep 0 h 20 min, lowest heart rate 44 bpm, average HRV 60 ms"
    ]
    assert [heart.get_ylabel(), hrv.get_ylabel()] == ["heart rate\nbpm", "HRV (RMSSD)\nms"]
    assert hrv.get_xlabel() == "ada's clock, UTC+05:45"
    assert line(hrv) == [
        ("22:00", None),
        ("22:05", 61.5),
        ("22:15", None),
        ("22:15", 70.0),
        ("22:20", 55.0),
    ]
    assert line(heart)[2:4] == [("22:15", None), ("22:15", 44.0)]


def test_a_night_in_which_the_clocks_change_is_drawn_whole(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From going to bed to getting up, on one clock: put back, it would end an hour early."""
    from matplotlib.dates import num2date

    database = ViewDatabase(Path(shutil.copy(empty_home / "warehouse.duckdb", tmp_path)))
    times = {
        "bedtime_start": "2026-10-25T01:00:00+02:00",
        "bedtime_end": "2026-10-25T04:00:00+01:00",
    }
    database.land(SLEEP, [long_sleep("25", "25T01:00") | {"day": "2026-10-25", **times}])
    database.warehouse.publish(tmp_path / "analytics.duckdb")
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    phases, *_ = plot_night("ada").axes
    assert [f"{num2date(end):%H:%M}" for end in phases.get_xlim()] == ["01:00", "05:00"]
    assert [text.get_text() for text in phases.texts] == ["in bed from 01:00 to 04:00"]


def test_a_night_without_an_offset_is_drawn_without_a_clock(
    empty_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the person's clock showed is unknown then; that there was a night is not."""
    database = ViewDatabase(Path(shutil.copy(empty_home / "warehouse.duckdb", tmp_path)))
    database.land(SLEEP, [long_sleep("25", "24T22:00") | {"bedtime_start": "2026-01-24T22:00:00"}])
    database.warehouse.publish(tmp_path / "analytics.duckdb")
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    figure = plot_night("ada")
    figure.canvas.draw()
    assert figure.axes[2].get_xlabel() == "ada's clock, offset unknown"


def line(axes: Any) -> list[tuple[str, float | None]]:
    """The points of a line, at the times of the clock."""
    import pandas as pd

    times, values = axes.lines[0].get_data(orig=True)
    return [
        (f"{pd.Timestamp(time):%H:%M}", None if math.isnan(value) else float(value))
        for time, value in zip(times, values, strict=True)
    ]


def test_a_phase_is_told_by_its_height_and_by_a_colour_that_everybody_tells_apart(
    home: Path,
) -> None:
    """Awake is on top, deep at the bottom; a bar lasts as long as the phase."""
    from matplotlib.colors import to_hex

    axes = plot_night("ada", "2026-01-14").axes[0]
    bars = [bar for container in axes.containers for bar in container]
    drawn = [(bar.get_y() + bar.get_height() / 2, to_hex(bar.get_facecolor())) for bar in bars]
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "deep",
        "light",
        "REM",
        "awake",
    ]
    assert drawn == [
        (0, "#0b2f52"),
        (1, "#0072b2"),
        (2, "#56b4e9"),
        (2, "#56b4e9"),
        (3, "#e69f00"),
        (3, "#e69f00"),
    ]
    assert [round(bar.get_width() * 24 * 60, 6) for bar in bars] == [5] * 6


def test_a_night_without_anything_inside_is_drawn_empty_and_a_night_that_is_none_refused(
    home: Path,
) -> None:
    """Absence is drawn; to draw nothing at all would hide a mistake."""
    figure = plot_night("ada", "2026-01-12")
    assert [text.get_text() for text in figure.axes[0].texts] == [
        "in bed from 23:30, lowest heart rate 51 bpm"
    ]
    figure.canvas.draw()
    begin, end = figure.axes[2].get_xlim()
    assert round((end - begin) * 24, 6) == 1  # hours: it has not ended
    with pytest.raises(AnalysisError) as caught:
        plot_night("ada", "2026-01-13")
    assert str(caught.value) == "ada has no night to 2026-01-13; `nights` lists all nights"


def test_a_trend_has_gaps_where_there_are_no_values(home: Path) -> None:
    """The days between are there, without a value and without a mean."""
    figure = plot_trend("resting_heart_rate_bpm", username="ada", end="2026-01-15")
    [axes] = figure.axes
    lines = {one.get_label(): one.get_ydata().tolist() for one in axes.lines}
    nan = pytest.approx(math.nan, nan_ok=True)
    assert lines == {
        "mean of 28 days": [nan, nan, 47, nan, 49, nan],
        "mean of 7 days": [nan, nan, 47, nan, 49, nan],
        "day": [47, nan, 51, nan, 44, nan],
    }
    assert axes.get_title(loc="left") == "ada, resting heart rate\n"
    assert axes.get_ylabel() == "bpm"
    assert [text.get_text() for text in axes.texts] == [
        "10 January 2026 to 15 January 2026, 3 of 6 days have a value"
    ]


def test_the_band_is_a_deviation_to_both_sides_of_the_mean(home: Path) -> None:
    """Of the 47 and 51 before, the mean is 49 and the sample's deviation is the root of 8."""
    [axes] = plot_trend("resting_heart_rate_bpm", username="ada", end="2026-01-14").axes
    [band] = axes.collections
    corners = {round(float(y), 3) for path in band.get_paths() for y in path.vertices[:, 1]}
    assert corners == {round(49 - 8**0.5, 3), round(49 + 8**0.5, 3)}


def test_a_trend_without_values_is_drawn_and_one_without_meaning_refused(home: Path) -> None:
    """A person may not have it; a metric that nobody has is a typing error."""
    figure = plot_trend("vo2_max", username="eve", start="2026-01-01", end="2026-01-31")
    figure.canvas.draw()
    assert [text.get_text() for text in figure.axes[0].texts] == ["no day has a value"]
    plot_trend("vo2_max", username="eve").canvas.draw()
    for metric in ("steps_per_day", "username", "stress_summary"):
        with pytest.raises(AnalysisError, match=rf"^there is no metric '{metric}'; there are "):
            plot_trend(metric, username="ada")
