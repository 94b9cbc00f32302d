"""Every query of every dashboard gets the right answer from a real Graphite.

There is no Grafana: the tests send what it would send, with variables filled in, times in seconds,
and no more points than a panel has pixels.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from statistics import mean
from typing import Any

import pytest

from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.tools.dashboards.dashboard_checks import (
    answers,
    filled,
    panels,
    unanswered,
)
from oura_pipeline_tests.tools.dashboards.people_in_graphite import LAST, PeopleInGraphite
from tools.dashboards.files import dashboard_path
from tools.dashboards.metrics import metric_info
from tools.dashboards.model import Dashboard, Panel, PanelStyle, Transform
from tools.dashboards.people import DAY, PEOPLE_DASHBOARDS
from tools.dashboards.targets import target

BOARDS = [pytest.param(one, id=one.uid) for one in PEOPLE_DASHBOARDS]
# A nap in the last two weeks, every scope and a workout nearly every day.
WITH_EVERYTHING = "runa"
_DAY = 86400
# The lowest and the highest that can be true, in the unit that Grafana is told.
PLAUSIBLE = {
    "none": (0, 100),
    "percent": (0, 100),
    "suffix: bpm": (20, 260),
    "suffix: /min": (4, 60),
    "ms": (1, 500),
    "celsius": (-10, 10),
    "suffix: kcal": (0, 10_000),
    "suffix: MET": (0, 30),
    "suffix: MET-min": (0, 5000),
    "suffix: ml/kg/min": (5, 100),
    "suffix: years": (15, 120),
    "velocityms": (1, 30),
    "lengthm": (0, 100_000),
    "short": (0, 100_000),
    "dthms": (0, _DAY),
    "h": (-12, 24.001),
    "m": (0, 24 * 60),
}


def committed(dashboard: Dashboard) -> dict[str, Any]:
    text = (ROOT / dashboard_path(dashboard.uid)).read_text(encoding="utf-8")
    return dict(json.loads(text))


def values(person: str) -> dict[str, str]:
    return {"prefix": "bio", "person": person}


def midnight(day: date) -> int:
    return int(datetime.combine(day, datetime.min.time(), UTC).timestamp())


@pytest.mark.parametrize("dashboard", BOARDS)
def test_somebody_with_everything_sees_something_in_every_panel(
    dashboard: Dashboard, graphite_people: PeopleInGraphite
) -> None:
    """Not one target is empty, or unknown to graphite-web."""
    assert unanswered(committed(dashboard), graphite_people, values(WITH_EVERYTHING)) == []


@pytest.mark.parametrize("dashboard", BOARDS)
def test_everybody_sees_all_that_graphite_has_of_them(
    dashboard: Dashboard, graphite_people: PeopleInGraphite
) -> None:
    """A target is empty only where there is no such metric of a person; no value is absurd."""
    board, start = committed(dashboard), midnight(graphite_people.first) - 1
    described = [panel for row in dashboard.rows for panel in row.panels]
    for person in graphite_people.usernames:
        found = answers(board, graphite_people, values(person), start)
        for panel, (shown, by_target) in zip(described, found, strict=True):
            low, high = PLAUSIBLE[shown["fieldConfig"]["defaults"]["unit"]]
            for line, (asked, numbers) in zip(panel.lines, by_target.items(), strict=True):
                assert bool(numbers) is _is_known(graphite_people, person, line.metric), asked
                assert all(low <= value <= high for value in numbers), asked


@pytest.mark.parametrize("dashboard", BOARDS)
def test_a_variable_offers_everybody(
    dashboard: Dashboard, graphite_people: PeopleInGraphite
) -> None:
    """Its query, asked as Grafana asks it, finds the people and nobody else."""
    person = committed(dashboard)["templating"]["list"][2]
    found = graphite_people.find(filled(person["query"], {"prefix": "bio"}))
    assert sorted(found) == sorted(graphite_people.usernames)


@pytest.mark.parametrize("series", ["readiness.score", "sleep.score", "activity.score", "hr.bpm"])
def test_the_go_replicators_dashboard_goes_on_working(
    series: str, graphite_people: PeopleInGraphite
) -> None:
    """Its variable finds everybody, and each of its targets has values of the last two days."""
    start, end = graphite_people.now - 2 * _DAY, graphite_people.now
    paths = graphite_people.expand("bio.*.readiness.score")
    names = [re.match(r"bio\.(?P<name>[a-z0-9]+)\..*", path)["name"] for path in paths]  # type: ignore[index]
    assert sorted(names) == sorted(graphite_people.usernames)
    for name in names:
        target = f"bio.{name}.{series}"
        (found,) = graphite_people.render(target, start, end)
        assert [value for value, _ in found["datapoints"] if value is not None]


def test_a_range_of_whole_days_has_the_value_of_its_first(
    graphite_people: PeopleInGraphite,
) -> None:
    """Somebody who chooses yesterday in Grafana sees yesterday's scores."""
    start = midnight(LAST - timedelta(days=1))
    score = next(one for one in panels(committed(DAY)) if one["title"] == "Sleep")
    asked = filled(score["targets"][0]["target"], values(WITH_EVERYTHING))
    plain = f"bio.{WITH_EVERYTHING}.sleep.score"
    (day,) = graphite_people.render(plain, start - 1, start + 1)
    (shown,) = graphite_people.render(asked, start, start + _DAY - 1)
    assert [value for value, _ in shown["datapoints"]] == [day["datapoints"][0][0]]


def test_a_mean_of_seven_days_is_that_of_the_day_and_the_six_before(
    graphite_people: PeopleInGraphite,
) -> None:
    """The same days as in the view `baselines`."""
    start, end = midnight(LAST - timedelta(days=9)), midnight(LAST)
    name = f"bio.{WITH_EVERYTHING}.sleep.average_hrv"
    (days,) = graphite_people.render(name, start - 1, end)
    by_time = {time: value for value, time in days["datapoints"] if value is not None}
    (moving,) = graphite_people.render(f"movingAverage({name}, '7d')", end - 3 * _DAY, end)
    expected = {
        time: mean(by_time[at] for at in range(time - 6 * _DAY, time + 1, _DAY) if at in by_time)
        for time in range(end - 2 * _DAY, end + 1, _DAY)
    }
    shown = {time: value for value, time in moving["datapoints"]}
    assert shown == {time: pytest.approx(value) for time, value in expected.items()}


def test_workouts_of_a_day_are_added_up(graphite_people: PeopleInGraphite) -> None:
    """And thinning out does not halve them: the sum is made before it."""
    start, end = midnight(LAST - timedelta(days=9)), midnight(LAST)
    name = f"bio.{WITH_EVERYTHING}.workout.duration"
    (each,) = graphite_people.render(name, start - 1, end - 1, points=100_000)
    expected: dict[int, float] = {}
    for value, time in each["datapoints"]:
        if value is not None:
            day = time - time % _DAY
            expected[day] = expected.get(day, 0) + value / 60
    panel = _panel_of("workout.duration", Transform.PER_DAY)
    asked = filled(target(panel.lines[0], panel), values(WITH_EVERYTHING))
    (shown,) = graphite_people.render(asked, start - 1, end - 1)
    found = {time: value for value, time in shown["datapoints"] if value is not None}
    assert found == {day: pytest.approx(value, rel=1e-6) for day, value in expected.items()}
    assert len(found) > 5


@pytest.mark.parametrize("metric", ["sleep.sleep_phase_5_min", "activity.class_5_min"])
def test_codes_stay_codes_when_there_are_too_many(
    metric: str, graphite_people: PeopleInGraphite
) -> None:
    """There is no phase between light and REM."""
    panel = _panel_of(metric, Transform.AS_IS)
    line = next(line for line in panel.lines if line.metric == metric)
    asked = filled(target(line, panel), values(WITH_EVERYTHING))
    start = graphite_people.now - 10 * _DAY
    (shown,) = graphite_people.render(asked, start, graphite_people.now, points=200)
    found = {value for value, _ in shown["datapoints"] if value is not None}
    assert found <= {float(code) for code in metric_info(metric).codes}
    (thinned,) = graphite_people.render(
        f"bio.{WITH_EVERYTHING}.{metric}", start, graphite_people.now, points=200
    )
    assert any(value not in (None, *found) for value, _ in thinned["datapoints"])


def test_the_latest_heart_rate_is_one_that_was_measured(graphite_people: PeopleInGraphite) -> None:
    """Not the mean of those that share a pixel."""
    panel = next(one for one in PEOPLE_DASHBOARDS[0].rows[0].panels if one.title == "Heart rate")
    asked = filled(target(panel.lines[0], panel), values(WITH_EVERYTHING))
    start = graphite_people.now - 2 * _DAY
    (each,) = graphite_people.render(
        f"bio.{WITH_EVERYTHING}.hr.bpm", start, graphite_people.now, points=100_000
    )
    (shown,) = graphite_people.render(asked, start, graphite_people.now, points=100)
    assert _latest(shown) == _latest(each)


def test_means_of_amounts_are_said_to_be_means() -> None:
    """A point of a long range is the mean of some days, and the description says so."""
    amounts = [
        panel["description"]
        for one in PEOPLE_DASHBOARDS
        for panel in panels(committed(one))
        for asked in panel["targets"]
        if panel["type"] == "timeseries" and re.search(r"steps|sleep_duration", asked["target"])
        if "summarize" not in asked["target"]
    ]
    assert len(amounts) > 5
    assert all("a point is the mean of several days" in said for said in amounts)


def _unknown_function(board: dict[str, Any]) -> None:
    panels(board)[0]["targets"][0]["target"] = "averageOfTheDay($prefix.$person.sleep.score)"


def _wrong_metric(board: dict[str, Any]) -> None:
    panels(board)[0]["targets"][0]["target"] = "$prefix.$person.daily_sleep.score"


def _undefined_variable(board: dict[str, Any]) -> None:
    panels(board)[0]["targets"][0]["target"] = "$prefix.$somebody.sleep.score"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_unknown_function, "HTTP 400"),
        (_wrong_metric, f"bio.{WITH_EVERYTHING}.daily_sleep.score"),
        (_undefined_variable, "bio.$somebody.sleep.score"),
    ],
)
def test_the_checker_finds(
    spoil: Callable[[dict[str, Any]], None], said: str, graphite_people: PeopleInGraphite
) -> None:
    """Each fault that was sown, by what graphite-web answers."""
    board = copy.deepcopy(committed(PEOPLE_DASHBOARDS[2]))
    spoil(board)
    assert said in unanswered(board, graphite_people, values(WITH_EVERYTHING))


def _panel_of(metric: str, how: Transform) -> Panel:
    return next(
        panel
        for one in PEOPLE_DASHBOARDS
        for row in one.rows
        for panel in row.panels
        if any(line.metric == metric and line.how is how for line in panel.lines)
        and panel.look in (PanelStyle.BARS, PanelStyle.STATES)
    )


def _is_known(shown: PeopleInGraphite, person: str, metric: str) -> bool:
    return shown.graphite.whisper_file(f"bio.{person}.{metric}").exists()


def _latest(answer: dict[str, Any]) -> float:
    return [float(value) for value, _ in answer["datapoints"] if value is not None][-1]
