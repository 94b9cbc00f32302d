"""The dashboards about people.

Titles, units and descriptions of metrics come from the table of document types, unless they are
given here.
"""

from __future__ import annotations

from tools.dashboards.metrics import below, metric_info
from tools.dashboards.model import Dashboard, Line, Panel, PanelStyle, Row, Transform, row

BARS, GAUGE, STACK = PanelStyle.BARS, PanelStyle.GAUGE, PanelStyle.STACK
STAT, STATES = PanelStyle.STAT, PanelStyle.STATES
MONTH, PER_DAY, WEEK = Transform.MONTH, Transform.PER_DAY, Transform.WEEK

# Grafana's classic palette, with the meaning fixed: red and orange for strain, green and blue for
# rest. Left to Grafana, a series would change its colour with the number of the others.
BLUE, DEEP_BLUE, GREEN, GREY = "#5794F2", "#1F60C4", "#73BF69", "#8E8E99"
LIGHT_BLUE, ORANGE, PURPLE, RED = "#8AB8FF", "#FF9830", "#B877D9", "#F2495C"
DARK_GREY, YELLOW = "#44464F", "#FADE2A"
_SCORES = ("readiness", "sleep", "activity")
_WIDE = {"width": 24, "height": 9}


def _dashboard(
    uid: str, title: str, description: str, *rows: Row, start: str = "now-90d", **options: object
) -> Dashboard:
    texts = {"uid": uid, "title": title, "description": description}
    return Dashboard(start=start, rows=rows, **texts | options)  # type: ignore[arg-type]


def _panel(title: str, *lines: Line, **options: object) -> Panel:
    return Panel(title=title, lines=lines, **options)  # type: ignore[arg-type]


def _metric(path: str, colour: str, title: str = "", **options: object) -> Panel:
    """Return a panel of one metric, with the table's title unless another one is given."""
    return _panel(title, Line(path, colour=colour), **options)


def _trend(
    title: str, path: str, colour: str = BLUE, *, month: bool = False, **options: object
) -> Panel:
    """Return a panel with a daily value and its moving means."""
    # Days alone scatter too much to show a change; the mean of a week also takes the weekend out.
    means = [Line(path, how=WEEK, colour=ORANGE)]
    if month:
        means.append(Line(path, how=MONTH, colour=PURPLE))
    return _panel(title, Line(path, "each day", colour), *means, **options)


def _single(title: str, path: str, **options: object) -> Panel:
    return _panel(title, Line(path), **{"look": STAT, "width": 4, "height": 4} | options)


def _scores(**options: object) -> tuple[Panel, ...]:
    return tuple(
        _single(series.capitalize(), f"{series}.score", look=GAUGE, **options) for series in _SCORES
    )


def _states(title: str, *lines: Line, height: int = 5) -> Panel:
    # Over the whole width: a night of states is unreadable in half of it.
    return _panel(title, *lines, look=STATES, width=24, height=height)


def _contributors(title: str, series: str, *names: str) -> Panel:
    """Return a panel with the contributors of these names, or with all that the table has."""
    paths = [f"{series}.contrib.{name}" for name in names] or below(f"{series}.contrib")
    # Their means only: up to nine scores that jump from day to day hide one another.
    lines = [Line(path, metric_info(path).title, how=WEEK) for path in paths]
    return _panel(f"{title}, mean of 7 days", *lines, **_WIDE)


LEADERBOARD = _dashboard(
    "oura-leaderboard",
    "Oura: leaderboard",
    "Everybody side by side: the latest scores and the latest heart rate.",
    row(
        "$person",
        *_scores(width=6, height=6),
        _panel(
            "Heart rate",
            Line("hr.bpm"),
            look=GAUGE,
            width=6,
            height=6,
            low=30,
            high=200,
            steps=((None, "blue"), (110, "orange"), (150, "red")),
            note="The latest value may be hours old. Orange from 110, red from 150.",
        ),
        per_person=True,
    ),
    row(
        "The last two weeks",
        *(
            _panel(
                f"Everybody's {series}",
                Line(f"{series}.score", everybody=True),
                # A range of its own: the dashboard's two days would show two points of a score.
                over="14d",
                width=8,
                height=9,
            )
            for series in _SCORES
        ),
    ),
    # Two days, not one: today's scores are there only after the ring was synchronised.
    start="now-2d",
    everybody=True,
    refresh="5m",
)

DAY = _dashboard(
    "oura-day",
    "Oura: a person's day",
    "One person's today and yesterday, by the minute where Oura has it.",
    row(
        "Latest",
        *_scores(height=5),
        _single("Asleep", "sleep.total_sleep_duration", height=5),
        _single("Overnight HRV", "sleep.average_hrv", height=5),
        _single("Lowest heart rate", "sleep.lowest_heart_rate", height=5),
        _single("", "activity.steps"),
        _single("", "activity.active_calories"),
        _single("High stress", "stress.stress_high"),
        _single("High recovery", "stress.recovery_high"),
        _single("Stress summary", "stress.day_summary"),
        _single("Temperature", "readiness.temperature_deviation"),
    ),
    row(
        "By the minute",
        _panel(
            "Heart rate",
            # The sources overlap in time: in one line it would jump between them.
            Line("hr.bpm", how=Transform.BY_SOURCE),
            **_WIDE,
            note="A line for each source: awake, rest, sleep, workout, live, session.",
        ),
        _metric(
            "activity.met",
            GREEN,
            "Metabolic equivalent",
            note="1 is rest; the day of activity lasts from 04:00 to 04:00 local.",
        ),
        _metric(
            "battery.level",
            YELLOW,
            "Ring battery",
            # Given, because the unit % has no lowest value: oxygen saturation never nears 0.
            low=0,
            steps=((None, "red"), (20, "yellow"), (40, "green")),
        ),
    ),
    row(
        "States",
        _states(
            "Sleep phases",
            Line("sleep.sleep_phase_5_min", "Night"),
            # Naps have a series of their own, so that they do not overwrite a night's digits.
            Line("nap.sleep_phase_5_min", "Naps"),
            height=6,
        ),
        _states("Activity", Line("activity.class_5_min", "Activity")),
        _states("Movement in bed", Line("sleep.movement_30_sec", "Movement")),
    ),
    start="now-2d",
    refresh="5m",
    # Values by the minute are read by the clock on the wall; daily ones are at 00:00 UTC.
    timezone="browser",
)

SLEEP = _dashboard(
    "oura-sleep",
    "Oura: sleep",
    "How long, how deeply and how regularly one person sleeps.",
    row(
        "Nights",
        _trend("Sleep score", "sleep.score", month=True),
        _panel(
            "Sleep phases",
            Line("sleep.deep_sleep_duration", "Deep", DEEP_BLUE),
            Line("sleep.light_sleep_duration", "Light", LIGHT_BLUE),
            Line("sleep.rem_sleep_duration", "REM", PURPLE),
            Line("sleep.awake_time", "Awake", ORANGE),
            # The four add up to the time in bed, so the height of a bar is a value as well.
            look=STACK,
        ),
        _panel(
            "Asleep and in bed",
            Line("sleep.total_sleep_duration", "Asleep", DEEP_BLUE),
            Line("sleep.time_in_bed", "In bed", GREY),
            Line("sleep.total_sleep_duration", "Asleep, mean of 7 days", ORANGE, WEEK),
        ),
        # Hardly anybody is ever below: from 0 the line would be flat.
        _trend("Efficiency", "sleep.efficiency", GREEN, low=50),
        # Latencies are a few minutes; in hours, as durations are, they would all be 0.2.
        _trend("Latency", "sleep.latency", PURPLE, minutes=True),
        _metric("sleep.restless_periods", YELLOW, look=BARS),
        _panel(
            "Naps",
            Line("nap.total_sleep_duration", "Asleep", BLUE, PER_DAY),
            look=BARS,
            # Graphite's summarize knows UTC days only, not those of the person.
            note="Total of the naps that begin on a UTC day.",
        ),
        _panel(
            "Optimal bedtime",
            Line("sleep_time.optimal_bedtime.start_offset", "From", BLUE),
            Line("sleep_time.optimal_bedtime.end_offset", "Until", PURPLE),
            # Grafana has no axis of times of day that begins before midnight.
            note="Hours after midnight, local time; -1 is 23:00.",
        ),
    ),
    row("Contributors", _contributors("Contributors to the sleep score", "sleep")),
)

HEART = _dashboard(
    "oura-heart",
    "Oura: heart and HRV",
    "Heart rate, HRV, breathing and Oura's estimates of cardiovascular health.",
    row(
        "Nights",
        _trend("Overnight HRV", "sleep.average_hrv", month=True),
        _trend("Lowest heart rate", "sleep.lowest_heart_rate", RED, month=True),
        _trend("Mean overnight heart rate", "sleep.average_heart_rate", RED),
        _trend("Overnight breathing rate", "sleep.average_breath", GREEN),
        # 95 to 99 is normal: an axis from 0 would show a line at the top, whatever happens.
        _trend("Oxygen saturation", "spo2.daily_average", low=88),
        _metric("spo2.breathing_disturbance_index", PURPLE, look=BARS),
    ),
    row(
        "The last seven nights",
        # Series of 5 minutes: over 90 days a pixel would be the mean of hours, with no night left.
        *(
            _panel(
                title,
                Line(f"sleep.{name}", "Night", colour),
                Line(f"nap.{name}", "Nap", YELLOW),
                over="7d",
            )
            for name, title, colour in (
                ("heart_rate", "Heart rate asleep", RED),
                ("hrv", "HRV asleep", BLUE),
            )
        ),
    ),
    row(
        "Slow changes",
        _metric("cardiovascular_age.vascular_age", RED, "Vascular age", width=8),
        _metric("cardiovascular_age.pulse_wave_velocity", PURPLE, width=8),
        _metric("vo2_max.vo2_max", GREEN, "VO2 max", width=8),
        _contributors(
            "Heart-related contributors to readiness",
            "readiness",
            "resting_heart_rate",
            "hrv_balance",
            "recovery_index",
        ),
    ),
)

ACTIVITY = _dashboard(
    "oura-activity",
    "Oura: activity",
    "Steps, energy, workouts and how the days were spent.",
    row(
        "Days",
        _trend("Activity score", "activity.score", GREEN, month=True),
        _trend("Steps", "activity.steps", GREEN, look=BARS),
        _panel(
            "Energy",
            Line("activity.active_calories", "Active", GREEN),
            Line("activity.target_calories", "Target", GREY),
            Line("activity.total_calories", "Total", YELLOW),
        ),
        _panel(
            "Distance",
            Line("activity.equivalent_walking_distance", "Walked", GREEN),
            Line("activity.target_meters", "Target", GREY),
            # The unit m has no lowest value, and Grafana would begin the axis at the smallest one.
            low=0,
        ),
        _panel(
            "Time by activity level",
            Line("activity.high_activity_time", "High", RED),
            Line("activity.medium_activity_time", "Medium", ORANGE),
            Line("activity.low_activity_time", "Low", YELLOW),
            Line("activity.sedentary_time", "Sedentary", GREY),
            Line("activity.resting_time", "Rest", DEEP_BLUE),
            # With the time not worn the stack is always a whole day.
            Line("activity.non_wear_time", "Not worn", DARK_GREY),
            look=STACK,
            **_WIDE,
        ),
        _metric(
            "activity.average_met_minutes",
            GREEN,
            "Mean metabolic equivalent",
            # 1 MET is rest: nobody is below it.
            low=1,
            width=8,
        ),
        _metric("activity.inactivity_alerts", ORANGE, "Inactivity alerts", look=BARS, width=8),
        _panel(
            "MET-minutes by intensity",
            Line("activity.high_activity_met_minutes", "High", RED),
            Line("activity.medium_activity_met_minutes", "Medium", ORANGE),
            Line("activity.low_activity_met_minutes", "Low", YELLOW),
            look=STACK,
            width=8,
        ),
    ),
    row(
        "Workouts",
        *(
            _panel(
                f"Workout {title}",
                # Sums: there are days with several workouts, each at its own time.
                Line(f"workout.{name}", colour=colour, how=PER_DAY),
                look=BARS,
                width=8,
                minutes=True,
                note="Total of the workouts that begin on a UTC day.",
            )
            for name, title, colour in (
                ("duration", "time", RED),
                ("calories", "energy", ORANGE),
                ("distance", "distance", GREEN),
            )
        ),
    ),
    row("Contributors", _contributors("Contributors to the activity score", "activity")),
)

STRESS = _dashboard(
    "oura-stress",
    "Oura: stress and resilience",
    "Stress, recovery, resilience, readiness and body temperature.",
    row(
        "Stress",
        _panel(
            "High stress and high recovery",
            Line("stress.stress_high", "Stress", RED),
            Line("stress.recovery_high", "Recovery", GREEN),
            look=STACK,
        ),
        _panel(
            "High stress and high recovery, mean of 7 days",
            Line("stress.stress_high", "Stress", RED, WEEK),
            Line("stress.recovery_high", "Recovery", GREEN, WEEK),
        ),
        _states("Daily stress summary", Line("stress.day_summary", "Summary")),
    ),
    row(
        "Resilience",
        _states("Resilience level", Line("resilience.level", "Level")),
        _contributors("Contributors to resilience", "resilience"),
    ),
    row(
        "Readiness and temperature",
        _trend("Readiness score", "readiness.score", GREEN, month=True),
        _panel(
            "Body temperature",
            Line("readiness.temperature_deviation", "Deviation", ORANGE),
            Line("readiness.temperature_trend_deviation", "Trend", RED),
        ),
        _contributors("Contributors to the readiness score", "readiness"),
    ),
)

PEOPLE_DASHBOARDS = (LEADERBOARD, DAY, SLEEP, HEART, ACTIVITY, STRESS)
