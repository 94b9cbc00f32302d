"""A program on a terminal of its own, where Ctrl-C is a key."""

from __future__ import annotations

import fcntl
import os
import pty
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL
from threading import Event
from time import monotonic

CTRL_C = b"\x03"


class Terminal:
    """A running program, the keys that are pressed and what it shows.

    Attributes:
        program: the process; a session of its own.
        shown: everything that it has written so far.
    """

    def __init__(self, program: subprocess.Popen[bytes], keyboard: int) -> None:
        self.program = program
        self.shown = b""
        self._keyboard = keyboard
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def press(self, key: bytes) -> None:
        os.write(self._keyboard, key)

    def ended(self, seconds: float) -> tuple[int, float]:
        """Wait for the end; return the status, as a shell has it, and how long that took."""
        began = monotonic()
        status = self.program.wait(seconds)
        took = monotonic() - began
        self._reader.join(5)
        return (128 - status if status < 0 else status), took

    def until(self, text: str, seconds: float = 120) -> None:
        """Return when it shows a text."""
        deadline = monotonic() + seconds
        while text.encode() not in self.shown:
            assert monotonic() < deadline, self.shown.decode()
            assert self.program.poll() is None, self.shown.decode()
            Event().wait(0.02)

    def _read(self) -> None:
        with suppress(OSError):  # everybody has closed the other end
            while some := os.read(self._keyboard, 65536):
                self.shown += some


@contextmanager
def terminal(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> Iterator[Terminal]:
    """Run `oura-pipeline` on a terminal; whatever happens, nothing of it stays."""
    keyboard, screen = pty.openpty()
    program = subprocess.Popen(
        [sys.executable, "-m", "oura_pipeline.cli", *arguments],
        **dict.fromkeys(("stdin", "stdout", "stderr"), screen),
        cwd=folder,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160", **(environment or {})},
        start_new_session=True,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
    )
    os.close(screen)
    try:
        yield Terminal(program, keyboard)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(program.pid, SIGKILL)
        program.wait()
        os.close(keyboard)
