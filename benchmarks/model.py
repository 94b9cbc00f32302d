"""A model of days of many people, in steps of five minutes, fed by what was measured."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from benchmarks.results import BUDGET, CARBON, NIGHT, PEOPLE, UNMEASURED, Results
from oura_pipeline.markdown import markdown_table

DAY, STEP = 24 * 60, 5  # minutes
DAYS = 4  # the last of them is looked at: by then a backlog shows
# Assumed, not measured: a type is announced once or twice a day, most of them after waking up.
EVENTS = 12
WAKES_AT, SPREAD = 7.5, 1.5  # hours, local: the mean and the standard deviation
ZONES = {-8: 0.2, -5: 0.4, 0: 0.1, 1: 0.2, 9: 0.1}  # hours from UTC: share of the people
NIGHT_BEGINS = 11 * 60  # minute, UTC, of the daily schedule
BUSY = 0.7  # of the cores, at most: with more, nobody knows what has to wait
LATE = 15  # minutes until an announced document is in Graphite, for 99 of 100


@dataclass(frozen=True, kw_only=True)
class Costs:
    """What one person costs, as measured.

    Attributes:
        requests: of a night.
        request: CPU seconds of one, its landing included.
        points: of a day.
        point: CPU seconds of one.
    """

    requests: float
    request: float
    points: float
    point: float

    @classmethod
    def measured(cls, results: Results) -> Costs:
        """Return those of the results.

        Raises:
            ValueError: one of them was not measured.
        """
        requests = results.median("D", "requests of a person's night")
        return cls(
            requests=requests,
            request=results.median("D", "CPU of a person's day") / 1000 * NIGHT / requests,
            points=results.median("E", "points of a person's day"),
            point=results.median("E", "CPU of a point") / 1e6,
        )


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """Who is served, and by what.

    Attributes:
        people: how many.
        nights: in how many nights everybody is asked for once, by turns.
        budget: requests a second that Oura allows.
        cores: that fetch, land and push.
        carbons: that take points.
    """

    people: int
    nights: int = 1
    budget: float = BUDGET
    cores: int = 2
    carbons: int = 1


# More than anybody needs.
ENOUGH = Cluster(people=0, budget=1e9, cores=10**6, carbons=10**6)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The last day.

    Attributes:
        late: minutes until 99 of 100 announced documents are in Graphite; infinite: ever more.
        night: hours until the night's requests are done; infinite: never.
        busy: which part is used of the requests, the CPU and the points that there could be.
    """

    late: float
    night: float
    busy: dict[str, float]


class Line:
    """Work that waits in order of arrival.

    Attributes:
        amount: how much of it.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[int, float]] = deque()
        self.amount = 0.0

    def add(self, minute: int, amount: float) -> None:
        """Let work wait that arrived in a minute."""
        if amount:
            self._waiting.append((minute, amount))
            self.amount += amount

    def take(self, most: float) -> dict[int, float]:
        """Return up to so much of what has waited longest, by its minute of arrival."""
        taken: dict[int, float] = {}
        while self._waiting and most > 0:
            minute, amount = self._waiting.popleft()
            part = min(amount, most)
            taken[minute] = taken.get(minute, 0.0) + part
            most -= part
            if part < amount:
                self._waiting.appendleft((minute, amount - part))
        self.amount = sum(amount for _, amount in self._waiting)
        return taken


def simulate(costs: Costs, cluster: Cluster) -> Outcome:
    """Let some days go by: announced documents first, then those of the night."""
    event = costs.request + costs.points / EVENTS * costs.point  # CPU seconds
    requests, seconds = cluster.budget * STEP * 60, cluster.cores * STEP * 60 * BUSY
    points = cluster.carbons * CARBON * STEP * 60.0
    announced, night, pushed = Line(), Line(), Line()
    late: Counter[int] = Counter()  # minutes: documents that were announced on the last day
    used = {"requests": 0.0, "CPU": 0.0, "points": 0.0}
    night_over = math.inf
    last = DAYS * DAY - DAY
    # A day more, in which nothing new arrives, for what still waits.
    for minute in range(0, (DAYS + 1) * DAY, STEP):
        if minute < DAYS * DAY:
            announced.add(minute, cluster.people * EVENTS * ARRIVALS[minute % DAY // STEP])
            night.add(minute, cluster.people / cluster.nights * costs.requests * _begins(minute))
        asked = announced.take(min(requests, seconds / event))
        events = sum(asked.values())
        left = max(0.0, min(requests - events, (seconds - events * event) / costs.request))
        of_night = sum(night.take(left).values())
        for arrived, many in asked.items():
            pushed.add(arrived, many * costs.points / EVENTS)
        stored = pushed.take(points)
        if last <= minute < DAYS * DAY:
            used["requests"] += events + of_night
            used["CPU"] += events * event + of_night * costs.request
            used["points"] += sum(stored.values())
        for arrived, many in stored.items():
            if last <= arrived:
                late[minute - arrived + STEP] += int(many)
        if minute >= last + NIGHT_BEGINS and not night.amount:
            night_over = min(night_over, (minute - last - NIGHT_BEGINS + STEP) / 60)
    ever_later = announced.amount or pushed.amount
    there_is = {
        "requests": cluster.budget,
        "CPU": cluster.cores,
        "points": cluster.carbons * CARBON,
    }
    return Outcome(
        late=math.inf if ever_later else _percentile(late, 0.99),
        night=night_over,
        busy={name: used[name] / (amount * 86_400) for name, amount in there_is.items()},
    )


def _begins(minute: int) -> bool:
    return minute % DAY == NIGHT_BEGINS


def needed(costs: Costs, people: int, *, nights: int) -> Cluster:
    """Return the smallest cluster that is not late, and done with one night before the next."""
    a_day = people * (EVENTS + costs.requests / nights)
    enough = replace(ENOUGH, people=people, nights=nights)
    budget = _least(costs, lambda more: replace(enough, budget=max(BUDGET, a_day / 86_400 * more)))
    cores = _least(
        costs, lambda more: replace(budget, cores=math.ceil(a_day * costs.request / 86_400 * more))
    )
    carbon = people * costs.points / CARBON / 86_400
    return _least(costs, lambda more: replace(cores, carbons=math.ceil(carbon * more)))


def _least(costs: Costs, cluster: Callable[[float], Cluster]) -> Cluster:
    more = 1.0
    while True:
        tried = cluster(more)
        seen = simulate(costs, tried)
        if seen.late <= LATE and seen.night <= 24:
            return tried
        more *= 1.05


def _arrivals() -> list[float]:
    """Return which part of a day's documents is announced in each step, UTC."""
    parts = [0.0] * (DAY // STEP)
    for zone, share in ZONES.items():
        for step in range(len(parts)):
            hours = (step * STEP / 60 + zone - WAKES_AT + 12) % 24 - 12
            parts[step] += share * math.exp(-((hours / SPREAD) ** 2) / 2)
    return [part / sum(parts) for part in parts]


ARRIVALS = _arrivals()


def _percentile(counts: Counter[int], part: float) -> float:
    left = part * counts.total()
    for value in sorted(counts):
        left -= counts[value]
        if left <= 0:
            return value
    return 0.0


def today_table(results: Results) -> str:
    """Return a table of what becomes of people with what Oura allows today, on two cores."""
    try:
        costs = Costs.measured(results)
    except ValueError:
        return UNMEASURED
    rows = [
        (f"{people:,}", _turns(nights), *_seen(simulate(costs, cluster)))
        for people in (1_000, 5_000, 20_000, 100_000)
        for nights in (1, 7)
        for cluster in [Cluster(people=people, nights=nights)]
    ]
    headings = ("people", "each is asked for", "until it is in Graphite", "a night takes")
    busy = ("Oura's requests used", "two cores used", "one carbon used")
    return markdown_table((*headings, *busy), rows, right=("people", *headings[2:], *busy))


def needed_table(results: Results) -> str:
    """Return a table of what so many people need."""
    try:
        costs = Costs.measured(results)
    except ValueError:
        return UNMEASURED
    rows = []
    for people in (1_000, 100_000, PEOPLE[-1]):
        for nights in (1, 7):
            cluster = needed(costs, people, nights=nights)
            requests = math.ceil(cluster.budget * 300)
            what = (f"{requests:,}", f"{cluster.cores:,}", f"{cluster.carbons:,}")
            rows.append((f"{people:,}", _turns(nights), *what))
    headings = ("people", "each is asked for", "requests in 300 s", "cores", "carbons")
    return markdown_table(headings, rows, right=(headings[0], *headings[2:]))


def _turns(nights: int) -> str:
    return "every night" if nights == 1 else f"every {nights}th night"


def _time(hours: float) -> str:
    return f"{60 * hours:.0f} min" if hours < 1 else f"{hours:.1f} h"


def _seen(outcome: Outcome) -> tuple[str, ...]:
    late = "ever later" if math.isinf(outcome.late) else f"{outcome.late:.0f} min"
    night = "never ends" if math.isinf(outcome.night) else _time(outcome.night)
    return late, night, *(f"{share:.0%}" for share in outcome.busy.values())
