"""Plot a person's nights and trends."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

from oura_pipeline.analysis.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    PEOPLE_COLORS,
    SKY,
    VERMILION,
    add_legend,
    format_days,
    name_and_unit,
    new_figure,
    require_metric,
    set_title,
    style_axes,
)
from oura_pipeline.analysis.frames import AnalysisError, Day, as_date, load

# Imported when they are used: whoever only loads frames needs no matplotlib.
if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PHASES = {"deep": "#0b2f52", "light": BLUE, "rem": SKY, "awake": ORANGE}


def plot_night(username: str, day: Day | None = None) -> Figure:
    """Plot a person's main sleep: its phases, heart rate and HRV, on the person's own clock.

    Args:
        username: the person.
        day: the day of waking up, as Oura has it; default: the newest.

    Raises:
        AnalysisError: there is no such night, or no matplotlib.
    """
    figure = new_figure(height=6.4)
    night = _night(username, as_date(day, "day"))
    phases, heart = (
        _main_sleep(load(name, username=username, start=night["day"], end=night["day"]))
        for name in ("hypnogram", "sleep_heart")
    )
    first, second, third = figure.subplots(3, 1, sharex=True, height_ratios=[1.1, 1, 1])
    _draw_phases(first, phases)
    _draw_line(second, heart, "bpm", "heart rate\nbpm", VERMILION)
    _draw_line(third, heart, "hrv_ms", "HRV (RMSSD)\nms", BLUE)
    _format_hours(third, night)
    set_title(first, f"{username}, night to {_format_day(night['day'])}", _describe_night(night))
    return figure


def plot_trend(
    metric: str,
    *,
    username: str | Sequence[str],
    start: Day | None = None,
    end: Day | None = None,
) -> Figure:
    """Plot a daily number of a person, with the means of the 7 and 28 days before it.

    The band is one standard deviation on both sides of the mean of 28 days. Days without a value
    are gaps, in the means too. Of several people it is each one's days and mean of 7 days.

    Args:
        metric: a column of `daily_summary`, for instance `resting_heart_rate_bpm`.
        username: the person, or up to seven people.
        start: the first day, a date or YYYY-MM-DD.
        end: the last day, included.

    Raises:
        AnalysisError: there is no such metric or person, too many, or no matplotlib.
    """
    figure = new_figure(height=4.4)
    require_metric(metric)
    usernames = [username] if isinstance(username, str) else list(dict.fromkeys(username))
    if not 0 < len(usernames) <= len(PEOPLE_COLORS):
        raise AnalysisError(f"name one to {len(PEOPLE_COLORS)} people, not {len(usernames)}")
    frame = load("baselines", username=usernames, start=start, end=end)
    frame = frame[frame["metric"] == metric]
    axes = figure.subplots()
    if len(usernames) == 1:
        daily = _every_day(frame, as_date(start, "start"), as_date(end, "end"))
        _draw_trend(axes, daily)
        below = _describe_days(daily)
    else:
        daily = _draw_trends(axes, frame, usernames)
        below = "days, and each person's mean of the 7 days before"
    label, unit = name_and_unit(metric)
    axes.set_ylabel(unit)
    format_days(axes, daily)
    set_title(axes, f"{', '.join(usernames)}, {label}", below)
    return figure


def _night(username: str, day: date | None) -> pd.Series[Any]:
    nights = load("nights", username=username, start=day, end=day)
    if nights.empty:
        which = f"to {day}" if day else "yet"
        raise AnalysisError(f"{username} has no night {which}; `nights` lists all nights")
    return nights.iloc[-1]


def _main_sleep(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["part"] == "night"]


def _draw_phases(axes: Axes, phases: pd.DataFrame) -> None:
    """Draw a bar for each stretch of one phase, and a thin line from one to the next."""
    heights = {phase: row for row, phase in enumerate(_PHASES)}
    height = phases["phase"].map(heights).to_numpy(dtype="float64")
    start = phases["time_local"].to_numpy()
    length = phases["interval_seconds"].to_numpy(dtype="timedelta64[s]")
    axes.step(start, height, where="post", color=PALE, linewidth=1, zorder=1)
    for phase, color in _PHASES.items():
        chosen = (phases["phase"] == phase).to_numpy()
        axes.barh(
            height[chosen], length[chosen], left=start[chosen], height=0.62, color=color, zorder=2
        )
    axes.set_yticks(list(heights.values()), ["deep", "light", "REM", "awake"])
    axes.set_ylim(-0.55, len(heights) - 0.45)
    style_axes(axes)
    axes.tick_params(axis="y", length=0)


def _draw_line(axes: Axes, heart: pd.DataFrame, column: str, label: str, color: str) -> None:
    times, values = _break_at_gaps(heart, column)
    axes.plot(
        times, values, color=color, linewidth=1.6, marker="o", markersize=2.6, markeredgewidth=0
    )
    axes.set_ylabel(label)
    style_axes(axes)


def _break_at_gaps(heart: pd.DataFrame, column: str) -> tuple[Any, Any]:
    """Return times and values, with a NaN where items are missing, which interrupts the line."""
    import numpy as np

    times, values = heart["time_local"].to_numpy(), heart[column].to_numpy(dtype="float64")
    # Half an interval of tolerance: only a missing item is a gap.
    usual = np.timedelta64(int(heart["interval_seconds"].max() * 1.5) if len(heart) else 0, "s")
    after = np.flatnonzero(np.diff(times) > usual) + 1
    return np.insert(times, after, times[after]), np.insert(values, after, np.nan)


def _draw_trend(axes: Axes, daily: pd.DataFrame) -> None:
    low, high = (daily["mean_28d"] + sign * daily["sd_28d"] for sign in (-1, 1))
    axes.fill_between(
        daily.index, low, high, color=SKY, alpha=0.25, linewidth=0, label="28 days, mean ± 1 sd"
    )
    axes.plot(daily.index, daily["mean_28d"], color=BLUE, linewidth=1.6, label="mean of 28 days")
    axes.plot(daily.index, daily["mean_7d"], color=VERMILION, linewidth=1.9, label="mean of 7 days")
    axes.plot(daily.index, daily["value"], "o", color=GREY, markersize=3.2, label="day")
    add_legend(axes)
    style_axes(axes)


def _draw_trends(axes: Axes, frame: pd.DataFrame, usernames: Sequence[str]) -> pd.DataFrame:
    """Draw each person's days and mean; return a row for every day of all of them."""
    for username, color in zip(usernames, PEOPLE_COLORS, strict=False):
        daily = _every_day(frame[frame["username"] == username], None, None)
        axes.plot(daily.index, daily["value"], "o", color=color, markersize=2.6, alpha=0.45)
        axes.plot(daily.index, daily["mean_7d"], color=color, linewidth=1.9, label=username)
    add_legend(axes)
    style_axes(axes)
    return _every_day(frame.drop_duplicates("day").sort_values("day"), None, None)


def _every_day(frame: pd.DataFrame, first: date | None, last: date | None) -> pd.DataFrame:
    """Return a row for each day of the range, or from the first to the last day with a value."""
    import pandas as pd

    frame = frame.set_index("day")[["value", "mean_7d", "mean_28d", "sd_28d"]]
    ends = first or frame.index.min(), last or frame.index.max()
    if any(pd.isna(day) for day in ends):
        return frame
    return frame.reindex(pd.date_range(*ends))


def _format_hours(axes: Axes, night: pd.Series[Any]) -> None:
    from matplotlib.dates import DateFormatter, HourLocator

    axes.xaxis.set_major_locator(HourLocator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    # When the clocks change in a night, all of it is drawn on the clock of going to bed.
    start = night.dropna().get("bedtime_start_local", night["day"])
    axes.set_xlim(start, start + _duration(night))
    clock = f"{night['username']}'s clock, {_format_offset(night['utc_offset_minutes'])}"
    axes.set_xlabel(clock, color=INK, fontsize=9)


def _duration(night: pd.Series[Any]) -> Any:
    """Return how long a night is, which may lack its end: what is known of it, else an hour."""
    import pandas as pd

    known = night.dropna()
    lengths = [pd.Timedelta(minutes=known.get("time_in_bed_minutes", 0)), pd.Timedelta(hours=1)]
    if "bedtime_end" in known and "bedtime_start" in known:
        lengths.insert(0, known["bedtime_end"] - known["bedtime_start"])
    # A wrong clock can put the end years away, and matplotlib would draw a tick for each hour.
    return next(one for one in lengths if pd.Timedelta(0) < one <= pd.Timedelta(days=2))


def _format_day(day: pd.Timestamp) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _describe_days(daily: pd.DataFrame) -> str:
    if not daily["value"].count():
        return "no day has a value"
    first, last = (f"{day.day} {day:%B %Y}" for day in (daily.index[0], daily.index[-1]))
    return f"{first} to {last}, {daily['value'].count()} of {len(daily)} days have a value"


def _describe_night(night: pd.Series[Any]) -> str:
    """Return in one line what is known of a night."""
    known = night.dropna()
    parts = ["local bedtime unknown"]
    if "bedtime_start_local" in known:
        parts = [f"in bed from {known['bedtime_start_local']:%H:%M}"]
    if "bedtime_start_local" in known and "bedtime_end_local" in known:
        parts[0] += f" to {known['bedtime_end_local']:%H:%M}"
    if "total_sleep_minutes" in known:
        hours, minutes = divmod(round(known["total_sleep_minutes"]), 60)
        parts.append(f"asleep {hours} h {minutes} min")
    if "lowest_heart_rate_bpm" in known:
        parts.append(f"lowest heart rate {known['lowest_heart_rate_bpm']:g} bpm")
    if "hrv_average_ms" in known:
        parts.append(f"average HRV {known['hrv_average_ms']:g} ms")
    return ", ".join(parts)


def _format_offset(minutes: Any) -> str:
    import pandas as pd

    if pd.isna(minutes):
        return "offset unknown"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"
