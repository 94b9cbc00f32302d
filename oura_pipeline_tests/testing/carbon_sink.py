"""A Graphite for many people: it takes whatever comes in plaintext protocol, and forgets it."""

from __future__ import annotations

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


class _Lines(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        for _ in self.rfile:
            pass


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def carbon_sink(host: str = "127.0.0.1") -> Iterator[dict[str, str]]:
    """The settings that name it, until the block ends."""
    with _Server((host, 0), _Lines) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield {"GRAPHITE_HOST": host, "GRAPHITE_PORT": str(server.server_address[1])}
        finally:
            server.shutdown()
            thread.join()
