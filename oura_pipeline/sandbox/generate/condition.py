"""How a person is from day to day, and what they did in the evening before."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from oura_pipeline.sandbox.generate import studies
from oura_pipeline.sandbox.generate.traits import Traits


class Draws(NamedTuple):
    """What chance brings to a day, whatever the days around it."""

    # In standard deviations.
    hrv: float
    heart_rate: float
    temperature: float
    onset: float
    hours: float
    calm: float
    strain: float
    activity: float
    # °C at the height of an illness that begins, minutes of training, g/kg of alcohol.
    fever: float
    training: float
    alcohol: float
    late_meal: bool
    sport: int


_NORMAL = ("hrv", "heart_rate", "temperature", "onset", "hours", "calm", "strain", "activity")

# A day's draws by its date. What lasts, or follows one day later, is a sum over those of the days
# before, never a state that is carried on: so a day is the same wherever a history begins.
Chances = Callable[[date], Draws]


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """One day of one person, the night before it included."""

    # ms and bpm of the night but for alcohol and a late meal, which wear off until morning.
    hrv: float
    heart_rate: float
    # °C away from the usual.
    temperature: float
    fever: float
    # g/kg, and whether they ate late.
    alcohol: float
    late_meal: bool
    # Training of the week before, 1 as usual; hours short of sleep; standard deviations.
    load: float
    debt: float
    strain: float
    activity: float
    # How often they lie awake, 1 as usual.
    wakefulness: float
    # Hours by which the inner clock is behind the one on the wall, after a flight east.
    jet_lag: float
    # -1 in summer, 1 in winter.
    winter: float


def draw(rng: random.Random, traits: Traits, day: date) -> Draws:
    """Draw a day."""
    gauss, chance = rng.gauss, rng.random
    usual = [gauss(0, 1) for _ in range(len(_NORMAL))]
    falls_ill = chance() < studies.ILLNESSES_A_YEAR / 365 * (1 + 0.6 * winter(traits, day))
    fever = rng.uniform(0.5, 1.5)
    trains = chance() < traits.trains
    minutes = max(gauss(traits.training_minutes, 10), 20)
    # Friday and Saturday evenings are the ones to drink and to eat late.
    going_out = 2.1 if day.weekday() in (4, 5) else 0.6
    drinks = chance() < traits.drinks * going_out
    dose = min(traits.dose * math.exp(gauss(0, 0.4)), 1.3)
    return Draws(
        **dict(zip(_NORMAL, usual, strict=True)),
        fever=fever * falls_ill,
        training=minutes * trains,
        alcohol=dose * drinks,
        late_meal=chance() < traits.late_meals * going_out,
        sport=int(chance() < 0.3),
    )


def winter(traits: Traits, day: date) -> float:
    """Return 1 in the middle of winter, -1 in the middle of summer."""
    season = math.cos(2 * math.pi * (day.timetuple().tm_yday - 20) / 365)
    return -season if traits.southern else season


# From the day on which it begins: up within a day, and down over a week.
_ILLNESS = (0.35, 1.0, 0.9, 0.65, 0.4, 0.25, 0.15, 0.08)


def fever_on(day: date, chances: Chances) -> float:
    """Return the °C that an illness adds, if there is one."""
    return max(
        share * chances(day - timedelta(days=ago)).fever for ago, share in enumerate(_ILLNESS)
    )


def condition_on(day: date, traits: Traits, chances: Chances, jet_lag: float) -> Condition:
    """Return how a person is on `day`, with an inner clock that is so many hours behind."""
    past = [chances(day - timedelta(days=ago)) for ago in range(12)]
    fever = fever_on(day, chances)
    # Nobody goes out ill.
    well = fever_on(day - timedelta(days=1), chances) < 0.3
    strain = _lasting([draws.strain for draws in past], 0.75)
    trained = past[1].training / traits.training_minutes * well - traits.trains
    luteal = _luteal(day, traits)
    hrv, heart_rate = _heart(past, strain, fever, trained, luteal)
    return Condition(
        hrv=traits.hrv * math.exp(hrv - 0.02 * abs(jet_lag)),
        heart_rate=traits.heart_rate * (1 + studies.TRAINING_HEART * trained)
        + heart_rate
        + studies.LUTEAL_HEART * luteal * traits.heart_rate
        + studies.HEART_IN_WINTER * winter(traits, day),
        temperature=0.13 * _lasting([draws.temperature for draws in past], 0.4)
        + fever
        + studies.LUTEAL_TEMPERATURE * luteal,
        fever=fever,
        alcohol=past[1].alcohol * well,
        late_meal=past[1].late_meal and well,
        load=_load(past, traits),
        debt=max(-sum(0.5**ago * past[ago].hours for ago in (1, 2, 3)), 0) * 0.5,
        strain=strain,
        activity=0.9 * past[0].activity + 0.3 * past[1].activity - 1.5 * min(fever, 1),
        wakefulness=math.exp(-0.45 * past[0].calm),
        jet_lag=jet_lag,
        winter=winter(traits, day),
    )


def _heart(
    past: list[Draws], strain: float, fever: float, trained: float, luteal: float
) -> tuple[float, float]:
    """Return what is added to the logarithm of the usual HRV, and to the usual heart rate."""
    quiet = _lasting([draws.hrv for draws in past], 0.5)
    # The two are one nervous system: a night of low variability has a fast heart.
    fast = 0.8 * _lasting([draws.heart_rate for draws in past], 0.5) - 0.6 * quiet
    variability = (
        0.12 * quiet
        - 0.035 * strain
        - studies.FEVER_RMSSD * fever
        - studies.TRAINING_RMSSD * trained
        - studies.LUTEAL_RMSSD * luteal
    )
    return variability, 1.5 * fast + 0.4 * strain + studies.FEVER_HEART * fever


def _lasting(draws: list[float], carried: float) -> float:
    """Return the newest value of a series of which the next keeps a share, of variance 1."""
    total = 0.0
    for one in reversed(draws):
        total = carried * total + one
    return total * math.sqrt(1 - carried**2)


def _load(past: list[Draws], traits: Traits) -> float:
    shares = [0.75**ago for ago in range(1, 8)]
    done = sum(share * past[ago].training for ago, share in enumerate(shares, start=1))
    return done / (sum(shares) * traits.trains * traits.training_minutes)


def _luteal(day: date, traits: Traits) -> float:
    """Return how far the second part of the cycle has begun, away from its mean over a cycle."""
    if traits.cycle is None:
        return 0.0
    length, begun = traits.cycle
    number, into = divmod(day.toordinal() + begun, length)
    # No cycle is as long as the one before.
    into += random.Random(int(number)).uniform(-1.5, 1.5)  # noqa: S311  no secret
    # Up over two days after ovulation, and down again at the end.
    risen = (into - (length - studies.LUTEAL_DAYS)) / 2 + 0.5
    fallen = (length - into) / 2 + 0.5
    return min(max(risen, 0), max(fallen, 0), 1) - studies.LUTEAL_DAYS / length
