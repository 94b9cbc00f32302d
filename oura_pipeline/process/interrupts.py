"""How a process ends when it is told to: at the next safe point, or soon after it anyway."""

from __future__ import annotations

import os
import signal
import sys
import termios
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

MESSAGE = "Interrupted; what was landed stays, run it again"
# How long is waited for a safe point; shorter where nobody has anything to bring to an end.
GRACE_SECONDS, SHORT_GRACE_SECONDS = 1.5, 0.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_POLL_SECONDS = 0.05
_CALL_SECONDS, _LAST_CALL_SECONDS = 0.5, 1.2
# `timeout` sends a signal to a process and then to its whole group.
_ONE_REQUEST_SECONDS = 0.1
_SHOW_CURSOR = b"\x1b[?25h"


class Interrupted(KeyboardInterrupt):
    """The process was told to end; nothing is half done where this is raised."""


def _nothing() -> None:
    pass


class _Work:
    """What has to be called when the process is to end."""

    # No dataclass: this module must be there soon, because a signal before it is handled by Python.
    def __init__(
        self,
        requested: Callable[[], object],
        repeatedly: Callable[[], object],
        abandoned: Callable[[], object],
    ) -> None:
        self.requested = requested
        self.repeatedly = repeatedly
        self.abandoned = abandoned


# Signals belong to the process, and so does all of this.
_signals: list[tuple[int, float]] = []  # number and time; appending is all that the handler does
_stopping = threading.Event()
_unattended: list[None] = []  # not empty: the main thread works, and nobody calls `overdue`
_works: list[_Work] = []
_terminal: list[Any] = []  # how it was at the start
_last_words = [MESSAGE]


def check() -> None:
    """Raise Interrupted if the process was told to end: a safe point."""
    if is_stopping():
        raise Interrupted(MESSAGE)


def is_stopping() -> bool:
    """Return whether the process was told to end."""
    return _stopping.is_set() or bool(_unattended and _signals)


def sleep(seconds: float) -> None:
    """Sleep, and raise Interrupted as soon as the process is told to end."""
    deadline = time.monotonic() + seconds
    while not is_stopping() and (left := deadline - time.monotonic()) > 0:
        _stopping.wait(min(left, _POLL_SECONDS))
    check()


@contextmanager
def interruptible(
    *,
    requested: Callable[[], object] = _nothing,
    repeatedly: Callable[[], object] = _nothing,
    abandoned: Callable[[], object] = _nothing,
) -> Iterator[None]:
    """Have functions called, in another thread, when the process is told to end during the block.

    Args:
        requested: once, before any safe point raises.
        repeatedly: again and again until the block ends, to end a wait inside it.
        abandoned: before the process ends although the block has not.
    """
    work = _Work(requested, repeatedly, abandoned)
    _works.append(work)
    try:
        yield
    finally:
        _works.remove(work)


@contextmanager
def listening() -> Iterator[None]:
    """Take signals as requests to end, in the main thread and for the length of the block."""
    # A handler that raises does so between any two byte codes: of a connection that is half made,
    # a lock that is half taken. Where a signal is ignored, as under `nohup`, it stays so.
    earlier = {
        number: signal.signal(number, _receive)
        for number in _SIGNALS
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler or signal.SIG_DFL)
        _signals.clear()
        _stopping.clear()


@contextmanager
def deferred() -> Iterator[None]:
    """Let no signal raise inside the block, except at its safe points and its end."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _unattended.append(None)
    try:
        with listening():
            yield
            check()
    finally:
        _unattended.pop()


def end_with(words: str) -> None:
    """Say this, and not that something is to be run again, when the process was told to end."""
    _last_words[0] = words


def overdue() -> bool:
    """Tell the other threads of a request to end; return whether they had time enough for it.

    The main thread calls it again and again while it listens.
    """
    if not _signals:
        return False
    if not _stopping.is_set():
        _call([work.requested for work in _works])
        _stopping.set()
    _call([work.repeatedly for work in _works])
    grace = GRACE_SECONDS if _works else SHORT_GRACE_SECONDS
    return time.monotonic() - _signals[0][1] > grace


def abandon() -> None:
    """Tell all work that it will not be waited for."""
    _call([work.abandoned for work in _works], _LAST_CALL_SECONDS)


def run(command: Callable[[], object]) -> None:
    """Run a command in a thread of its own, and end the process when a signal asks for it.

    The main thread only waits, because it is the one in which handlers of signals run.

    Raises:
        BaseException: what the command raised.
    """
    raised: list[BaseException] = []

    def body() -> None:
        try:
            command()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=body, name="command", daemon=True)
    _remember_terminal()
    with listening():
        thread.start()
        while thread.is_alive() and not overdue():
            thread.join(_POLL_SECONDS)
        if _signals:
            _end(in_order=not thread.is_alive())
    if raised:
        raise raised[0]


def _receive(number: int, frame: FrameType | None) -> None:
    now = time.monotonic()
    if _signals and now - _signals[0][1] > _ONE_REQUEST_SECONDS:
        _end(in_order=False)
    _signals.append((number, now))


def _end(*, in_order: bool) -> None:
    """End the process, with all its threads, whatever they wait for."""
    if not in_order:
        abandon()
        _restore_terminal()
    with suppress(OSError, ValueError):  # of a terminal that was closed
        sys.stdout.flush()
        print(f"\n{_last_words[0]}", file=sys.stderr, flush=True)
    # The interpreter would first wait for threads, which may wait for a network.
    os._exit(128 + _signals[0][0])


def _call(functions: Sequence[Callable[[], object]], seconds: float = _CALL_SECONDS) -> None:
    """Call functions, and wait a moment for them: none may keep the process from ending."""

    def body() -> None:
        for function in functions:
            with suppress(Exception):
                function()

    thread = threading.Thread(target=body, daemon=True)
    thread.start()
    thread.join(seconds)


def _remember_terminal() -> None:
    # A progress bar hides the cursor, and a question for a secret switches the echo off.
    with suppress(OSError, ValueError, termios.error):
        _terminal[:] = [termios.tcgetattr(sys.stdin.fileno())]


def _restore_terminal() -> None:
    with suppress(OSError, ValueError, termios.error):
        # From the background it would stop this process instead.
        if _terminal and os.tcgetpgrp(0) == os.getpgrp():
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, _terminal[0])
            os.write(sys.stdout.fileno(), _SHOW_CURSOR)
