"""The published copy in a notebook: ask it in SQL, load from it into pandas, draw from it.

What surprises: each connection is to the copy that is the newest at that moment. DuckDB gives a
process that opens a path for the second time the file it has open under that path already, which
a later publishing has replaced; a file that is attached to a database in memory is opened anew.
Nothing here imports Dagster, and pandas and matplotlib are imported when they are used.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.connection import SETTINGS
from oura_pipeline.warehouse.tables import SCHEMA, literal, quoted

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Day = date | str

# DuckDB waits for ever for itself when a union of many parts fills the buffer between it and us
# (duckdb/duckdb#22215): a month of `long` did. Results are fetched whole anyway.
_NO_LIMIT = "SET streaming_buffer_size = '1TB'"

# Okabe and Ito's colours, which people with any colour vision tell apart; a phase has its height.
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
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE")
_SPOKEN = {"hrv": "HRV", "spo2": "SpO₂", "vo2": "VO₂", "rem": "REM"}


class AnalysisError(Exception):
    """What was asked cannot be answered; the message is one line and says what to do."""


def connect(path: Path | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the newest published copy, in UTC.

    `nights` and `oura.nights` both work. A connection keeps the copy that it was made for; connect
    again for a newer one. A cursor of it needs `analytics.oura.nights`.

    Args:
        path: a published copy; default: that of the settings.

    Raises:
        AnalysisError: there is none yet, or this DuckDB cannot read it.
    """
    path = path or load_settings().storage.analytics_path
    if not path.exists():
        raise AnalysisError(f"there is no {path} yet: `oura-pipeline sync` publishes it")
    connection = duckdb.connect(config=SETTINGS)
    try:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(_NO_LIMIT)
        connection.execute(f"ATTACH {literal(str(path))} AS analytics (READ_ONLY)")
        connection.execute(f"USE analytics.{SCHEMA}")
    except duckdb.Error as error:
        connection.close()
        raise AnalysisError(
            f"{path} cannot be read by DuckDB {duckdb.__version__}: {one_line(error)}"
        ) from None
    return connection


def one_line(error: duckdb.Error) -> str:
    """What DuckDB complains of, without the query that it repeats."""
    return " ".join(str(error).partition("\nLINE ")[0].split())


def columns_of(name: str) -> pd.DataFrame:
    """The columns of a view or table of the published copy: column, type, comment.

    Raises:
        AnalysisError: there is no such view or table.
    """
    import pandas as pd

    with closing(connect()) as connection:
        rows = _columns(connection, name)
    return pd.DataFrame(rows, columns=["column", "type", "comment"], dtype=_text())


def load(
    name: str,
    *,
    username: str | Sequence[str] | None = None,
    start: Day | None = None,
    end: Day | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A view or table of the published copy, ordered by person, day and time.

    Days and times on the person's clock are `datetime64[us]`, instants `datetime64[us, UTC]`,
    whole numbers `Int64` (so that a missing one neither is 0 nor makes the others 7.0), other
    numbers `float64` with NaN (which numpy, matplotlib and statsmodels take as it is), truth
    `boolean`, texts pandas' `str`; lists and structures are objects.

    Args:
        name: for instance `daily_summary`; `SELECT * FROM readme` lists all.
        username: one person or several; default: everybody.
        start: the first day, a date or YYYY-MM-DD.
        end: the last day, included.
        columns: only these, in this order.

    Raises:
        AnalysisError: the copy has no such name or column, has never heard of the person, or the
            days are none. A person or a time without data is an empty frame.
    """
    asked = [username] if isinstance(username, str) else username
    first, last = _day(start, "start"), _day(end, "end")
    if first and last and first > last:
        raise AnalysisError(f"the start, {first}, is after the end, {last}: swap them")
    with closing(connect()) as connection:
        types = {column: sql_type for column, sql_type, _ in _columns(connection, name)}
        wanted = list(types) if columns is None else list(columns)
        _must_have(name, types, wanted)
        if not wanted:
            raise AnalysisError("no column is asked for: name some, or leave `columns` out for all")
        where, values = _filters(name, types, asked, first, last)
        frame = _frame(
            connection.execute(
                f"SELECT {', '.join(map(quoted, wanted))} FROM {SCHEMA}.{quoted(name)} "
                f"WHERE {where} ORDER BY {_order(types)}",
                values,
            )
        )
        if asked and (frame.empty or len(asked) > 1):
            _must_know(connection, asked)
    return frame


def plot_night(username: str, day: Day | None = None) -> Figure:
    """A person's main sleep: its phases, heart rate and HRV, on the person's own clock.

    Args:
        username: the person.
        day: the day of waking up, as Oura has it; default: the newest.

    Raises:
        AnalysisError: there is no such night, or no matplotlib.
    """
    figure = _new_figure(height=6.4)
    night = _night(username, _day(day, "day"))
    phases, heart = (
        _of_the_night(load(name, username=username, start=night["day"], end=night["day"]))
        for name in ("hypnogram", "sleep_heart")
    )
    first, second, third = figure.subplots(3, 1, sharex=True, height_ratios=[1.1, 1, 1])
    _draw_phases(first, phases)
    _draw_line(second, heart, "bpm", "heart rate\nbpm", _VERMILION)
    _draw_line(third, heart, "hrv_ms", "HRV (RMSSD)\nms", _BLUE)
    _mark_hours(third, night)
    _head(first, f"{username}, night to {_day_in_words(night['day'])}", _night_in_words(night))
    return figure


def plot_trend(
    metric: str, *, username: str, start: Day | None = None, end: Day | None = None
) -> Figure:
    """A number per day of a person, with its means of 7 and 28 days.

    The band is one standard deviation to both sides of the mean of 28 days. Days without the
    number are gaps, in the means too.

    Args:
        metric: a column of `daily_summary`, for instance `resting_heart_rate_bpm`.
        username: the person.
        start: the first day, a date or YYYY-MM-DD.
        end: the last day, included.

    Raises:
        AnalysisError: there is no such metric or person, or no matplotlib.
    """
    figure = _new_figure(height=4.4)
    _must_be_a_metric(metric)
    frame = load("baselines", username=username, start=start, end=end)
    daily = _every_day(frame[frame["metric"] == metric], _day(start, "start"), _day(end, "end"))
    axes = figure.subplots()
    _draw_trend(axes, daily)
    label, unit = _metric_in_words(metric)
    axes.set_ylabel(unit)
    _mark_days(axes, daily)
    _head(axes, f"{username}, {label}", _days_in_words(daily))
    return figure


def _columns(connection: duckdb.DuckDBPyConnection, name: str) -> list[tuple[str, str, str | None]]:
    """Name, type and comment of each column; refuses a name that the copy does not have."""
    rows = connection.execute(
        "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
        "WHERE database_name = 'analytics' AND schema_name = ? ORDER BY table_name, column_index",
        [SCHEMA],
    ).fetchall()
    found = [row[1:] for row in rows if row[0] == name]
    if not found:
        there = ", ".join(dict.fromkeys(row[0] for row in rows))
        raise AnalysisError(f"the published copy has no {name!r}; it has {there or 'nothing'}")
    return found


def _must_have(name: str, types: dict[str, str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if column not in types:
            raise AnalysisError(f"{name} has no column {column!r}; it has {', '.join(types)}")


def _must_know(connection: duckdb.DuckDBPyConnection, asked: Sequence[str]) -> None:
    """Refuse a name that stands nowhere in the copy: it is a typing error, not an absence."""
    tables = connection.execute(
        "SELECT table_name FROM duckdb_columns() JOIN duckdb_tables() "
        "USING (database_name, schema_name, table_name) WHERE database_name = 'analytics' "
        "AND schema_name = ? AND column_name = 'username'",
        [SCHEMA],
    ).fetchall()
    each = " UNION ".join(
        f"SELECT DISTINCT username FROM {SCHEMA}.{quoted(table)}" for (table,) in tables
    )
    known = {username for (username,) in connection.execute(each).fetchall()} if tables else set()
    for username in asked:
        if username not in known:
            there = ", ".join(sorted(known)) or "nobody"
            raise AnalysisError(f"the published copy knows no {username!r}; it knows {there}")


def _filters(
    name: str,
    types: dict[str, str],
    asked: Sequence[str] | None,
    first: date | None,
    last: date | None,
) -> tuple[str, list[Any]]:
    """What WHERE says, and its parameters."""
    filters: list[tuple[str, str, Any]] = []
    if asked is not None:
        filters.append(("username", "username IN (SELECT unnest(?::VARCHAR[]))", list(asked)))
    if first:
        filters.append(("day", "day >= ?", first))
    if last:
        filters.append(("day", "day <= ?", last))
    _must_have(name, types, [column for column, _, _ in filters])
    return " AND ".join(sql for _, sql, _ in filters) or "true", [value for *_, value in filters]


def _order(types: dict[str, str]) -> str:
    """Person, day, then times, then texts: what tells rows apart; numbers are what they say."""
    times = [name for name, sql_type in types.items() if sql_type.startswith("TIMESTAMP")]
    texts = [name for name, sql_type in types.items() if sql_type == "VARCHAR"]
    first = [name for name in ("username", "day") if name in types]
    return ", ".join(quoted(name) for name in dict.fromkeys([*first, *times, *texts]))


def _day(given: Day | None, what: str) -> date | None:
    """A date, whatever form a notebook has it in."""
    if isinstance(given, datetime):  # pandas' Timestamp too
        return given.date()
    if given is None or isinstance(given, date):
        return given
    try:
        return date.fromisoformat(given)
    except (TypeError, ValueError):
        raise AnalysisError(f"the {what} is a date or YYYY-MM-DD, not {given!r}") from None


def _frame(result: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """The rows of a result, with the types that `load` promises, also without rows."""
    import pandas as pd

    types = {name: str(sql_type) for name, sql_type, *_ in result.description or ()}
    arrays = result.fetchnumpy()
    return pd.DataFrame({name: _series(arrays[name], types[name]) for name in types})


def _series(array: np.ndarray[Any, Any], sql_type: str) -> Any:
    """A column as pandas keeps it; numpy marks missing values with a mask of their own."""
    import numpy as np
    import pandas as pd

    values, missing = np.ma.getdata(array), np.ma.getmaskarray(array)
    if sql_type == "TIMESTAMP WITH TIME ZONE":
        return pd.Series(_moments(values, missing)).dt.tz_localize("UTC")
    if values.dtype.kind == "M":
        return pd.Series(_moments(values, missing))
    if values.dtype.kind == "b":
        return pd.arrays.BooleanArray(values, missing)
    if values.dtype.kind in "iu":
        return pd.arrays.IntegerArray(values.astype("int64"), missing)
    if values.dtype.kind == "f":
        return np.where(missing, np.nan, values).astype("float64")
    objects = pd.Series(values, dtype=object)
    return objects.astype(_text()) if sql_type in ("VARCHAR", "JSON") else objects


def _moments(values: Any, missing: Any) -> Any:
    import numpy as np

    return np.where(missing, np.datetime64("NaT"), values).astype("datetime64[us]")


def _text() -> Any:
    """The text type that pandas 3 calls `str`, which pandas 2 has too."""
    import numpy as np
    import pandas as pd

    return pd.StringDtype(na_value=np.nan)


def _new_figure(height: float) -> Figure:
    """A figure that pyplot knows nothing of: nothing to close, nothing to show by accident."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise AnalysisError(
            "drawing needs matplotlib: pip install 'oura_pipeline[analysis]'"
        ) from None
    figure = Figure(figsize=(9, height), dpi=100, facecolor="white")
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
    return figure


def _night(username: str, day: date | None) -> pd.Series[Any]:
    nights = load("nights", username=username, start=day, end=day)
    if nights.empty:
        which = f"to {day}" if day else "yet"
        raise AnalysisError(f"{username} has no night {which}; `nights` has those there are")
    return nights.iloc[-1]


def _of_the_night(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["part"] == "night"]


def _draw_phases(axes: Axes, phases: pd.DataFrame) -> None:
    """A bar for each stretch of the same phase, and a thin line that leads from one to the next."""
    heights = {phase: place for place, phase in enumerate(_PHASES)}
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
    _tidy(axes)
    axes.tick_params(axis="y", length=0)


def _draw_line(axes: Axes, heart: pd.DataFrame, column: str, label: str, color: str) -> None:
    times, values = _with_gaps(heart, column)
    axes.plot(
        times, values, color=color, linewidth=1.6, marker="o", markersize=2.6, markeredgewidth=0
    )
    axes.set_ylabel(label)
    _tidy(axes)


def _with_gaps(heart: pd.DataFrame, column: str) -> tuple[Any, Any]:
    """Times and values; where items are missing a value that is none interrupts the line."""
    import numpy as np

    times, values = heart["time_local"].to_numpy(), heart[column].to_numpy(dtype="float64")
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
    _tidy(axes)


def _every_day(frame: pd.DataFrame, first: date | None, last: date | None) -> pd.DataFrame:
    """A row for each day that was asked for, or from the first to the last one with a value."""
    import pandas as pd

    frame = frame.set_index("day")[["value", "mean_7d", "mean_28d", "sd_28d"]]
    ends = first or frame.index.min(), last or frame.index.max()
    if any(pd.isna(day) for day in ends):
        return frame
    return frame.reindex(pd.date_range(*ends))


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(_PALE)
    axes.grid(axis="y", color=_PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_GREY, labelsize=9)
    axes.yaxis.label.set(color=_INK, fontsize=9)


def _mark_hours(axes: Axes, night: pd.Series[Any]) -> None:
    from matplotlib.dates import DateFormatter, HourLocator

    axes.xaxis.set_major_locator(HourLocator())  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M"))  # type: ignore[no-untyped-call]
    # The clock of going to bed all through, like what is drawn, also when the clocks change.
    start = night.dropna().get("bedtime_start_local", night["day"])
    axes.set_xlim(start, start + _length(night))
    clock = f"{night['username']}'s clock, {_offset_in_words(night['utc_offset_minutes'])}"
    axes.set_xlabel(clock, color=_INK, fontsize=9)


def _length(night: pd.Series[Any]) -> Any:
    """How long a night is that may not have ended: what is known of it, else an hour."""
    import pandas as pd

    known = night.dropna()
    lengths = [
        pd.Timedelta(minutes=known.get("time_in_bed_minutes", 0)),
        pd.Timedelta(hours=1),
    ]
    if "bedtime_end" in known and "bedtime_start" in known:
        lengths.insert(0, known["bedtime_end"] - known["bedtime_start"])
    return next(one for one in lengths if pd.Timedelta(0) < one <= pd.Timedelta(days=2))


def _mark_days(axes: Axes, daily: pd.DataFrame) -> None:
    import pandas as pd
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    if not daily["value"].count():
        axes.set_yticks([])
    if daily.empty:
        axes.set_xticks([])
        return
    first, last = daily.index[0], daily.index[-1]
    beside = max(pd.Timedelta(hours=12), pd.Timedelta(days=3) - (last - first) / 2)
    axes.set_xlim(first - beside, last + beside)
    locator = AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    named = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(named)


def _head(axes: Axes, title: str, below: str) -> None:
    """A title over everything, and what there is to say in a line below it."""
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


def _day_in_words(day: pd.Timestamp) -> str:
    return f"{day:%A} {day.day} {day:%B %Y}"


def _days_in_words(daily: pd.DataFrame) -> str:
    if not daily["value"].count():
        return "no day has a value"
    first, last = (f"{day.day} {day:%B %Y}" for day in (daily.index[0], daily.index[-1]))
    return f"{first} to {last}, {daily['value'].count()} of {len(daily)} days have a value"


def _night_in_words(night: pd.Series[Any]) -> str:
    """What is known of a night, in one line; what is not known is not in it."""
    known = night.dropna()
    told = ["in bed, nobody knows from when on that clock"]
    if "bedtime_start_local" in known:
        told = [f"in bed from {known['bedtime_start_local']:%H:%M}"]
    if "bedtime_start_local" in known and "bedtime_end_local" in known:
        told[0] += f" to {known['bedtime_end_local']:%H:%M}"
    if "total_sleep_minutes" in known:
        hours, minutes = divmod(round(known["total_sleep_minutes"]), 60)
        told.append(f"asleep {hours} h {minutes} min")
    if "lowest_heart_rate_bpm" in known:
        told.append(f"lowest heart rate {known['lowest_heart_rate_bpm']} bpm")
    if "hrv_average_ms" in known:
        told.append(f"average HRV {known['hrv_average_ms']} ms")
    return ", ".join(told)


def _offset_in_words(minutes: Any) -> str:
    import pandas as pd

    if pd.isna(minutes):
        return "offset unknown"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def _metric_in_words(metric: str) -> tuple[str, str]:
    """`resting_heart_rate_bpm` as ("resting heart rate", "bpm")."""
    ending = max((one for one in _UNITS if metric.endswith(one)), key=len, default="")
    words = metric.removesuffix(ending).split("_")
    return " ".join(_SPOKEN.get(word, word) for word in words), _UNITS.get(ending, "")


def _must_be_a_metric(metric: str) -> None:
    """Refuse what is no number of `daily_summary`."""
    columns = columns_of("daily_summary")
    numbers = columns.loc[columns["type"].isin(_NUMBERS), "column"].tolist()
    if metric not in numbers:
        raise AnalysisError(f"there is no metric {metric!r}; there are {', '.join(numbers)}")
