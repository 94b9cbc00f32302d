"""C, D, E and the slopes: what becomes of the cost when days, people, types or history double."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from benchmarks.measuring import Use, cpu_seconds, use
from benchmarks.results import Results
from benchmarks.scale import Scale
from benchmarks.syncs import SYNC, Contest, asked
from benchmarks.worlds import (
    LAST,
    cloud,
    expected_rows,
    measure,
    note,
    program,
    signed_in,
    stored_rows,
    sync_command,
)
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.oura.validation import ambiguity

# Twice as much takes twice the time; what is above is the machine's doing, or a square.
DOUBLE = 2.2
NIGHT = 3  # days
ANSWER_SECONDS = 0.05
# Counts lines as fast as they come, and tells how many when its standard input ends.
SINK = """
import select, socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
lines, sources = 0, [sys.stdin, listener]
while sys.stdin in sources:
    for ready in select.select(sources, [], [])[0]:
        if ready is listener:
            sources.append(listener.accept()[0])
        elif ready is not sys.stdin and (data := ready.recv(1 << 20)):
            lines += data.count(b"\\n")
        else:
            ready.close()
            sources.remove(ready)
print(lines, flush=True)
"""


def years(results: Results, scale: Scale, scratch: Path) -> None:
    """C: half of a long history, all of it, and with each the newest week once more."""
    half, whole = scale.years
    scaled = "" if whole == 1826 else f"{whole} days"
    syncs, weeks, sizes = [], [], []
    with cloud(people=1, days=whole + 7) as made:
        for days in (half, whole):
            contest = Contest(results, made, LAST - timedelta(days=days - 1))
            contest.plain("")
            home = scratch / f"days{days}"
            with signed_in(home / "ours", made):
                syncs.append(contest.sync(f"C, {days} days", home))
                sizes.append((home / "ours" / "warehouse.duckdb").stat().st_size / 1000)
                weeks.append(use(sync_command(LAST - timedelta(days=6), LAST)))
        contest.dlt(f"C, {whole} days", home)
    short = next((one.memory for one in results.programs if one.scenario == "A"), [])
    growth = [syncs[1].memory / memory for memory in short or [syncs[0].memory]]
    results.figure("C", "memory of that of A", "", *growth, at_most=1.3, scaled=scaled)
    a_day = (sizes[1] - sizes[0]) / (whole - half)
    results.figure("C", "warehouse of a person's day", "kB", a_day)
    doubled(results, "days", syncs, f"{half} to {whole} days")
    doubled(results, "history, the newest week", weeks, f"{half} to {whole} days before it")


def nightly(results: Results, scale: Scale, scratch: Path) -> None:
    """D: everybody's three days, of a cloud that takes its time."""
    first = LAST - timedelta(days=NIGHT - 1)
    sent, syncs = [], []
    for people in scale.crowd:
        with (
            # One day more at either end: the queries are wider than the days.
            cloud(people=people, days=NIGHT + 2) as made,
            signed_in(scratch / f"people{people}", made) as world,
        ):
            Contest(results, made, first).plain("")  # makes everybody's documents
            made.sandbox.fault("slow", seconds=ANSWER_SECONDS, count=None)
            before = asked(made)
            runs = results.program(f"D, {people} people", SYNC)
            syncs.append(measure(runs, made, *sync_command(first, LAST)))
            sent.append(asked(made) - before)
            runs.expected.append(expected_rows(made.sandbox, first, LAST))
            runs.stored.append(stored_rows(world.home / "warehouse.duckdb"))
    scaled = "" if people == 1000 else f"{people} people"
    # Of the people more: what a sync costs however few they are weighs less with a thousand.
    rate = (sent[1] - sent[0]) / (syncs[1].wall - syncs[0].wall)
    results.figure("D", "requests", "a second", rate, at_least=600, scaled=scaled)
    growth = syncs[1].memory / syncs[0].memory
    results.figure("D", "memory when people double", "", growth, at_most=1.1, scaled=scaled)
    more = people - scale.crowd[0]
    a_night = 1000 * (syncs[1].cpu - syncs[0].cpu) / more / NIGHT
    results.figure("D", "CPU of a person's day", "ms", a_night, scaled=scaled)
    results.figure("D", "requests of a person's night", "", (sent[1] - sent[0]) / more)
    doubled(results, "people", syncs, "{} to {} people".format(*scale.crowd))


def points(results: Results, scale: Scale, scratch: Path) -> None:
    """E: from DuckDB to a socket that counts lines."""
    first = LAST - timedelta(days=scale.days - 1)
    rates = []
    with cloud(people=scale.pushed, days=scale.days) as made:
        for turn in range(3):
            home = scratch / f"turn{turn}"
            with signed_in(home, made):
                use(program("benchmarks.landing", first, LAST))
                with sink() as (port, process, lines):
                    settings = {"GRAPHITE_HOST": "127.0.0.1", "GRAPHITE_PORT": port}
                    used = use(program("benchmarks.pushing", first, LAST), settings)
                    server = cpu_seconds(process)
                told = json.loads(used.output)
                runs = results.program("E", "pushing alone, rows are points")
                note(runs, used, server)
                runs.expected.append(told["points"])
                runs.stored.append(lines[0])
                rates.append(told["points"] / told["seconds"] / 1000)
            if scale.glance:
                break
    a_day = told["points"] / scale.pushed / scale.days
    results.figure("E", "points of a person's day", "", a_day)
    scaled = f"{scale.pushed} people, {scale.days} days"
    results.figure("E", "points", "thousand a second", *rates, at_least=400, scaled=scaled)
    results.figure(
        "E",
        "CPU of a point",
        "µs",
        *(1e6 * cpu / many for cpu, many in zip(runs.cpu, runs.stored, strict=True)),
    )


@contextmanager
def sink() -> Iterator[tuple[str, int, list[int]]]:
    """A carbon that forgets: its port, its process, and after the block how many lines came."""
    command = [sys.executable, "-c", SINK]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as child:  # type: ignore[call-overload]
        lines: list[int] = []
        yield child.stdout.readline().strip(), child.pid, lines
        child.stdin.close()
        lines.append(int(child.stdout.read()))


def slopes(results: Results, scale: Scale, scratch: Path) -> None:
    """What doubles with the number of document types, and of the keys in an object."""
    daily = [one.name for one in DOCUMENT_TYPES if one.daily]
    many = min(len(daily), 8)
    first = LAST - timedelta(days=scale.days - 1)
    syncs = []
    with cloud(people=1, days=scale.days, thin=100) as made:
        for count in (many // 2, many):
            with signed_in(scratch / f"types{count}", made):
                types = (word for name in daily[:count] for word in ("--type", name))
                syncs.append(use(sync_command(first, LAST, *types)))
    doubled(results, "types", syncs, f"{many // 2} to {many} daily types")
    objects = [wide_object(keys) for keys in (15_000, 30_000)]
    took = [cpu_of(lambda text=text: ambiguity(text)) for text in objects]  # type: ignore[misc]
    results.figure(
        "slope", "CPU: keys in an object", "", took[1] / took[0], at_most=3, scaled="200 to 400 kB"
    )
    results.figure("slope", "an object of 200 kB", "ms", 1000 * took[0], at_most=50)


def doubled(results: Results, what: str, uses: list[Use], how: str) -> None:
    """Note what became of CPU when something doubled."""
    less, more = uses
    ratio = more.cpu / less.cpu
    results.figure("slope", f"CPU: {what}", "", ratio, at_most=DOUBLE, scaled=how)


def wide_object(keys: int) -> bytes:
    """JSON of one object with as many keys, the last one twice: what takes longest to tell."""
    members = ",".join(f'"k{n}":{n}' for n in range(keys))
    return f'{{{members},"k{keys - 1}":0}}'.encode()


def cpu_of(work: Callable[[], object]) -> float:
    """CPU seconds of something short, at best."""
    took = []
    for _ in range(5):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)
