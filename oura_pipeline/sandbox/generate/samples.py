"""Heart-rate and battery rows: the two collections that are rows and not documents."""

from __future__ import annotations

import random
from array import array
from datetime import timedelta

from oura_pipeline.sandbox.generate.blank import is_blank_day
from oura_pipeline.sandbox.generate.life import Life, Plan

Rows = tuple["array[float]", list[str]]


def heartrate(life: Life) -> Rows:
    """Return instants (Unix seconds, ascending, each once) and the rest of each row as JSON."""
    # Not evenly spaced: about 1,200 rows a day, most of them in a workout, as was recorded.
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
    """Return rows like those of `heartrate`, one every half hour."""
    times: list[int] = []
    texts: list[str] = []
    share = _Texts()
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
                texts.append(share.battery(level, None if unknown else in_charger))
    return array("d", times), texts


class _Texts:
    """Texts of rows, one string object per distinct text, which saves most of the memory."""

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
    # Awake the ring measures in bursts of seconds, with minutes in between.
    begin = plan.night.end if plan.night else plan.at(8)
    following = life.plan(plan.day + timedelta(days=1)) if plan.day < life.today else None
    night = following.night if following else None
    end = plan.at(14) if plan.flies else min(night.start if night else plan.at(22), plan.at(26))
    end = min([end, *(s.start for s in plan.bed_periods if not s.finished)])
    instant = begin + rng.randrange(60, 600)
    while instant < end:
        for step in (0, 7, 11):
            source = "live" if rng.random() < 0.01 else "awake"
            rows[instant + step] = (rng.randrange(68, 104), source)
        instant += rng.randrange(600, 2100)


def _asleep(plan: Plan, rng: random.Random, rows: dict[int, tuple[int, str]]) -> None:
    for bed_period in plan.bed_periods:
        # The night's rows are called `rest` in recordings, and only naps `sleep`.
        source = "rest" if bed_period.kind == "long_sleep" else "sleep"
        for instant in range(bed_period.start + 15, bed_period.end, 300):
            rows[instant] = (rng.randrange(50, 72), source)


def _moving(plan: Plan, rng: random.Random, rows: dict[int, tuple[int, str]]) -> None:
    # Every five seconds: nine rows in ten of a day with exercise come from here.
    stretches = [(e.start, e.end, "workout", 122, 26) for e in plan.exercises if e.tracked]
    if plan.session:
        stretches.append((*plan.session, "session", 60, 12))
    for start, end, source, low, spread in stretches:
        for instant in range(start, end, 5):
            rows[instant] = (low + int(spread * rng.random()), source)
