"""The phases of a sleep in five-minute steps, and how restless it was."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from oura_pipeline.sandbox.generate import studies
from oura_pipeline.sandbox.generate.condition import Condition
from oura_pipeline.sandbox.generate.traits import Traits

_DEEP, _LIGHT, _REM, _AWAKE = "1234"


@dataclass(frozen=True, slots=True)
class Hypnogram:
    """A character per five minutes and per 30 seconds: 1 deep, 2 light, 3 REM, 4 awake."""

    phases: str
    half_minutes: str
    seconds: int

    @property
    def spans(self) -> dict[str, int]:
        """The seconds in each phase."""
        spans = {phase: 30 * self.half_minutes.count(phase) for phase in "1234"}
        # The last interval counts only as far as the period went.
        spans[self.half_minutes[-1]] -= 30 * len(self.half_minutes) - self.seconds
        return spans

    @property
    def latency(self) -> int:
        """The seconds until asleep."""
        asleep = self.half_minutes.lstrip(_AWAKE)
        return min(30 * (len(self.half_minutes) - len(asleep)), self.seconds)


def nap(seconds: int, rng: random.Random) -> Hypnogram:
    count = _count(seconds)
    awake = _AWAKE * rng.randrange(1, 4)
    return _hypnogram((awake + "".join(rng.choices("2214", k=count)))[:count], seconds, rng)


def night(seconds: int, traits: Traits, condition: Condition, rng: random.Random) -> Hypnogram:
    count = _count(seconds)
    latency = traits.latency_minutes * rng.uniform(0.6, 1.4) + max(3 * condition.strain, 0)
    phases = _AWAKE * max(_rounded(latency / 5, rng), 1)
    number = 0
    while len(phases) < count:
        phases += _cycle(number, traits, condition, rng)
        number += 1
    # Most wake by themselves and lie there for a moment.
    phases = phases[:count]
    phases = phases[:-1] + (_AWAKE if rng.random() < 0.6 else phases[-1])
    return _hypnogram(phases, seconds, rng)


def _count(seconds: int) -> int:
    # Begun intervals count here and in the movement, whole ones in the heart rate: the series of
    # a recorded night have different lengths.
    return math.ceil(seconds / 300)


def _cycle(number: int, traits: Traits, condition: Condition, rng: random.Random) -> str:
    minutes = studies.CYCLE_MINUTES if number else studies.FIRST_CYCLE_MINUTES
    blocks = max(_rounded(rng.gauss(minutes, 9) / 5, rng), 10)
    later = min(number, 5)
    # Blocks of seven and of eight hours: short nights have less of the cycles that have REM.
    deep = 84 * traits.deep_share * studies.DEEP_BY_CYCLE[later] * (1 + 0.1 * condition.debt)
    rem = 96 * traits.rem_share * studies.REM_BY_CYCLE[later]
    if number < 2:
        deep *= 1 + studies.ALCOHOL_DEEP * condition.alcohol
        rem *= max(1 - studies.ALCOHOL_REM * condition.alcohol, 0)
    deep_blocks = _rounded(deep * rng.uniform(0.7, 1.3), rng)
    rem_blocks = _rounded(rem * rng.uniform(0.7, 1.3), rng)
    light = max(blocks - deep_blocks - rem_blocks, 2)
    falling = min(_rounded(1 + light * 0.25, rng), light)
    light_sleep = _with_wakings(light - falling, traits, condition, rng)
    return _LIGHT * falling + _DEEP * deep_blocks + light_sleep + _REM * rem_blocks


def _with_wakings(light: int, traits: Traits, condition: Condition, rng: random.Random) -> str:
    """Return light sleep with the moments awake of one cycle in it."""
    restless = 1 + 0.35 * condition.fever + 0.4 * condition.alcohol + max(0.1 * condition.strain, 0)
    # Five cycles share the night's minutes.
    minutes = traits.awake_minutes / 5 * restless * condition.wakefulness
    awake = min(_rounded(minutes / 5 * rng.uniform(0.3, 1.7), rng), light)
    at = rng.randrange(light - awake + 1)
    return _LIGHT * at + _AWAKE * awake + _LIGHT * (light - awake - at)


def _rounded(value: float, rng: random.Random) -> int:
    """Return one of the two integers around a value, on average the value."""
    return int(value + rng.random())


def _hypnogram(phases: str, seconds: int, rng: random.Random) -> Hypnogram:
    """Return both series; the finer one changes up to two minutes before the other or after."""
    finer, begun, block = [], 0, 0
    for phase, run in groupby(phases):
        block += len(list(run))
        changes = 10 * block + rng.randrange(-4, 5) * (block < len(phases))
        finer.append(phase * (changes - begun))
        begun = changes
    return Hypnogram(phases, "".join(finer)[: math.ceil(seconds / 30)], seconds)


def movement(hypnogram: Hypnogram, rng: random.Random) -> str:
    """Return a digit per 30 seconds, 1 still to 4 tossing about, after the phases."""
    pools, bits = _movements(), rng.randbytes(len(hypnogram.phases))
    tens = (pools[phase][bit] for phase, bit in zip(hypnogram.phases, bits, strict=True))
    return "".join(tens)[: math.ceil(hypnogram.seconds / 30)]


_MOVEMENT = {"1": (97, 2, 1, 0), "2": (88, 9, 2, 1), "3": (90, 8, 2, 0), "4": (45, 33, 16, 6)}


@cache
def _movements() -> dict[str, list[str]]:
    # Five minutes at a time, which is several times faster than a half minute at a time.
    rng = random.Random("movement")  # noqa: S311  no secret
    return {
        phase: ["".join(rng.choices("1234", weights, k=10)) for _ in range(256)]
        for phase, weights in _MOVEMENT.items()
    }
