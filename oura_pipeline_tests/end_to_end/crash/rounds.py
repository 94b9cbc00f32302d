"""What is done to a world: a row for each kind of harm."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from oura_pipeline.sandbox.faults import KINDS
from oura_pipeline_tests.end_to_end.crash.carbon import carbon
from oura_pipeline_tests.end_to_end.crash.crash import Crash, step
from oura_pipeline_tests.end_to_end.crash.daemons import daemons
from oura_pipeline_tests.end_to_end.crash.points import RENEWAL, WHENS, Kill
from oura_pipeline_tests.end_to_end.crash.sites import events, together

# Those of consent and of webhooks' addresses are no faults of a sync.
_FAULTS = sorted(KINDS.keys() - {"ssl_error", "empty_grant", "callback"})
_STAGES = ("the tokens", "the first page", "a later page", "every page of somebody", "every page")
# A token's answer that is lost has been given: the old one is used up.
_LOSES_ANSWERS = {*_FAULTS} - {"rate_limited", "error", "gateway_timeout", "hang", "slow", "drop"}
_LONGEST_FAULT = 45.0  # seconds
_SMALL_DISK = 256 * 1024 * 1024  # bytes


@dataclass(frozen=True)
class Round:
    """A kind of harm.

    Attributes:
        name: what is done.
        harm: does it; whatever it starts is at rest afterwards.
        turns: how often it comes among all others.
    """

    name: str
    harm: Callable[[Crash], None]
    turns: int = 1


def named_points(crash: Crash) -> None:
    """One sync after another is killed at a point."""
    for _ in range(12):
        crash.change()
        kill = crash.kill_of_a_sync()
        crash.killed(crash.sync(kill=kill), kill)


def steps(crash: Crash) -> None:
    """What runs do with documents is killed at a point, again and again."""
    for _ in range(25):
        crash.change(1)
        kill = crash.kill_of_a_step()
        work = partial(step, crash.draw("types", crash.types), crash.first, crash.last)
        crash.killed(crash.start("step", work, kill=kill), kill)


def a_little(crash: Crash) -> None:
    """What `make test` has time for: already the first sync is killed, while Oura fails."""
    for kind, stage in (("drop", "the tokens"), ("no_data", "the first page")):
        _add_fault(crash, kind, stage, once=True)
        crash.count("faults", f"{kind} of {stage}")
    for point, when in (("sync/fetch.py:record", "before"), ("posix.write", "after")):
        kill = Kill(point=point, when=when)
        crash.killed(crash.sync(crash.types[:1], kill=kill), kill)
    crash.change(1)


def random_moments(crash: Crash) -> None:
    """One sync after another is killed from outside."""
    for _ in range(9):
        crash.change()
        program, moment = crash.sync(crash.types), crash.rng.uniform(0.05, 4)
        if program.kill_after(moment):
            crash.count("kills", f"sync after {moment:.2f} s")


def faults(crash: Crash) -> None:
    """Syncs while Oura answers wrongly, each in other ways at other stages."""
    for _ in range(3):
        crash.change()
        drawn = [crash.draw("faults", [*product(_FAULTS, _STAGES)]) for _ in range(8)]
        _answer_wrongly(crash, drawn, once=crash.rng.random() < 0.5)


def _answer_wrongly(crash: Crash, drawn: Sequence[tuple[str, str]], *, once: bool) -> None:
    """Sync while Oura has these faults, each of them once, or again and again at its stage."""
    before = crash.token_requests()
    for kind, stage in drawn:
        _add_fault(crash, kind, stage, once=once)
        crash.count("faults", f"{kind} of {stage}{'' if once else ' for good'}")
    program = crash.sync(crash.types, tries_once=not once)
    # A cloud that says "in a second" for good is asked for long; what counts is the end of that.
    program.process.join(_LONGEST_FAULT)
    crash.sandbox.clear_faults()
    program.wait()
    crash.check_output(program)
    if any(stage == "the tokens" and kind in _LOSES_ANSWERS for kind, stage in drawn):
        note_risk(crash, before)
    crash.revoke_access()


def _add_fault(crash: Crash, kind: str, stage: str, *, once: bool) -> None:
    route, person = crash.rng.choice(("*", *crash.types)), None
    if stage == "the tokens":
        route = "token"
        crash.revoke_access()
    elif stage == "every page of somebody":
        person = crash.rng.choice(crash.usernames)
    crash.sandbox.fault(
        kind,
        route=route,
        person=person,
        skip=crash.rng.randint(1, 6) if stage == "a later page" else 0,
        count=1 if once or "every" not in stage else None,
        seconds={"rate_limited": 1.0, "hang": 0.4, "slow": 0.4}.get(kind, 0.0),
    )


def note_risk(crash: Crash, before: Counter[str]) -> None:
    """Note whose tokens were asked for since, by a program that may not have got the answer."""
    crash.at_risk |= (crash.token_requests() - before).keys()


def renewals(crash: Crash) -> None:
    """Syncs are killed while they renew everybody's tokens."""
    for _ in range(9):
        crash.sign_in_again()  # or nobody would be left
        crash.change(1)
        crash.revoke_access()
        point, when = crash.draw("renewals", [*product(RENEWAL, WHENS)])
        kill, before = crash.kill(point, when, 2), crash.token_requests()
        crash.killed(crash.sync(kill=kill), kill)
        note_risk(crash, before)
    crash.revoke_access()


def full_disk(crash: Crash) -> None:
    """Syncs find a disk full, at another moment each."""
    if not crash.made.home.parent.is_mount():
        return
    ballast = crash.made.home.parent / "ballast"
    for _ in range(5):
        crash.change()
        leave = int(1024 * 10 ** crash.rng.uniform(0, 3.5))
        free = os.statvfs(ballast.parent)
        with ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(free.f_bavail * free.f_frsize - leave, 1))
        program = crash.sync()
        program.wait()
        ballast.unlink()
        crash.count("faults", f"a disk with room for {leave:,} bytes")
        crash.check_output(program)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small tmpfs on a folder for the length of the block, where that is allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={_SMALL_DISK},mode=700", "tmpfs", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=False)


ROUNDS = (
    Round("a little", a_little, 0),
    Round("named points", named_points, 6),
    Round("steps", steps, 4),
    Round("random moments", random_moments, 2),
    Round("four syncs, a site, six readers", together, 2),
    Round("faults", faults, 6),
    Round("renewals", renewals, 2),
    Round("full disk", full_disk, 2),
    Round("events", events, 2),
    Round("daemons", daemons),
    Round("carbon", carbon),
)
