"""A fake carbon that remembers what it receives, or behaves badly."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class FakeCarbon:
    """A server on a port of its own.

    Attributes:
        port: on loopback.
        received: what each connection sent, in the order in which they ended.
    """

    def __init__(self, serve: Callable[[socket.socket], bytes]) -> None:
        self.received: list[bytes] = []
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                self.received.append(self._serve(connection))


def read_all(connection: socket.socket) -> bytes:
    """Return what the other side sends."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def reset_at_once(connection: socket.socket) -> bytes:
    """Read a little, then break the connection."""
    got = connection.recv(10)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return got


def close_at_once(connection: socket.socket) -> bytes:
    """Close before anything was read."""
    connection.shutdown(socket.SHUT_WR)
    return read_all(connection)


@contextmanager
def fake_carbon(serve: Callable[[socket.socket], bytes] = read_all) -> Iterator[FakeCarbon]:
    """Run a fake carbon during the block."""
    carbon = FakeCarbon(serve)
    try:
        yield carbon
    finally:
        carbon.close()
