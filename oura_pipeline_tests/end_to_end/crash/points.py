"""Named points of a program, and how a process is killed by itself when it passes one."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import oura_pipeline

PACKAGE = f"{Path(oura_pipeline.__file__).parent}/"
ANY = "any call"
WHENS = ("before", "during", "after")
# What every program does to files, databases and sockets, by module and function …
SYSTEM = (
    *("sqlite3.execute", "sqlite3.executemany", "sqlite3.commit", "sqlite3.close"),
    *("_duckdb.connect", "_duckdb.execute", "_duckdb.commit", "_duckdb.close"),
    *("posix.open", "posix.write", "posix.fsync", "posix.replace", "posix.rename"),
    *("posix.unlink", "posix.mkdir", "posix.link", "posix.ftruncate", "posix.rmdir"),
    *("fcntl.flock", "fcntl.ioctl", "socket.sendall", "socket.send", "socket.recv"),
)
# … and the steps of ours between which a crash could forget something.
STEPS = (
    *("sync/fetch.py:fetch", "sync/fetch.py:land", "sync/fetch.py:record"),
    *("sync/fetch.py:_wait_for_push", "sync/fetch.py:refetch_overtaken"),
    *("sync/redating.py:record_redated", "sync/history.py:forget_disproved"),
    *("warehouse/spool.py:_write", "warehouse/spool.py:open_spool", "warehouse/landing.py:land"),
    *("warehouse/connection.py:transaction", "warehouse/connection.py:opened"),
    *("warehouse/publishing.py:swap_in", "sync/publish.py:update_fetches", "files.py:copy_file"),
    *("warehouse/warehouse.py:publish", "warehouse/describing.py:describe"),
    *("graphite/push.py:announce", "graphite/push.py:record_sent"),
    *("graphite/push.py:record_withdrawn", "graphite/carbon.py:_append"),
    *("graphite/carbon.py:_cut_half_line", "sync/push.py:_settle", "sync/waiting.py:push_waiting"),
    *("accounts/database.py:writing", "accounts/database.py:lock", "accounts/waiting.py:settle"),
    *("accounts/fetches.py:record", "accounts/pushes.py:record", "oura/budget.py:acquire"),
    *("defs/storage.py:store_event_batch", "defs/run_owners.py:own"),
    *("defs/run_owners.py:fail_ownerless", "process/owners.py:_new"),
    *("commands/sync_run.py:run_sync", "commands/sync_run.py:_summary"),
)
RENEWAL = (
    *("accounts/tokens.py:_renewed", "accounts/tokens.py:_announced", "accounts/tokens.py:_ask"),
    *("accounts/tokens.py:_saved", "accounts/tokens.py:_finished", "oura/oauth.py:renew"),
)
SITE = (
    *("accounts/inbox.py:receive", "web/webhook.py:_try_write", "accounts/sessions.py:begin"),
    *("people/sign_in.py:finish", "people/sign_in.py:_exchanged", "oura/oauth.py:exchange"),
    *("accounts/people.py:reconnect", "accounts/database.py:writing", "sqlite3.commit"),
    "socket.send",
)
SENDING = (
    *("graphite/carbon.py:_send", "socket.sendall", "graphite/push.py:record_sent"),
    *("graphite/push.py:announce", "sync/push.py:_settle", "sync/push.py:confirm_sent"),
    *("graphite/readback/digests.py:verify_twice", "accounts/pushes.py:record_delivered"),
)
EVENTS = (
    *("accounts/inbox.py:waiting", "accounts/inbox.py:finish", "accounts/inbox.py:postpone"),
    *("sync/webhook_events.py:land_events", "sync/webhook_events.py:_push_days"),
    *("sync/fetch.py:land", "sync/fetch.py:record", "graphite/push.py:announce", "sqlite3.commit"),
    *("_duckdb.execute", "graphite/carbon.py:_append", "accounts/waiting.py:settle"),
)


@dataclass(frozen=True, kw_only=True)
class Kill:
    """Where a process dies, without any warning.

    Attributes:
        point: a name of the tables above, or any call of ours.
        when: before or after the point, or a moment after it has begun.
        nth: at which pass, counted over all threads.
        moment: for `during`, in seconds.
    """

    point: str
    when: str = "before"
    nth: int = 1
    moment: float = 0.001

    def __str__(self) -> str:
        return f"{self.when} {self.point} {self.nth}"


def kill_at(kill: Kill) -> None:
    """Kill this process when it passes a point."""
    passed = 0
    events = ("return", "c_return") if kill.when == "after" else ("call", "c_call")
    short = kill.point.replace(":", ".").rpartition(".")[2]

    def look(frame: FrameType, event: str, argument: Any) -> None:
        nonlocal passed
        if event in events and _is(kill.point, short, frame, event, argument):
            passed += 1
            if passed == kill.nth:
                _die(kill)

    _look_everywhere(look)


def count_points(points: tuple[str, ...]) -> Counter[str]:
    """Count from now on how often each point is passed; return the counter, which grows."""
    counts: Counter[str] = Counter()
    wanted = {*points}

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "c_call"):
            name = _name(frame, event, argument)
            if name in wanted:
                counts[name] += 1
            if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
                counts[ANY] += 1

    _look_everywhere(look)
    return counts


def _look_everywhere(look: Callable[[FrameType, str, Any], None]) -> None:
    # A profiler sees every call and return, of functions in C too, and changes none.
    threading.setprofile(look)
    sys.setprofile(look)


def _is(point: str, short: str, frame: FrameType, event: str, argument: Any) -> bool:
    if point == ANY:
        return event == "call" and frame.f_code.co_filename.startswith(PACKAGE)
    found = frame.f_code.co_name if event[0] != "c" or event == "call" else argument.__name__
    return found == short and _name(frame, event, argument) == point


def _name(frame: FrameType, event: str, argument: Any) -> str:
    if event in ("call", "return"):
        return f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_code.co_name}"
    owner = argument.__module__ or type(argument.__self__).__module__
    return f"{owner}.{argument.__name__}"


def _die(kill: Kill) -> None:
    if kill.when == "during":
        # Whatever the process does then, in C too: nobody handles this signal, and it kills.
        signal.setitimer(signal.ITIMER_REAL, kill.moment)
    else:
        os.kill(os.getpid(), signal.SIGKILL)
