"""Plot groups of people side by side, and the days around a tag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oura_pipeline.analysis.drawing import (
    BLUE,
    GREY,
    INK,
    PALE,
    VERMILION,
    add_legend,
    name_and_unit,
    new_figure,
    require_metric,
    set_title,
    style_axes,
)
from oura_pipeline.analysis.frames import AnalysisError, Day, load

# Imported when they are used: whoever only loads frames needs no matplotlib.
if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def compare(
    metric: str,
    groups: Mapping[str, Sequence[str]],
    *,
    start: Day | None = None,
    end: Day | None = None,
) -> Figure:
    """Plot a daily number of groups of people side by side.

    A dot is a person: their mean over the days with a value, because days of one person are not
    independent. The line is the mean of a group's dots, the bar one standard deviation of them.

    Args:
        metric: a column of `daily_summary`, for instance `hrv_average_ms`.
        groups: the usernames of each group, by its name.
        start: the first day, a date or YYYY-MM-DD.
        end: the last day, included.

    Raises:
        AnalysisError: there is no such metric or person, nobody in a group, or no matplotlib.
    """
    figure = new_figure(height=4.4)
    require_metric(metric)
    for name, usernames in groups.items():
        if isinstance(usernames, str) or not usernames:
            raise AnalysisError(f"the group {name!r} is no list of usernames: ['ada', 'ben']")
    everybody = sorted({username for usernames in groups.values() for username in usernames})
    days = load("daily_summary", username=everybody, start=start, end=end)
    known = days.dropna(subset=metric).groupby("username")[metric]
    axes = figure.subplots()
    for place, usernames in enumerate(groups.values()):
        _draw_group(axes, place, known.mean().reindex(list(usernames)).dropna())
    axes.set_xticks(range(len(groups)), [*groups])
    axes.set_xlim(-0.6, len(groups) - 0.4)
    axes.margins(y=0.12)
    label, unit = name_and_unit(metric)
    axes.set_ylabel(unit)
    style_axes(axes)
    many = f"{known.ngroups} people, {known.size().sum()} days with a value"
    set_title(axes, f"{label} by group", f"each dot is a person's mean; {many}")
    return figure


def around(
    tag: str,
    metric: str,
    *,
    username: str | Sequence[str] | None = None,
    days: int = 3,
) -> Figure:
    """Plot how a daily number departs from usual on the days around a tag.

    Usual is the person's mean of the 28 days before each day. Day 0 is that of the night which
    followed the tag (see `tag_nights`), so what the evening did to it is there. A thin line is
    one such night with the days around it, the thick one their mean.

    Args:
        tag: its name as in `tag_nights`, for instance `alcohol`.
        metric: a column of `daily_summary`, for instance `hrv_average_ms`.
        username: one person or several; default: everybody.
        days: how many before and after.

    Raises:
        AnalysisError: there is no such tag, metric or person, or no matplotlib.
    """
    figure = new_figure(height=4.4)
    require_metric(metric)
    tagged = load("tag_nights", username=username, columns=["username", "day", "tag"])
    nights = tagged[tagged["tag"] == tag]
    if nights.empty:
        there = ", ".join(sorted(tagged["tag"].unique())) or "none"
        raise AnalysisError(f"no night follows a tag {tag!r}; there are {there}")
    lines = _lines_around(nights, metric, days)
    axes = figure.subplots()
    _draw_around(axes, lines)
    label, unit = name_and_unit(metric)
    axes.set_ylabel(f"{unit} from the mean of 28 days".strip())
    axes.set_xlabel("days from the night after the tag", color=INK, fontsize=9)
    people = nights["username"].nunique()
    below = f"{len(nights)} nights of {people} {'person' if people == 1 else 'people'}"
    set_title(axes, f"{label} around the tag {tag}", below)
    return figure


def _draw_group(axes: Axes, place: int, means: pd.Series[Any]) -> None:
    if means.empty:
        return
    mean, spread = means.mean(), means.std()
    if spread > 0:
        axes.vlines(place, mean - spread, mean + spread, BLUE, linewidth=60, alpha=0.15)
    axes.plot([place - 0.2, place + 0.2], [mean, mean], color=BLUE, linewidth=2.4)
    axes.plot([place] * len(means), means, "o", color=VERMILION, markersize=6)
    for username, value in means.items():
        axes.annotate(
            str(username),
            (place, value),
            xytext=(8, 5),
            textcoords="offset points",
            fontsize=8.5,
            color=GREY,
        )


def _lines_around(nights: pd.DataFrame, metric: str, days: int) -> pd.DataFrame:
    """Return a row for each night of the tag, a column for each day around it."""
    import pandas as pd

    people = sorted(nights["username"].unique())
    usual = load("baselines", username=people)
    usual = usual[usual["metric"] == metric].set_index(["username", "day"])["deviation_28d"]
    return pd.DataFrame(
        {
            nth: usual.reindex(
                pd.MultiIndex.from_arrays(
                    [nights["username"], nights["day"] + pd.Timedelta(days=nth)]
                )
            ).to_numpy()
            for nth in range(-days, days + 1)
        }
    )


def _draw_around(axes: Axes, lines: pd.DataFrame) -> None:
    axes.axhline(0, color=GREY, linewidth=0.8)
    axes.axvline(0, color=PALE, linewidth=6, zorder=0)
    for _, line in lines.iterrows():
        axes.plot(line.index, line, color=GREY, linewidth=0.8, alpha=0.3)
    axes.plot(lines.columns, lines.mean(), "o-", color=VERMILION, linewidth=2.4, label="mean")
    axes.plot([], [], color=GREY, linewidth=0.8, label="one night")
    axes.set_xticks(list(lines.columns), [f"{nth:+}" if nth else "0" for nth in lines.columns])
    add_legend(axes)
    style_axes(axes)
