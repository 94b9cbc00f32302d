"""When a person lies in bed: nights by inner clock and alarm, and the naps of those who nap."""

from __future__ import annotations

from datetime import date

from oura_pipeline.sandbox.generate.condition import Condition, Draws
from oura_pipeline.sandbox.generate.traits import Traits
from oura_pipeline.sandbox.people import Habit

# Hour relative to the midnight with which a day begins, hours in bed, type.
Bedtime = tuple[float, float, str]


def night(day: date, traits: Traits, condition: Condition, draws: Draws) -> Bedtime:
    """Return the night that ends on `day`."""
    asleep_from = traits.mid_sleep - traits.hours_in_bed / 2
    awake_from = traits.mid_sleep + traits.hours_in_bed / 2
    # Pay-back is short of what was lost.
    more = 0.6 * condition.debt + 0.5 * min(condition.fever, 1) + 0.1 * condition.winter
    if day.weekday() < 5:
        # The alarm takes what the inner clock would still want, and going to bed earlier gives
        # only a part of it back.
        early = max(awake_from - traits.alarm, 0)
        awake_from -= early - 0.4 * draws.hours
        asleep_from -= 0.55 * early + 0.3 * more
    else:
        awake_from += 0.1 + more + 0.6 * draws.hours
    asleep_from += 0.45 * draws.onset + 0.5 * bool(condition.alcohol) + 0.3 * condition.late_meal
    # Late nights end later where nothing wakes one.
    awake_from += 0.2 * draws.onset
    # Light and company pull harder than the inner clock.
    asleep_from += 0.25 * condition.jet_lag
    awake_from += 0.2 * condition.jet_lag
    start = min(max(asleep_from, -2.7), 2.2)
    return start, min(max(awake_from - start, 4.2), 10.2, 10.4 - start), "long_sleep"


def bedtimes(
    usual: Bedtime, habits: frozenset[Habit], day: date, *, arrives: bool
) -> list[Bedtime]:
    """Return the periods in bed of a day whose night would be `usual`."""
    if "fragments" in habits:
        naps = _FRAGMENTS.get(day.toordinal() % 7, {})
    elif "naps" in habits:
        naps = _NAPS.get(day.toordinal() % 14, {})
        # Who naps gets up before.
        usual = (usual[0], min(usual[1], 9.3 - usual[0]), usual[2])
    else:
        naps = {}
    if arrives:
        usual = (4.5, 3.8, "long_sleep")
    return sorted(naps.get("instead", [usual]) + naps.get("also", []))


# What the person who naps does on which day of a fortnight. Six documents on one day, the first of
# them a false detection at 17:39 of the day before, were seen in a real account.
_NAPS: dict[int, dict[str, list[Bedtime]]] = {
    0: {"also": [(14.2, 0.9, "sleep")]},
    2: {"instead": [(-2.5, 3.8, "long_sleep"), (2.3, 4.2, "long_sleep")]},
    4: {
        "instead": [
            (-6.35, 1.76, "rest"),
            (-2.08, 0.52, "sleep"),
            (-0.17, 7.35, "long_sleep"),
            (11.73, 0.3, "sleep"),
            (14.43, 0.63, "sleep"),
            (16.35, 0.33, "sleep"),
        ]
    },
    6: {"also": [(15.0, 0.8, "rest")]},
    8: {"also": [(13.0, 0.7, "deleted")]},
    10: {"also": [(-5.7, 0.85, "late_nap")]},
    12: {"also": [(13.4, 1.1, "sleep")]},
}


# Of the periods in bed that are no main sleep, more than half were seen to last 1 to 13 minutes,
# and some days to have no long sleep at all.
_FRAGMENTS: dict[int, dict[str, list[Bedtime]]] = {
    0: {"also": [(13.2, 0.1, "sleep")]},
    1: {"instead": [(-0.8, 2.6, "sleep"), (3.1, 1.4, "sleep")]},
    2: {"also": [(3.2, 2.5, "sleep")]},
    3: {"instead": [(-1.0, 7.2, "long_sleep"), (-0.6, 7.6, "long_sleep")]},
    4: {"also": [(15.0, 0.02, "sleep"), (17.1, 0.2, "sleep")]},
    5: {"instead": [(-1.0, 7.0, "deleted"), (-0.9, 6.8, "long_sleep"), (12.0, 0.5, "rest")]},
}
