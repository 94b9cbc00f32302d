"""Send points to carbon, as plaintext or pickle, or append them to a file of plaintext lines.

Carbon acknowledges nothing. What a sender can know at most is that carbon has read every byte; that
it has stored a point is known only when the point has been read back (`readback/`).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Protocol

import stamina
from filelock import FileLock

from oura_pipeline.days import batched
from oura_pipeline.files import copy_file, sync_to_disk
from oura_pipeline.graphite.aggregate import Point
from oura_pipeline.process import interrupts

Metrics = Iterable[tuple[str, Sequence[Point]]]

# Carbon's single thread takes about 130,000 points a second; larger sends are no faster.
_POINTS_PER_SEND = 5000
# Above 1 MiB carbon closes the connection, and all that follows is lost.
_MAX_FRAME_BYTES = 500_000
_FRAME_LENGTH = struct.Struct("!L")
_TAIL_BYTES = 65_536  # far longer than a line


class GraphiteUnavailable(Exception):
    """Carbon, graphite-web or the file of points does not work; nothing is confirmed.

    Attributes:
        retryable: whether trying again at once may help.
    """

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message)
        self.retryable = retryable


def _is_retryable(error: Exception) -> bool:
    return isinstance(error, GraphiteUnavailable) and error.retryable


ATTEMPTS = 4
# Calls something, and again after growing pauses while trying again may help. No limit of time: a
# large batch alone may take longer than any.
retrying = stamina.RetryingCaller(
    attempts=ATTEMPTS, wait_initial=0.2, wait_max=3, wait_jitter=0.2, timeout=None
).on(_is_retryable)


class Sender(Protocol):
    """Sends points to where they are stored."""

    @property
    def confirms_delivery(self) -> bool:
        """Return whether points are stored for good once `send` has returned."""
        ...

    def send(self, metrics: Metrics) -> None:
        """Send every point, metric by metric.

        Args:
            metrics: names and points, which may be read twice. Sending a point twice is harmless:
                it overwrites itself.

        Raises:
            GraphiteUnavailable: any of them may or may not have been stored.
        """
        ...


class PlaintextSender:
    """Sends lines `metric value seconds` over a new connection each time."""

    confirms_delivery = False

    def __init__(self, host: str, port: int = 2003, *, timeout: float = 30) -> None:
        """Prepare; `timeout` (seconds) is for connecting, for each send, and for closing."""
        self._host, self._port, self._timeout = host, port, timeout

    def send(self, metrics: Metrics) -> None:
        _send(self._host, self._port, self._timeout, _plaintext_blocks(metrics))


class PickleSender:
    """Sends frames of pickled points over a new connection each time.

    Not faster than plaintext, and carbon drops a frame with one bad value as a whole.
    """

    confirms_delivery = False

    def __init__(self, host: str, port: int = 2004, *, timeout: float = 30) -> None:
        """Prepare; `timeout` (seconds) is for connecting, for each send, and for closing."""
        self._host, self._port, self._timeout = host, port, timeout

    def send(self, metrics: Metrics) -> None:
        _send(self._host, self._port, self._timeout, _pickle_frames(metrics))


class UntilItFails:
    """Another sender, which is not tried any more once it has failed: each try takes a while."""

    def __init__(self, sender: Sender) -> None:
        """Prepare; it lasts as long as a run."""
        self._sender = sender
        self._failures = 0
        self._failure: GraphiteUnavailable | None = None

    @property
    def confirms_delivery(self) -> bool:
        return self._sender.confirms_delivery

    def send(self, metrics: Metrics) -> None:
        """Send every point, unless an earlier batch failed for good.

        Raises:
            GraphiteUnavailable: why this one failed, or the earlier one.
        """
        self.raise_if_failed()
        try:
            self._sender.send(metrics)
        except GraphiteUnavailable as error:
            self._failures += 1
            if not error.retryable or self._failures >= ATTEMPTS:
                self._failure = GraphiteUnavailable(str(error), retryable=False)
            raise
        self._failures = 0

    def raise_if_failed(self) -> None:
        """Raise the failure after which nothing is tried any more, if there was one."""
        if self._failure:
            raise self._failure


class FileSender:
    """Appends plaintext lines to a file that can be sent to carbon later."""

    confirms_delivery = True

    def __init__(self, path: Path) -> None:
        """Prepare; the file and a lock beside it are created by the first `send`."""
        self._path = path

    def send(self, metrics: Metrics) -> None:
        """Append every point, or none: when the disk is full, the file stays as it was.

        Half a line, which a killed process left, is cut off; what it was sending is sent again.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            is_new = not self._path.exists()
            with FileLock(f"{self._path}.lock"), self._path.open("a+b") as file:
                cut_half_line(file.fileno())
                _append(file.fileno(), metrics)
            if is_new:
                sync_to_disk(self._path.parent)
        except OSError as error:
            reason = error.strerror or error
            size = sum(map(len, _plaintext_blocks(metrics)))
            raise GraphiteUnavailable(
                f"cannot write {size:,} bytes of points to {self._path}: {reason}. The file is as "
                "it was before; the points wait, and are written by the next run",
                retryable=False,
            ) from error


def copy_whole_lines(path: Path, target: Path) -> None:
    """Copy a file of points, where there is one, as far as its last whole line."""
    if path.exists():
        with FileLock(f"{path}.lock"):
            copy_file(path, target)
        with target.open("r+b") as file:
            cut_half_line(file.fileno())


def cut_half_line(file: int) -> None:
    """Cut a file of points, given by its descriptor, off behind its last whole line."""
    # Otherwise the next line would be glued to it: a point lost, or a metric invented.
    size = end = os.fstat(file).st_size
    while end:
        begin = max(end - _TAIL_BYTES, 0)
        newline = os.pread(file, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            end = begin + newline + 1
            break
        end = begin
    if end < size:
        os.ftruncate(file, end)


def _append(file: int, metrics: Metrics) -> None:
    size_before = os.fstat(file).st_size
    try:
        for block in _plaintext_blocks(metrics):
            view = memoryview(block)
            while view:
                view = view[os.write(file, view) :]
        os.fsync(file)
    except BaseException:
        os.ftruncate(file, size_before)
        raise


def _plaintext_blocks(metrics: Metrics) -> Iterator[bytes]:
    # `repr` gives every digit of a double, so that equality can be asked for when it is read back.
    of_metrics = (
        [f"{metric} {value!r} {time}\n" for time, value in points] for metric, points in metrics
    )
    for block in batched(chain.from_iterable(of_metrics), _POINTS_PER_SEND):
        interrupts.check()  # what is pending is sent again
        yield "".join(block).encode("ascii")


def _pickle_frames(metrics: Metrics) -> Iterator[bytes]:
    points = ((metric, point) for metric, points in metrics for point in points)
    for batch in batched(points, _POINTS_PER_SEND):
        interrupts.check()
        yield from _frames(batch)


def _frames(batch: list[tuple[str, Point]]) -> Iterator[bytes]:
    """Yield pickled lists, each after its length; several where one would be too long."""
    body = pickle.dumps(batch, protocol=2)
    if len(body) > _MAX_FRAME_BYTES and len(batch) > 1:
        half = len(batch) // 2
        yield from _frames(batch[:half])
        yield from _frames(batch[half:])
    else:
        yield _FRAME_LENGTH.pack(len(body)) + body


def _send(host: str, port: int, timeout: float, blocks: Iterable[bytes]) -> None:
    """Send blocks over a new connection and wait until carbon has read the last one."""
    try:
        # Always with a timeout: a stopped carbon takes some megabytes, then blocks the sender.
        with socket.create_connection((host, port), timeout) as connection:
            for block in blocks:
                _raise_if_closed(connection)
                connection.sendall(block)
            _raise_if_closed(connection)
            # Carbon closes its side once it has read everything, and resets the connection when it
            # ends before that. Even then it may not store what it read: of a push that ended well
            # 0 of 1000 points were on the disk when carbon was killed right after it.
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    except OSError as error:
        raise _failure(f"carbon at {host}:{port}", timeout, error) from error


def _failure(carbon: str, timeout: float, error: OSError) -> GraphiteUnavailable:
    if isinstance(error, TimeoutError):
        # Who waited once in vain does not wait again: a carbon that hangs hangs for longer.
        return GraphiteUnavailable(
            f"{carbon} did not take the points within {timeout:g} s: it hangs or has too much to "
            "do. They wait, and are sent when it answers",
            retryable=False,
        )
    return GraphiteUnavailable(
        f"{carbon} did not take the points ({error.strerror or error}): is it running? They wait, "
        "and are sent when it answers"
    )


def _raise_if_closed(connection: socket.socket) -> None:
    # Carbon never writes, so a readable connection is a closed one. The first send into it would
    # succeed and be lost, as only its answer tells the kernel that nobody is there.
    readable, _, _ = select.select([connection], [], [], 0)
    if readable:
        with contextlib.suppress(BlockingIOError):
            connection.recv(1)
        raise ConnectionResetError(None, "it closed the connection")
