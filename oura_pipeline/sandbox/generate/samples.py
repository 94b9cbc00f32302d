"""Heart-rate and battery rows: the two collections that are rows and not documents.

Heart rate is not evenly spaced. At rest a row comes every 300 s, in a tracked workout every 5 s,
and awake in bursts of three within seconds: about 1,200 rows on a usual day. Rows are kept as an
instant and a text shared by all rows with the same values, 16 bytes each, because 90 days of 200
people are twenty million of them.
"""

from __future__ import annotations

import random
from array import array
from datetime import timedelta

from oura_pipeline.sandbox.generate.blank import is_blank_day
from oura_pipeline.sandbox.generate.life import Life, Plan

Rows = tuple["array[float]", list[str]]


def heartrate(life: Life) -> Rows:
    """Instants (Unix seconds, ascending, each once) and the rest of each row as JSON."""
    rows: dict[int, tuple[int, str]] = {}
    for plan in life.worn():
        rng = life.rng("heartrate", plan.day)
        _awake(life, plan, rng, rows)
        _asleep(plan, rng, rows)
        _moving(plan, rng, rows)
    first, texts = min(rows, default=0), _Texts()
    times = sorted(t for t in rows if first <= t <= life.now)
    return array("d", times), [texts.heart(*rows[t]) for t in times]


def ring_battery_level(life: Life) -> Rows:
    """A row every half hour: the battery empties over four days and is charged at breakfast."""
    times: list[int] = []
    texts: list[str] = []
    share = _Texts()
    for plan in life.worn():
        unknown = is_blank_day(life.person.habits, plan.day.toordinal())
        charge = 100 - 22 * (plan.day.toordinal() % 4)
        for half_hour in range(48):
            instant = plan.at(0) + 1800 * half_hour + 7
            in_charger = charge < 40 and half_hour in (15, 16)
            level = max(charge - half_hour * 22 // 48, 1)
            if instant <= life.now and (not times or instant > times[-1]):
                times.append(instant)
                texts.append(share.battery(level, None if unknown else in_charger))
    return array("d", times), texts


class _Texts:
    """One string object per distinct text."""

    def __init__(self) -> None:
        self._seen: dict[tuple[object, ...], str] = {}

    def heart(self, bpm: int, source: str) -> str:
        text = self._seen.get((bpm, source))
        if text is None:
            text = self._seen[bpm, source] = f'"bpm":{bpm},"source":"{source}"'
        return text

    def battery(self, level: int, charging: bool | None) -> str:
        word = {None: "null", True: "true", False: "false"}[charging]
        text = f'"charging":{word},"in_charger":{word},"level":{level}'
        return self._seen.setdefault((level, charging), text)


def _awake(life: Life, plan: Plan, rng: random.Random, rows: dict[int, tuple[int, str]]) -> None:
    """Bursts of three rows between getting up and going to bed."""
    begin = plan.night.end if plan.night else plan.at(8)
    following = life.plan(plan.day + timedelta(days=1)) if plan.day < life.today else None
    night = following.night if following else None
    end = plan.at(14) if plan.flies else min(night.start if night else plan.at(22), plan.at(26))
    end = min([end, *(s.start for s in plan.bed_periods if not s.finished)])
    moment = begin + rng.randrange(60, 600)
    while moment < end:
        for step in (0, 7, 11):
            source = "live" if rng.random() < 0.01 else "awake"
            rows[moment + step] = (rng.randrange(68, 104), source)
        moment += rng.randrange(600, 2100)


def _asleep(plan: Plan, rng: random.Random, rows: dict[int, tuple[int, str]]) -> None:
    for bed_period in plan.bed_periods:
        source = "rest" if bed_period.kind == "long_sleep" else "sleep"
        for instant in range(bed_period.start + 15, bed_period.end, 300):
            rows[instant] = (rng.randrange(50, 72), source)


def _moving(plan: Plan, rng: random.Random, rows: dict[int, tuple[int, str]]) -> None:
    """A row every five seconds in tracked workouts and in sessions."""
    stretches = [(e.start, e.end, "workout", 122, 26) for e in plan.exercises if e.tracked]
    if plan.moment:
        stretches.append((*plan.moment, "session", 60, 12))
    for start, end, source, low, spread in stretches:
        for instant in range(start, end, 5):
            rows[instant] = (low + int(spread * rng.random()), source)
