"""Rounds that a seed draws, for so many minutes, and what came of them."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.end_to_end.crash.crash import PEOPLE, Crash
from oura_pipeline_tests.end_to_end.crash.programs import Stuck
from oura_pipeline_tests.end_to_end.crash.rounds import ROUNDS, Round, small_disk
from oura_pipeline_tests.end_to_end.crash.truth import KINDS, TYPES, kind_of
from oura_pipeline_tests.testing.world import world

BESIDE = 3  # days that the sandbox has and nobody asks for


def crash_for(
    seed: int, seconds: float, names: Sequence[str] | None, *, first: date, last: date
) -> int:
    """Crash a world for so many seconds, or with these rounds; return 1 where something is wrong.

    What is wrong is printed with its round, and the folder of the world is kept.
    """
    options = SandboxOptions(
        people=PEOPLE,
        days=(last - first).days + 1 + BESIDE,
        seed=seed,
        thin=20,
        webhook_retry_seconds=60.0,
        webhook_timeout_seconds=3.0,
    )
    settings = {"OURA_HISTORY_START": str(first)}
    folder = Path(tempfile.mkdtemp(prefix=f"crash-{seed}-"))
    with (
        small_disk(folder / "disk"),
        running(options, process=True) as sandbox,
        world(folder / "disk" / "data", sandbox, settings=settings) as made,
    ):
        rows = TYPES[:2] if names == ["a little"] else TYPES
        crash = Crash(made, random.Random(seed), first, last, rows=rows)
        try:
            found = _crash(crash, seed, time.monotonic() + seconds, names)
        finally:
            crash.end()
        if found:
            kept = Path(tempfile.mkdtemp(prefix=f"crash-{seed}-kept-")) / "world"
            shutil.copytree(folder, kept)
            print(f"kept: {kept}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    return 1 if found else 0


def _crash(crash: Crash, seed: int, deadline: float, names: Sequence[str] | None) -> Counter[str]:
    """Do rounds and print them; return how often something was wrong, by kind."""
    crash.begin()
    if names != ["a little"]:
        crash.rehearse()
        crash.compare()
    found: Counter[str] = Counter()
    began = time.monotonic()
    for number, chosen in enumerate(_drawn(crash, names)):
        if names is None and time.monotonic() > deadline:
            break
        since, crash.done[:] = time.monotonic(), crash.done[:] if number == 0 else []
        try:
            chosen.harm(crash)
        except Stuck as error:
            crash.find(f"still: {error}")
        crash.sandbox.clear_faults()
        crash.settle()
        crash.end()
        wrong = [harm.removeprefix("FOUND ") for harm in crash.done if harm.startswith("FOUND ")]
        found.update(map(kind_of, wrong))
        harms = [harm for harm in crash.done if not harm.startswith("FOUND ")]
        print(
            f"seed {seed} round {number:3} {chosen.name}: {len(harms)} × harm, {len(wrong)} wrong, "
            f"{time.monotonic() - since:.1f} s: {'; '.join(harms)}",
            *(f"  WRONG ({kind_of(finding)}): {finding}" for finding in wrong[:30]),
            sep="\n",
            flush=True,
        )
    print(_summary(seed, crash, found, time.monotonic() - began), flush=True)
    return found


def _drawn(crash: Crash, names: Sequence[str] | None) -> Iterator[Round]:
    if names is not None:
        yield from (one for name in names for one in ROUNDS if one.name == name)
        return
    # Each kind once, before some come more often than others.
    yield from crash.rng.sample([one for one in ROUNDS if one.turns], len(ROUNDS) - 1)
    while True:
        yield crash.draw("rounds", [one for one in ROUNDS for _ in range(one.turns)])


def _summary(seed: int, crash: Crash, found: Counter[str], seconds: float) -> str:
    counted = [f"{found[kind]} {kind}" for kind in (*KINDS, "wrong")]
    tally = crash.tally
    return (
        f"seed {seed}: {tally['kills']} kills, {tally['faults']} faults in {seconds / 60:.1f} min; "
        f"{', '.join(counted)}; {tally['lost answers']} answers to a renewal lost; "
        f"{tally['not reached']} points not reached"
    )
