"""Heart-rate and battery rows: the two collections that are rows and not documents."""

from __future__ import annotations

import random
from array import array
from datetime import timedelta
from functools import cache

from oura_pipeline.sandbox.generate import movement, studies
from oura_pipeline.sandbox.generate.blank import is_blank_day
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import Exercise, Plan
from oura_pipeline.sandbox.generate.sleep import beats

Rows = tuple["array[float]", list[str]]


def heartrate(life: Life) -> Rows:
    """Return instants (Unix seconds, ascending, each once) and the rest of each row as JSON."""
    # Not evenly spaced: about a thousand rows a day, most of them in a workout, as was recorded.
    rows: dict[int, str] = {}
    for plan in life.worn():
        rng = life.rng("heartrate", plan.day)
        _awake(life, plan, rng, rows)
        _asleep(life, plan, rows)
        _moving(life, plan, rng, rows)
    first = min(rows, default=0)
    times = sorted(t for t in rows if first <= t <= life.now)
    return array("d", times), [rows[t] for t in times]


def ring_battery_level(life: Life) -> Rows:
    """Return rows like those of `heartrate`, one every half hour."""
    times: list[int] = []
    texts: list[str] = []
    for plan in life.worn():
        unknown = is_blank_day(life, plan)
        # Empties over four days and is charged at breakfast.
        charge = 100 - 22 * (plan.day.toordinal() % 4)
        for half_hour in range(48):
            instant = plan.at(0) + 1800 * half_hour + 7
            in_charger = charge < 40 and half_hour in (15, 16)
            level = max(charge - half_hour * 22 // 48, 1)
            # Flying west makes a day overlap the next one; instants must keep ascending.
            if instant <= life.now and (not times or instant > times[-1]):
                times.append(instant)
                texts.append(_battery(level, None if unknown else in_charger))
    return array("d", times), texts


@cache
def _hearts(source: str) -> list[str]:
    # By bpm. One string object per distinct text, which saves most of the memory.
    return [f'"bpm":{bpm},"source":"{source}"' for bpm in range(256)]


@cache
def _battery(level: int, charging: bool | None) -> str:
    word = {None: "null", True: "true", False: "false"}[charging]
    return f'"charging":{word},"in_charger":{word},"level":{level}'


def _awake(life: Life, plan: Plan, rng: random.Random, rows: dict[int, str]) -> None:
    # Awake the ring measures in bursts of seconds, with minutes in between.
    begin = plan.night.end if plan.night else plan.at(8)
    following = life.plan(plan.day + timedelta(days=1)) if plan.day < life.today else None
    night = following.night if following else None
    end = plan.at(14) if plan.flies else min(night.start if night else plan.at(22), plan.at(26))
    end = min([end, *(s.start for s in plan.bed_periods if not s.finished)])
    classes, start, still = movement.classes(life, plan), plan.at(4), _still(life, plan)
    awake, live = _hearts("awake"), _hearts("live")
    bpm, instant = still + 8, begin + rng.randrange(60, 600)
    chance = rng.random
    while instant < end:
        level = classes[min(max((instant - start) // 300, 0), len(classes) - 1)]
        # A heart takes minutes to follow.
        bpm += 0.7 * (still * (1 + _FASTER[level]) - bpm) + 12 * (chance() - 0.5)
        texts = live if chance() < 0.01 else awake
        for step in (0, 7, 11):
            rows[instant + step] = texts[int(bpm - 2 + 4 * chance())]
        instant += 240 + int(480 * chance())


# How much faster than sitting still, in each class of activity.
_FASTER = (0, -0.04, 0, 0.1, 0.3, 0.6)


def _still(life: Life, plan: Plan) -> float:
    """Return the heart rate of sitting still on a day, bpm."""
    condition, traits = life.condition(plan.day), life.traits
    return traits.awake_heart_rate + 0.8 * (condition.heart_rate - traits.heart_rate)


def _asleep(life: Life, plan: Plan, rows: dict[int, str]) -> None:
    for number, bed_period in enumerate(plan.bed_periods):
        # The night's rows are called `rest` in recordings, and only naps `sleep`.
        texts = _hearts("rest" if bed_period.kind == "long_sleep" else "sleep")
        rates = beats(life, plan, number).rates
        # What the night's own series says; of the last interval, which it has not, the same again.
        last = rates[-1] if rates else life.condition(plan.day).heart_rate + 6
        instants = range(bed_period.start + 15, bed_period.end, 300)
        rates += [last] * (len(instants) - len(rates))
        for instant, rate in zip(instants, rates, strict=True):
            rows[instant] = texts[int(rate + 0.5)]


def _moving(life: Life, plan: Plan, rng: random.Random, rows: dict[int, str]) -> None:
    # Every five seconds: most rows of a day with exercise come from here.
    for exercise in plan.exercises:
        if exercise.tracked:
            _workout(life, plan, exercise, rng, rows)
    if plan.session:
        start, end = plan.session
        texts, still = _hearts("session"), _still(life, plan)
        bpm = still + 2
        for instant in range(start, end, 5):
            bpm += 0.03 * (still - 6 - bpm) + rng.random() - 0.5
            rows[instant] = texts[int(bpm)]


def _workout(
    life: Life, plan: Plan, exercise: Exercise, rng: random.Random, rows: dict[int, str]
) -> None:
    still, highest = _still(life, plan), life.traits.highest_heart_rate
    # Karvonen et al. 1957, Ann Med Exp Biol Fenn: a share of the reserve above rest.
    share = studies.SPORTS[exercise.sport][3] * rng.uniform(0.9, 1.1)
    goal, texts = still + share * (highest - still), _hearts("workout")
    bpm = still + 10
    for minute in range(exercise.start, exercise.end, 60):
        # Hills and pauses. A heart reaches half of what is asked of it within a minute.
        wanted = min(goal + rng.gauss(0, 7), highest)
        step = (wanted - bpm) / 24
        # Workouts last whole minutes.
        for instant in range(minute, minute + 60, 5):
            bpm += step
            rows[instant] = texts[int(bpm)]
