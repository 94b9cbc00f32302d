"""What was measured, as `results.json` and as tables."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from oura_pipeline.markdown import markdown_table

PATH = Path(__file__).with_name("results.json")


@dataclass(kw_only=True)
class Programs:
    """Runs of one program in one scenario: a number for each in every list.

    Attributes:
        scenario: its letter.
        name: the program.
        wall: seconds until it ended.
        cpu: CPU seconds, of its children too.
        memory: MB that it and its children held at once, at most.
        server: CPU seconds of whoever answered it, not in `cpu`.
        expected: rows that there are to be stored.
        stored: rows that were stored.
    """

    scenario: str
    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    expected: list[int] = field(default_factory=list)
    stored: list[int] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One thing that was measured, as often as there are samples.

    Attributes:
        scenario: its letter.
        name: what it is.
        unit: of the samples.
        samples: as they were seen.
        at_most: what the median is to be at most.
        at_least: what it is to be at least.
        scaled: what is smaller than what is to be reached speaks of.
    """

    scenario: str
    name: str
    unit: str
    samples: list[float]
    at_most: float | None = None
    at_least: float | None = None
    scaled: str = ""

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(self.samples)

    @property
    def reached(self) -> bool | None:
        """Whether it is as good as it is to be; None: nothing is said of that."""
        if self.at_most is not None:
            return self.median <= self.at_most
        return None if self.at_least is None else self.median >= self.at_least


@dataclass(kw_only=True)
class Results:
    """Everything of one `make bench`."""

    machine: dict[str, Any] = field(default_factory=dict)
    programs: list[Programs] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path = PATH) -> Results:
        """Return what a file holds."""
        found = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            machine=found["machine"],
            programs=[Programs(**one) for one in found["programs"]],
            figures=[Figure(**one) for one in found["figures"]],
            seconds=found["seconds"],
            failed=found["failed"],
        )

    def write(self, path: Path = PATH) -> None:
        """Write everything, rounded to what is meant."""
        path.write_text(json.dumps(_rounded(asdict(self)), indent=1) + "\n", encoding="utf-8")

    def program(self, scenario: str, name: str) -> Programs:
        """Return the runs of a program in a scenario, to be added to."""
        for one in self.programs:
            if (one.scenario, one.name) == (scenario, name):
                return one
        self.programs.append(Programs(scenario=scenario, name=name))
        return self.programs[-1]

    def figure(self, scenario: str, name: str, unit: str, *samples: float, **limits: Any) -> None:
        """Note a figure."""
        made = Figure(scenario=scenario, name=name, unit=unit, samples=list(samples), **limits)
        self.figures.append(made)
        print(f"{scenario:3} {name}: {spread(made.samples)} {unit}", flush=True)

    def median(self, scenario: str, name: str) -> float:
        """Return the median of a figure."""
        [found] = [one for one in self.figures if (one.scenario, one.name) == (scenario, name)]
        return found.median


def machine_line(results: Results) -> str:
    """Return on what, when and in how long everything was measured."""
    on = results.machine
    return (
        f"Measured {on['at']} at commit {on['commit']}{', a glance' if on['quick'] else ''}, in "
        f"{sum(results.seconds.values()) / 60:.0f} minutes: Python {on['python']}, {on['system']}, "
        f"{on['processors']} processors, load before {on['load']}.\n"
        + "".join(f"\n**{name} failed**: {why}\n" for name, why in results.failed.items())
    )


def programs_table(results: Results) -> str:
    """Return a table with a row per program and scenario, medians with their ranges."""
    headings = ("", "program", "runs", "wall s", "CPU s", "memory MB", "server's CPU s")
    rows = [
        (
            one.scenario,
            one.name,
            str(len(one.wall)),
            *(spread(samples) for samples in (one.wall, one.cpu, one.memory, one.server)),
            *(
                " … ".join(f"{n:,}" for n in sorted(set(many)))
                for many in (one.expected, one.stored)
            ),
        )
        for one in results.programs
    ]
    rows_of = ("rows expected", "rows stored")
    return markdown_table((*headings, *rows_of), rows, right=(*headings[2:], *rows_of))


def figures_table(results: Results) -> str:
    """Return a table with a row per figure: what was seen, and what is to be reached."""
    return markdown_table(
        ("", "figure", "seen", "to be reached", "", "scaled"),
        [
            (
                one.scenario,
                one.name,
                f"{spread(one.samples)} {one.unit}".strip(),
                _limit(one),
                {True: "yes", False: "**no**", None: ""}[one.reached],
                one.scaled,
            )
            for one in results.figures
        ],
        right=("seen",),
    )


# CPU seconds and MB of one person's 90 days, by the same programs before the work on speed began.
BEFORE = {"sync": 18.4, "again": 16.1, "alone": 5.0, "import": 2.0}
PEOPLE = (100, 10_000, 1_000_000)
# What Oura allows a whole application, and what carbon takes in one thread; a second.
BUDGET, CARBON = 5000 / 300, 130_000
NIGHT = 3  # days that scenario D asks for
UNMEASURED = "Not all that this takes was measured.\n"


def time_table(results: Results) -> str:
    """Return a table of where the CPU seconds of one person's sync go, before and now."""
    if results.machine["quick"]:
        return "A glance is at fewer days than these.\n"
    try:
        now = {
            "sync": statistics.median(results.program("A", "sync").cpu),
            "again": statistics.median(results.program("B", "sync").cpu),
            "alone": statistics.median(results.program("A'", "client and landing alone").cpu),
            "import": results.median("K", "CPU of the code location"),
        }
    except ValueError:  # also that of an empty median
        return UNMEASURED
    what = {
        "a first sync": lambda seen: seen["sync"],
        "of it Dagster's records, checks and points": lambda seen: seen["sync"] - seen["alone"],
        "of it asking, landing, ledgers, and what these import": lambda seen: seen["alone"],
        "importing everything, before anything is done": lambda seen: seen["import"],
        "the same range again": lambda seen: seen["again"],
    }
    rows = [
        (name, *(number(of(seen)) for seen in (BEFORE, now)), f"{of(now) / of(BEFORE):.0%}")
        for name, of in what.items()
    ]
    headings = ("CPU seconds", "before", "now", "of it")
    return markdown_table(headings, rows, right=headings[1:])


def needs_table(results: Results) -> str:
    """Return a table of what so many people need, computed from what was measured."""
    try:
        requests = results.median("D", "requests of a person's night")
        rate = results.median("D", "requests")
        cpu = results.median("D", "CPU of a person's day") / 1000
        points = results.median("E", "points of a person's day")
        point = results.median("E", "CPU of a point") / 1e6
        kept = results.median("C", "warehouse of a person's day") * 1000
    except ValueError:
        return UNMEASURED
    needs: dict[str, tuple[str, float, str]] = {
        "requests of a night": ("people × *r*", requests, ""),
        "these, as Oura allows": (f"people × *r* / {BUDGET:.1f} a second", requests / BUDGET, "h"),
        "these, as fast as two cores ask": ("people × *r* / *R*", requests / rate, "h"),
        "CPU to fetch and land them": (f"people × {NIGHT} × *c*", NIGHT * cpu, "h"),
        "CPU to push a day's points": ("people × *p* × *q*", points * point, "h"),
        "one carbon, to take a day's points": (
            f"people × *p* / {CARBON:,} a second",
            points / CARBON,
            "h",
        ),
        "warehouse of a year": ("people × 365 × *w*", 365 * kept, "GB"),
    }
    headings = ("", "formula", *(f"{people:,} people" for people in PEOPLE))
    rows = [
        (name, formula, *(_need(people * each, unit) for people in PEOPLE))
        for name, (formula, each, unit) in needs.items()
    ]
    measured = (
        f"*r* = {number(requests)} requests of a person's night · *R* = {number(rate)} requests "
        f"a second · *c* = {number(1000 * cpu)} ms CPU of a person's day · *p* = "
        f"{number(points)} points of a person's day · *q* = {number(1e6 * point)} µs CPU of a "
        f"point · *w* = {number(kept / 1000)} kB of a person's day\n"
    )
    return f"{measured}\n{markdown_table(headings, rows, right=headings[2:])}"


def _need(amount: float, unit: str) -> str:
    if unit == "GB":
        return f"{number(amount / 1e9)} GB"
    if unit == "h":
        return f"{number(amount / 3600)} h" if amount >= 3600 else f"{number(amount / 60)} min"
    return number(amount)


def spread(samples: list[float]) -> str:
    """Return the median, and of several the smallest and the largest in brackets."""
    if not samples:
        return ""
    text = number(statistics.median(samples))
    ends = f"{number(min(samples))}–{number(max(samples))}"
    return text if len(samples) == 1 else f"{text} ({ends})"


def _limit(figure: Figure) -> str:
    if figure.at_most is not None:
        return f"≤ {number(figure.at_most)} {figure.unit}".strip()
    return "" if figure.at_least is None else f"≥ {number(figure.at_least)} {figure.unit}".strip()


def number(value: float) -> str:
    """Return a number with three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {name: _rounded(one) for name, one in value.items()}
    return [_rounded(one) for one in value] if isinstance(value, list) else value
