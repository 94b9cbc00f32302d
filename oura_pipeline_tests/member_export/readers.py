"""The processes that read exports, found and killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread


def readers_of(parent: int) -> Iterator[int]:
    """Return the readers that a process has started and not ended."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent and is_reader(int(folder.name)):
                yield int(folder.name)


def is_reader(pid: int) -> bool:
    with suppress(OSError):
        return b"member_export.reader_process" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


@contextmanager
def killing_readers() -> Iterator[None]:
    """Kill every reader of this process as soon as it is there, until the block ends."""
    over = Event()

    def kill() -> None:
        while not over.wait(0.01):
            for reader in readers_of(os.getpid()):
                with suppress(ProcessLookupError):
                    os.kill(reader, signal.SIGKILL)

    thread = Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
