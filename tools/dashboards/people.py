"""The dashboards about people.

Titles, units and descriptions of metrics come from the table of document types, unless they are
given here.
"""

from __future__ import annotations

from tools.dashboards.metrics import below, metric_info
from tools.dashboards.model import Dashboard, Line, Panel, PanelStyle, Row, Transform

BARS, GAUGE, STACK, STAT, STATES = (
    PanelStyle.BARS,
    PanelStyle.GAUGE,
    PanelStyle.STACK,
    PanelStyle.STAT,
    PanelStyle.STATES,
)
MONTH, PER_DAY, WEEK = Transform.MONTH, Transform.PER_DAY, Transform.WEEK

BLUE, DEEP_BLUE, GREEN, GREY = "#5794F2", "#1F60C4", "#73BF69", "#8E8E99"
ORANGE, PURPLE, RED, YELLOW = "#FF9830", "#B877D9", "#F2495C", "#FADE2A"
_DAYS = "now-90d"


def _trend(metric: str, colour: str = BLUE, *, month: bool = False, **options: object) -> Panel:
    """Return a panel with a daily value and its moving means."""
    lines = [Line(metric, label="each day", colour=colour), Line(metric, WEEK, colour=ORANGE)]
    if month:
        lines.append(Line(metric, MONTH, colour=PURPLE))
    return Panel(lines=tuple(lines), **options)  # type: ignore[arg-type]


def _contributors(series: str, *names: str, title: str) -> Panel:
    """Return a panel with the contributors of these names, or with all that the table has."""
    paths = [f"{series}.contrib.{name}" for name in names] or below(f"{series}.contrib")
    lines = tuple(Line(path, WEEK, metric_info(path).title) for path in paths)
    return Panel(title=f"{title}, mean of 7 days", lines=lines, width=24, height=9)


def _single(
    metric: str, look: PanelStyle = STAT, width: int = 4, height: int = 4, title: str = ""
) -> Panel:
    return Panel(title=title, lines=(Line(metric),), look=look, width=width, height=height)


LEADERBOARD = Dashboard(
    uid="oura-leaderboard",
    title="Oura: leaderboard",
    description="Everybody side by side: the latest scores and the latest heart rate.",
    start="now-2d",
    everybody=True,
    refresh="5m",
    rows=(
        Row(
            "$person",
            (
                _single("readiness.score", GAUGE, 6, 6, "Readiness"),
                _single("sleep.score", GAUGE, 6, 6, "Sleep"),
                _single("activity.score", GAUGE, 6, 6, "Activity"),
                Panel(
                    title="Heart rate",
                    lines=(Line("hr.bpm"),),
                    look=GAUGE,
                    width=6,
                    height=6,
                    low=30,
                    high=200,
                    steps=((None, "blue"), (110, "orange"), (150, "red")),
                    note="The latest value may be hours old. Orange from 110, red from 150.",
                ),
            ),
            per_person=True,
        ),
        Row(
            "The last two weeks",
            tuple(
                Panel(
                    title=title,
                    lines=(Line(metric, everybody=True),),
                    width=8,
                    height=9,
                    over="14d",
                )
                for metric, title in (
                    ("readiness.score", "Everybody's readiness"),
                    ("sleep.score", "Everybody's sleep"),
                    ("activity.score", "Everybody's activity"),
                )
            ),
        ),
    ),
)

DAY = Dashboard(
    uid="oura-day",
    title="Oura: a person's day",
    description="One person's today and yesterday, by the minute where Oura has it.",
    start="now-2d",
    refresh="5m",
    timezone="browser",
    rows=(
        Row(
            "Latest",
            (
                _single("readiness.score", GAUGE, 4, 5, "Readiness"),
                _single("sleep.score", GAUGE, 4, 5, "Sleep"),
                _single("activity.score", GAUGE, 4, 5, "Activity"),
                _single("sleep.total_sleep_duration", height=5, title="Asleep"),
                _single("sleep.average_hrv", height=5, title="Overnight HRV"),
                _single("sleep.lowest_heart_rate", height=5, title="Lowest heart rate"),
                _single("activity.steps"),
                _single("activity.active_calories"),
                _single("stress.stress_high", title="High stress"),
                _single("stress.recovery_high", title="High recovery"),
                _single("stress.day_summary", title="Stress summary"),
                _single("readiness.temperature_deviation", title="Temperature"),
            ),
        ),
        Row(
            "By the minute",
            (
                Panel(
                    title="Heart rate",
                    lines=(Line("hr.bpm", Transform.BY_SOURCE),),
                    width=24,
                    height=9,
                    note="A line for each source: awake, rest, sleep, workout, live, session.",
                ),
                Panel(
                    title="Metabolic equivalent",
                    lines=(Line("activity.met", colour=GREEN),),
                    note="1 is rest; the day of activity lasts from 04:00 to 04:00 local.",
                ),
                Panel(
                    title="Ring battery",
                    lines=(Line("battery.level", colour=YELLOW),),
                    low=0,
                    steps=((None, "red"), (20, "yellow"), (40, "green")),
                ),
            ),
        ),
        Row(
            "States",
            (
                Panel(
                    title="Sleep phases",
                    lines=(
                        Line("sleep.sleep_phase_5_min", label="Night"),
                        Line("nap.sleep_phase_5_min", label="Naps"),
                    ),
                    look=STATES,
                    width=24,
                    height=6,
                ),
                Panel(
                    title="Activity",
                    lines=(Line("activity.class_5_min", label="Activity"),),
                    look=STATES,
                    width=24,
                    height=5,
                ),
                Panel(
                    title="Movement in bed",
                    lines=(Line("sleep.movement_30_sec", label="Movement"),),
                    look=STATES,
                    width=24,
                    height=5,
                ),
            ),
        ),
    ),
)

SLEEP = Dashboard(
    uid="oura-sleep",
    title="Oura: sleep",
    description="How long, how deeply and how regularly one person sleeps.",
    start=_DAYS,
    rows=(
        Row(
            "Nights",
            (
                _trend("sleep.score", title="Sleep score", month=True),
                Panel(
                    title="Sleep phases",
                    lines=(
                        Line("sleep.deep_sleep_duration", label="Deep", colour=DEEP_BLUE),
                        Line("sleep.light_sleep_duration", label="Light", colour="#8AB8FF"),
                        Line("sleep.rem_sleep_duration", label="REM", colour=PURPLE),
                        Line("sleep.awake_time", label="Awake", colour=ORANGE),
                    ),
                    look=STACK,
                ),
                Panel(
                    title="Asleep and in bed",
                    lines=(
                        Line("sleep.total_sleep_duration", label="Asleep", colour=DEEP_BLUE),
                        Line("sleep.time_in_bed", label="In bed", colour=GREY),
                        Line(
                            "sleep.total_sleep_duration",
                            WEEK,
                            label="Asleep, mean of 7 days",
                            colour=ORANGE,
                        ),
                    ),
                ),
                _trend("sleep.efficiency", GREEN, title="Efficiency", low=50),
                _trend("sleep.latency", PURPLE, title="Latency", minutes=True),
                Panel(lines=(Line("sleep.restless_periods", colour=YELLOW),), look=BARS),
                Panel(
                    title="Naps",
                    lines=(Line("nap.total_sleep_duration", PER_DAY, "Asleep", BLUE),),
                    look=BARS,
                    note="Total of the naps that begin on a UTC day.",
                ),
                Panel(
                    title="Optimal bedtime",
                    lines=(
                        Line("sleep_time.optimal_bedtime.start_offset", label="From", colour=BLUE),
                        Line("sleep_time.optimal_bedtime.end_offset", label="Until", colour=PURPLE),
                    ),
                    note="Hours after midnight, local time; -1 is 23:00.",
                ),
            ),
        ),
        Row(
            "Contributors",
            (
                _contributors(
                    "sleep",
                    title="Contributors to the sleep score",
                ),
            ),
        ),
    ),
)

HEART = Dashboard(
    uid="oura-heart",
    title="Oura: heart and HRV",
    description="Heart rate, HRV, breathing and Oura's estimates of cardiovascular health.",
    start=_DAYS,
    rows=(
        Row(
            "Nights",
            (
                _trend("sleep.average_hrv", title="Overnight HRV", month=True),
                _trend("sleep.lowest_heart_rate", RED, title="Lowest heart rate", month=True),
                _trend("sleep.average_heart_rate", RED, title="Mean overnight heart rate"),
                _trend("sleep.average_breath", GREEN, title="Overnight breathing rate"),
                _trend("spo2.daily_average", BLUE, title="Oxygen saturation", low=88),
                Panel(
                    lines=(Line("spo2.breathing_disturbance_index", colour=PURPLE),),
                    look=BARS,
                ),
            ),
        ),
        Row(
            "The last seven nights",
            (
                Panel(
                    title="Heart rate asleep",
                    lines=(
                        Line("sleep.heart_rate", label="Night", colour=RED),
                        Line("nap.heart_rate", label="Nap", colour=YELLOW),
                    ),
                    over="7d",
                ),
                Panel(
                    title="HRV asleep",
                    lines=(
                        Line("sleep.hrv", label="Night", colour=BLUE),
                        Line("nap.hrv", label="Nap", colour=YELLOW),
                    ),
                    over="7d",
                ),
            ),
        ),
        Row(
            "Slow changes",
            (
                Panel(
                    title="Vascular age",
                    lines=(Line("cardiovascular_age.vascular_age", colour=RED),),
                    width=8,
                ),
                Panel(
                    lines=(Line("cardiovascular_age.pulse_wave_velocity", colour=PURPLE),), width=8
                ),
                Panel(title="VO2 max", lines=(Line("vo2_max.vo2_max", colour=GREEN),), width=8),
                _contributors(
                    "readiness",
                    "resting_heart_rate",
                    "hrv_balance",
                    "recovery_index",
                    title="Heart-related contributors to readiness",
                ),
            ),
        ),
    ),
)

ACTIVITY = Dashboard(
    uid="oura-activity",
    title="Oura: activity",
    description="Steps, energy, workouts and how the days were spent.",
    start=_DAYS,
    rows=(
        Row(
            "Days",
            (
                _trend("activity.score", GREEN, title="Activity score", month=True),
                Panel(
                    title="Steps",
                    lines=(
                        Line("activity.steps", label="each day", colour=GREEN),
                        Line("activity.steps", WEEK, colour=ORANGE),
                    ),
                    look=BARS,
                ),
                Panel(
                    title="Energy",
                    lines=(
                        Line("activity.active_calories", label="Active", colour=GREEN),
                        Line("activity.target_calories", label="Target", colour=GREY),
                        Line("activity.total_calories", label="Total", colour=YELLOW),
                    ),
                ),
                Panel(
                    title="Distance",
                    lines=(
                        Line("activity.equivalent_walking_distance", label="Walked", colour=GREEN),
                        Line("activity.target_meters", label="Target", colour=GREY),
                    ),
                    low=0,
                ),
                Panel(
                    title="Time by activity level",
                    lines=(
                        Line("activity.high_activity_time", label="High", colour=RED),
                        Line("activity.medium_activity_time", label="Medium", colour=ORANGE),
                        Line("activity.low_activity_time", label="Low", colour=YELLOW),
                        Line("activity.sedentary_time", label="Sedentary", colour=GREY),
                        Line("activity.resting_time", label="Rest", colour=DEEP_BLUE),
                        Line("activity.non_wear_time", label="Not worn", colour="#44464F"),
                    ),
                    look=STACK,
                    width=24,
                    height=9,
                ),
                Panel(
                    title="Mean metabolic equivalent",
                    lines=(Line("activity.average_met_minutes", colour=GREEN),),
                    width=8,
                    low=1,
                ),
                Panel(
                    title="Inactivity alerts",
                    lines=(Line("activity.inactivity_alerts", colour=ORANGE),),
                    look=BARS,
                    width=8,
                ),
                Panel(
                    title="MET-minutes by intensity",
                    lines=(
                        Line("activity.high_activity_met_minutes", label="High", colour=RED),
                        Line("activity.medium_activity_met_minutes", label="Medium", colour=ORANGE),
                        Line("activity.low_activity_met_minutes", label="Low", colour=YELLOW),
                    ),
                    look=STACK,
                    width=8,
                ),
            ),
        ),
        Row(
            "Workouts",
            tuple(
                Panel(
                    title=title,
                    lines=(Line(f"workout.{name}", PER_DAY, colour=colour),),
                    minutes=True,
                    look=BARS,
                    width=8,
                    note="Total of the workouts that begin on a UTC day.",
                )
                for name, title, colour in (
                    ("duration", "Workout time", RED),
                    ("calories", "Workout energy", ORANGE),
                    ("distance", "Workout distance", GREEN),
                )
            ),
        ),
        Row(
            "Contributors",
            (
                _contributors(
                    "activity",
                    title="Contributors to the activity score",
                ),
            ),
        ),
    ),
)

STRESS = Dashboard(
    uid="oura-stress",
    title="Oura: stress and resilience",
    description="Stress, recovery, resilience, readiness and body temperature.",
    start=_DAYS,
    rows=(
        Row(
            "Stress",
            (
                Panel(
                    title="High stress and high recovery",
                    lines=(
                        Line("stress.stress_high", label="Stress", colour=RED),
                        Line("stress.recovery_high", label="Recovery", colour=GREEN),
                    ),
                    look=STACK,
                ),
                Panel(
                    title="High stress and high recovery, mean of 7 days",
                    lines=(
                        Line("stress.stress_high", WEEK, "Stress", RED),
                        Line("stress.recovery_high", WEEK, "Recovery", GREEN),
                    ),
                ),
                Panel(
                    title="Daily stress summary",
                    lines=(Line("stress.day_summary", label="Summary"),),
                    look=STATES,
                    width=24,
                    height=5,
                ),
            ),
        ),
        Row(
            "Resilience",
            (
                Panel(
                    title="Resilience level",
                    lines=(Line("resilience.level", label="Level"),),
                    look=STATES,
                    width=24,
                    height=5,
                ),
                _contributors(
                    "resilience",
                    title="Contributors to resilience",
                ),
            ),
        ),
        Row(
            "Readiness and temperature",
            (
                _trend("readiness.score", GREEN, title="Readiness score", month=True),
                Panel(
                    title="Body temperature",
                    lines=(
                        Line("readiness.temperature_deviation", label="Deviation", colour=ORANGE),
                        Line("readiness.temperature_trend_deviation", label="Trend", colour=RED),
                    ),
                ),
                _contributors(
                    "readiness",
                    title="Contributors to the readiness score",
                ),
            ),
        ),
    ),
)

PEOPLE_DASHBOARDS = (LEADERBOARD, DAY, SLEEP, HEART, ACTIVITY, STRESS)
