"""Three ways for points to leave: carbon's plaintext, carbon's pickle, a file of plaintext lines.

What surprises: carbon acknowledges nothing. Half-closing the connection and waiting for its end
proves that it read every byte, not that it stored a point; and the first bytes after a restart of
carbon vanish without an error, unless one looks whether the connection has ended *before* sending.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from filelock import FileLock

from oura_pipeline.days import batched
from oura_pipeline.graphite.aggregate import Point

Metrics = Iterable[tuple[str, Sequence[Point]]]

_AT_ONCE = 5000  # points in one send
_FRAME_BYTES = 500_000  # carbon closes the connection above 1 MiB
_LENGTH = struct.Struct("!L")


class GraphiteUnavailable(Exception):
    """Carbon, graphite-web or the file could not take or give everything; nothing is confirmed.

    Attributes:
        retryable: whether it is worth trying again at once.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


class Sender(Protocol):
    """Takes points away."""

    @property
    def confirms_delivery(self) -> bool:
        """Whether a point that was sent has also arrived."""
        ...

    def send(self, metrics: Metrics) -> None:
        """Send every point, metric by metric.

        Raises:
            GraphiteUnavailable: they may or may not have been taken.
        """
        ...


class PlaintextSender:
    """Lines `metric value seconds` over a fresh connection."""

    confirms_delivery = False

    def __init__(self, host: str, port: int = 2003, *, timeout: float = 30) -> None:
        """Prepare; `timeout` (seconds) is for connecting, for each send, and for the end."""
        self._host, self._port, self._timeout = host, port, timeout

    def send(self, metrics: Metrics) -> None:
        """Send every point; see `Sender`."""
        _send(self._host, self._port, self._timeout, _blocks(metrics))


class PickleSender:
    """Frames of pickled points over a fresh connection."""

    confirms_delivery = False

    def __init__(self, host: str, port: int = 2004, *, timeout: float = 30) -> None:
        """Prepare; `timeout` (seconds) is for connecting, for each send, and for the end."""
        self._host, self._port, self._timeout = host, port, timeout

    def send(self, metrics: Metrics) -> None:
        """Send every point; see `Sender`."""
        _send(self._host, self._port, self._timeout, _frames(metrics))


class FileSender:
    """Plaintext lines at the end of a file, from which they can be ingested later."""

    confirms_delivery = True

    def __init__(self, path: Path) -> None:
        """Prepare; the file and a lock beside it are made when the first points come."""
        self._path = path

    def send(self, metrics: Metrics) -> None:
        """Append every point, or none: a disk that fills up leaves the file as it was."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self._path}.lock"), self._path.open("ab") as file:
                _append(file.fileno(), metrics)
        except OSError as error:
            reason = error.strerror or error
            raise GraphiteUnavailable(
                f"points cannot be written to {self._path}: {reason}", retryable=False
            ) from error


def _append(file: int, metrics: Metrics) -> None:
    before = os.fstat(file).st_size
    try:
        for block in _blocks(metrics):
            view = memoryview(block)
            while view:
                view = view[os.write(file, view) :]
        os.fsync(file)
    except BaseException:
        os.ftruncate(file, before)
        raise


def _blocks(metrics: Metrics) -> Iterator[bytes]:
    """Lines, some thousand at once."""
    lines = (f"{metric} {value!r} {time}\n" for metric, points in metrics for time, value in points)
    for block in batched(lines, _AT_ONCE):
        yield "".join(block).encode("ascii")


def _frames(metrics: Metrics) -> Iterator[bytes]:
    """Pickled lists, each after its length."""
    every = ((metric, point) for metric, points in metrics for point in points)
    for some in batched(every, _AT_ONCE):
        yield from _framed(some)


def _framed(some: list[tuple[str, Point]]) -> Iterator[bytes]:
    body = pickle.dumps(some, protocol=2)
    if len(body) > _FRAME_BYTES and len(some) > 1:
        half = len(some) // 2
        yield from _framed(some[:half])
        yield from _framed(some[half:])
    else:
        yield _LENGTH.pack(len(body)) + body


def _send(host: str, port: int, timeout: float, blocks: Iterable[bytes]) -> None:
    """Send the blocks over a fresh connection and wait until carbon has read the last one."""
    try:
        with socket.create_connection((host, port), timeout) as connection:
            for block in blocks:
                _see_that_it_is_open(connection)
                connection.sendall(block)
            _see_that_it_is_open(connection)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    except OSError as error:
        reason = "it took too long" if isinstance(error, TimeoutError) else error.strerror or error
        raise GraphiteUnavailable(
            f"carbon at {host}:{port} did not take the points ({reason}): is it running?"
        ) from error


def _see_that_it_is_open(connection: socket.socket) -> None:
    """Carbon never says anything: what can be read is the end of the connection."""
    readable, _, _ = select.select([connection], [], [], 0)
    if readable:
        with contextlib.suppress(BlockingIOError):
            connection.recv(1)
        raise ConnectionResetError(None, "it closed the connection")
