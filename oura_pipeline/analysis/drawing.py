"""What all plots share: their colours, axes, titles and names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from oura_pipeline.analysis.frames import AnalysisError, columns_of

# Imported when they are used: whoever only loads frames needs no matplotlib.
if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette, which people with any colour vision can tell apart.
ORANGE, SKY, BLUE, VERMILION = "#e69f00", "#56b4e9", "#0072b2", "#d55e00"
PEOPLE_COLORS = (BLUE, VERMILION, "#009e73", "#cc79a7", ORANGE, SKY, "#000000")
INK, GREY, PALE = "#222222", "#6b6b6b", "#dddddd"
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


def new_figure(height: float) -> Figure:
    """Return an empty figure, inches high.

    Raises:
        AnalysisError: there is no matplotlib.
    """
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


def require_metric(metric: str) -> None:
    """Raise an AnalysisError unless this is a number of `daily_summary`."""
    columns = columns_of("daily_summary")
    numbers = columns.loc[columns["type"].isin(_NUMERIC_TYPES), "column"].tolist()
    if metric not in numbers:
        raise AnalysisError(f"there is no metric {metric!r}; there are {', '.join(numbers)}")


def name_and_unit(metric: str) -> tuple[str, str]:
    """Return `resting_heart_rate_bpm` as ("resting heart rate", "bpm")."""
    ending = max((one for one in _UNITS if metric.endswith(one)), key=len, default="")
    words = metric.removesuffix(ending).split("_")
    return " ".join(_SPELLINGS.get(word, word) for word in words), _UNITS.get(ending, "")


def style_axes(axes: Axes) -> None:
    """Leave of the frame and the grid what is needed to read values."""
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(PALE)
    axes.grid(axis="y", color=PALE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, labelsize=9)
    axes.yaxis.label.set(color=INK, fontsize=9)


def format_days(axes: Axes, daily: pd.DataFrame) -> None:
    """Make the horizontal axis one of days: those of the index."""
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


def set_title(axes: Axes, title: str, below: str) -> None:
    """Write a title, and what it is about in small print below."""
    axes.set_title(f"{title}\n", loc="left", fontsize=13, fontweight="bold", color=INK)
    axes.annotate(
        below,
        xy=(0, 1),
        xycoords="axes fraction",
        xytext=(0, 10),
        textcoords="offset points",
        fontsize=9.5,
        color=GREY,
    )


def add_legend(axes: Axes) -> None:
    """Say below the axes what the lines are."""
    axes.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0, -0.1),
        ncols=4,
        frameon=False,
        borderaxespad=0,
    )
