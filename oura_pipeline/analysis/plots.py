"""Plot a person's nights and trends."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from oura_pipeline.analysis.frames import AnalysisError, Day, as_date, columns_of, load

# Imported when they are used: whoever only loads frames needs no matplotlib.
if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which people with any colour vision can tell apart.
_ORANGE, _SKY, _BLUE, _VERMILION = "#e69f00", "#56b4e9", "#0072b2", "#d55e00"
_INK, _GREY, _PALE = "#222222", "#6b6b6b", "#dddddd"
_PHASES = {"deep": "#0b2f52", "light": _BLUE, "rem": _SKY, "awake": _ORANGE}
_UNITS = {
    "_bpm": "bpm",
    "_ms": "ms",
    "_minutes": "minutes",
    "_percent": "%",
    "_kcal": "kcal",
    "_per_minute": "per minute",
    "_m_s": "m/s",
    "_m": "m",
    "_c": "°C",
    "_years": "years",
}
_NUMERIC_TYPES = ("BIGINT", "INTEGER", "DOUBLE")
_SPELLINGS = {"hrv": "HRV", "spo2": "SpO₂", "vo2": "VO₂", "rem": "REM"}


def plot_night(username: str, day: Day | None = None) -> Figure:
    """Plot a person's main sleep: its phases, heart rate and HRV, on the person's own clock.

    Args:
        username: the person.
        day: the day of waking up, as Oura has it; default: the newest.

    Raises:
        AnalysisError: there is no such night, or no matplotlib.
    """
    figure = _new_figure(height=6.4)
    night = _night(username, as_date(day, "day"))
    phases, heart = (
        _main_sleep(load(name, username=username, start=night["day"], end=night["day"]))
        for name in ("hypnogram", "sleep_heart")
    )
    first, second, third = figure.subplots(3, 1, sharex=True, height_ratios=[1.1, 1, 1])
    _draw_phases(first, phases)
    _draw_line(second, heart, "bpm", "heart rate\nbpm", _VERMILION)
    _draw_line(third, heart, "hrv_ms", "HRV (RMSSD)\nms", _BLUE)
    _format_hours(third, night)
    _set_title(first, f"{username}, night to {_format_day(night['day'])}", _describe_night(night))
    return figure


def plot_trend(
    metric: str, *, username: str, start: Day | None = None, end: Day | None = None
) -> Figure:
    """Plot a daily number of a person, with the means of the 7 and 28 days before it.

    The band is one standard deviation on both sides of the mean of 28 days. Days without a value
    are gaps, in the means too.

    Args:
        metric: a column of `daily_summary`, for instance `resting_heart_rate_bpm`.
        username: the person.
        start: the first day, a date or YYYY-MM-DD.
        end: the last day, included.

    Raises:
        AnalysisError: there is no such metric or person, or no matplotlib.
    """
    figure = _new_figure(height=4.4)
    _require_metric(metric)
    frame = load("baselines", username=username, start=start, end=end)
    frame = frame[frame["metric"] == metric]
    daily = _every_day(frame, as_date(start, "start"), as_date(end, "end"))
    axes = figure.subplots()
    _draw_trend(axes, daily)
    label, unit = _name_and_unit(metric)
    axes.set_ylabel(unit)
    _format_days(axes, daily)
    _set_title(axes, f"{username}, {label}", _describe_days(daily))
    return figure


def _new_figure(height: float) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise AnalysisError(
            "plots need matplotlib: pip install 'oura_pipeline[analysis]'"
        ) from None
    # Not pyplot's: it would keep every figure, and show it a second time in a notebook.
    figure = Figure(figsize=(9, height), dpi=100, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
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
    axes.step(start, height, where="post", color=_PALE, linewidth=1, zorder=1)
    for phase, color in _PHASES.items():
        chosen = (phases["phase"] == phase).to_numpy()
        axes.barh(
            height[chosen], length[chosen], left=start[chosen], height=0.62, color=color, zorder=2
        )
    axes.set_yticks(list(heights.values()), ["deep", "light", "REM", "awake"])
    axes.set_ylim(-0.55, len(heights) - 0.45)
    _style_axes(axes)
    axes.tick_params(axis="y", length=0)


def _draw_line(axes: Axes, heart: pd.DataFrame, column: str, label: str, color: str) -> None:
    times, values = _break_at_gaps(heart, column)
    axes.plot(
        times, values, color=color, linewidth=1.6, marker="o", markersize=2.6, markeredgewidth=0
    )
    axes.set_ylabel(label)
    _style_axes(axes)


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
        daily.index, low, high, color=_SKY, alpha=0.25, linewidth=0, label="28 days, mean ± 1 sd"
    )
    axes.plot(daily.index, daily["mean_28d"], color=_BLUE, linewidth=1.6, label="mean of 28 days")
    axes.plot(
        daily.index, daily["mean_7d"], color=_VERMILION, linewidth=1.9, label="mean of 7 days"
    )
    axes.plot(daily.index, daily["value"], "o", color=_GREY, markersize=3.2, label="day")
    axes.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0, -0.1),
        ncols=4,
        frameon=False,
        borderaxespad=0,
    )
    _style_axes(axes)


def _every_day(frame: pd.DataFrame, first: date | None, last: date | None) -> pd.DataFrame:
    """Return a row for each day of the range, or from the first to the last day with a value."""
    import pandas as pd

    frame = frame.set_index("day")[["value", "mean_7d", "mean_28d", "sd_28d"]]
    ends = first or frame.index.min(), last or frame.index.max()
    if any(pd.isna(day) for day in ends):
        return frame
    return frame.reindex(pd.date_range(*ends))


def _style_axes(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.grid(axis="y", color=_PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_GREY, labelsize=9)
    axes.yaxis.label.set(color=_INK, fontsize=9)


def _format_hours(axes: Axes, night: pd.Series[Any]) -> None:
    from matplotlib.dates import DateFormatter, HourLocator

    axes.xaxis.set_major_locator(HourLocator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    # When the clocks change in a night, all of it is drawn on the clock of going to bed.
    start = night.dropna().get("bedtime_start_local", night["day"])
    axes.set_xlim(start, start + _duration(night))
    clock = f"{night['username']}'s clock, {_format_offset(night['utc_offset_minutes'])}"
    axes.set_xlabel(clock, color=_INK, fontsize=9)


def _duration(night: pd.Series[Any]) -> Any:
    """Return how long a night is, which may lack its end: what is known of it, else an hour."""
    import pandas as pd

    known = night.dropna()
    lengths = [pd.Timedelta(minutes=known.get("time_in_bed_minutes", 0)), pd.Timedelta(hours=1)]
    if "bedtime_end" in known and "bedtime_start" in known:
        lengths.insert(0, known["bedtime_end"] - known["bedtime_start"])
    # A wrong clock can put the end years away, and matplotlib would draw a tick for each hour.
    return next(one for one in lengths if pd.Timedelta(0) < one <= pd.Timedelta(days=2))


def _format_days(axes: Axes, daily: pd.DataFrame) -> None:
    import pandas as pd
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if not daily["value"].count():
        axes.set_yticks([])
    if daily.empty:
        axes.set_xticks([])
        return
    first, last = daily.index[0], daily.index[-1]
    # At least three days wide: a single day would fill the axis with hours.
    beside = max(pd.Timedelta(hours=12), pd.Timedelta(days=3) - (last - first) / 2)
    axes.set_xlim(first - beside, last + beside)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    named = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(named)


def _set_title(axes: Axes, title: str, below: str) -> None:
    axes.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold", color=_INK)
    axes.annotate(
        below,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(0, 10),
        textcoords="offset points",
        fontsize=9.5,
        color=_GREY,
    )


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


def _name_and_unit(metric: str) -> tuple[str, str]:
    """Return `resting_heart_rate_bpm` as ("resting heart rate", "bpm")."""
    ending = max((one for one in _UNITS if metric.endswith(one)), key=len, default="")
    words = metric.removesuffix(ending).split("_")
    return " ".join(_SPELLINGS.get(word, word) for word in words), _UNITS.get(ending, "")


def _require_metric(metric: str) -> None:
    columns = columns_of("daily_summary")
    numbers = columns.loc[columns["type"].isin(_NUMERIC_TYPES), "column"].tolist()
    if metric not in numbers:
        raise AnalysisError(f"there is no metric {metric!r}; there are {', '.join(numbers)}")
