"""The same over real sockets: what only a network can do to an answer."""

from __future__ import annotations

import gzip
import json
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.budget_file import BudgetFile
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import GarbledAnswer, OuraUnavailable, UnexpectedAnswer
from oura_pipeline.oura.http import http_client, send
from oura_pipeline_tests.oura.fake_oura import FakeTokens

DAY = date(2026, 3, 10)
GOOD = b'{"data":[{"id":"a","day":"2026-03-10","score":80}],"next_token":null}'
Play = Callable[[socket.socket], None]


def says(
    body: bytes, *headers: bytes, length: int | None = None, status: bytes = b"200 OK"
) -> Play:
    """A part of the play: an answer."""
    size = len(body) if length is None else length
    head = [b"HTTP/1.1 " + status, b"Connection: close", b"Content-Length: %d" % size, *headers]
    return lambda connection: connection.sendall(b"\r\n".join(head) + b"\r\n\r\n" + body)


def resets_after(play: Play) -> Play:
    """Says something and then resets the connection."""

    def part(connection: socket.socket) -> None:
        play(connection)
        linger = struct.pack("ii", 1, 0)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    return part


@dataclass
class Stage:
    """A listener that plays one part per connection, and holds those for which there is none."""

    parts: list[Play] = field(default_factory=list)
    held: list[socket.socket] = field(default_factory=list)
    heard: list[bytes] = field(default_factory=list)
    requests: int = 0
    url: str = ""

    def serve(self, listener: socket.socket) -> None:
        """Until the listener is closed."""
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.requests += 1
            connection.settimeout(5)
            self.heard.append(self._request(connection))
            if not self.parts:
                self.held.append(connection)
                continue
            with closing(connection):
                self.parts.pop(0)(connection)

    def _request(self, connection: socket.socket) -> bytes:
        received = b""
        while b"\r\n\r\n" not in received:
            received += connection.recv(65536)
        return received


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A listener on this machine."""
    listener = socket.create_server(("127.0.0.1", 0))
    stage = Stage(url=f"http://127.0.0.1:{listener.getsockname()[1]}")
    thread = threading.Thread(target=stage.serve, args=(listener,))
    thread.start()
    yield stage
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)
    for connection in stage.held:
        connection.close()


@pytest.fixture
def client(stage: Stage, tmp_path: Path) -> Iterator[OuraClient]:
    """A client that loses patience quickly."""
    with (
        http_client(connect_seconds=2, read_seconds=0.2) as http,
        Budget(BudgetFile(tmp_path / "budget.sqlite", requests=5000, seconds=300)) as budget,
    ):
        yield OuraClient(
            http,
            api_url=stage.url,
            tokens=FakeTokens(),
            budget=budget,
            attempts=2,
            max_bytes=100_000,
        )


def fetch(client: OuraClient) -> list[bytes]:
    """The documents of a day."""
    pages = client.documents(DAILY_SLEEP, DAY, DAY)
    return [document.raw for page in pages for document in page.documents]


@pytest.mark.parametrize(
    "trouble",
    [
        resets_after(says(GOOD[:20], length=len(GOOD))),
        says(GOOD[:20], length=len(GOOD)),
        says(b"not gzip", b"Content-Encoding: gzip"),
        lambda connection: None,
        lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n"),
    ],
    ids=["reset in the body", "closed in the body", "broken gzip", "closed", "not http"],
)
def test_a_request_is_repeated_when_its_answer_breaks_off(
    client: OuraClient, stage: Stage, trouble: Play
) -> None:
    """The second one is whole."""
    stage.parts = [trouble, says(GOOD)]
    assert fetch(client) == [b'{"id":"a","day":"2026-03-10","score":80}']
    assert stage.requests == 2


def test_an_answer_that_never_comes_is_given_up(client: OuraClient, stage: Stage) -> None:
    """After as many attempts as allowed."""
    with pytest.raises(OuraUnavailable, match=r"no answer from 127\.0\.0\.1 \(read timeout\)"):
        fetch(client)
    assert stage.requests == 2


def test_nobody_there_is_unavailable(client: OuraClient, stage: Stage) -> None:
    """The message names the host and what happened."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with http_client() as http, pytest.raises(OuraUnavailable, match=r"\(connect error\)"):
        send(http, http.build_request("GET", f"http://127.0.0.1:{port}/"))


def test_a_compressed_answer_is_read(client: OuraClient, stage: Stage) -> None:
    """Oura compresses."""
    stage.parts = [says(gzip.compress(GOOD), b"Content-Encoding: gzip")]
    assert fetch(client) == [b'{"id":"a","day":"2026-03-10","score":80}']


def test_an_answer_that_is_far_too_long_is_not_read(client: OuraClient, stage: Stage) -> None:
    """Counted after decompressing, and not asked for again."""
    long = json.dumps({"data": [], "more": "x" * 10_000_000}).encode()
    stage.parts = [says(gzip.compress(long), b"Content-Encoding: gzip")]
    with pytest.raises(UnexpectedAnswer, match="longer than 100000 bytes"):
        fetch(client)
    assert stage.requests == 1


def test_an_error_page_is_not_read_to_its_end(client: OuraClient, stage: Stage) -> None:
    """Its status says enough."""
    page = says(b"<html>" + b"x" * 200_000, status=b"503 Service Unavailable")
    stage.parts = [page, says(GOOD)]
    assert len(fetch(client)) == 1


def test_an_answer_that_trickles_is_given_up(stage: Stage) -> None:
    """However lively it looks."""
    stage.parts = [says(GOOD)]
    with http_client() as http, pytest.raises(OuraUnavailable, match="not complete after 0 s"):
        send(http, http.build_request("GET", stage.url), max_seconds=0)


def test_a_garbled_compression_is_garbled(stage: Stage) -> None:
    """As one error, without the library's own."""
    stage.parts = [says(b"not gzip", b"Content-Encoding: gzip")]
    with http_client() as http, pytest.raises(GarbledAnswer) as caught:
        send(http, http.build_request("GET", stage.url))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_broken_connection_leaves_the_client_working(client: OuraClient, stage: Stage) -> None:
    """Its pool holds no dead connection."""
    stage.parts = [resets_after(says(GOOD[:20], length=99))] * 2
    with pytest.raises(OuraUnavailable):
        fetch(client)
    stage.parts = [says(GOOD)]
    assert len(fetch(client)) == 1


def test_cookies_are_not_kept(client: OuraClient, stage: Stage) -> None:
    """They would go with the question of the next person."""
    stage.parts = [says(GOOD, b"Set-Cookie: who=runa; Path=/"), says(GOOD)]
    fetch(client)
    fetch(client)
    assert b"cookie" not in stage.heard[1].lower()


def test_many_threads_share_one_client(stage: Stage) -> None:
    """More than it has connections."""
    stage.parts = [says(GOOD)] * 12
    answers: list[int] = []

    def ask() -> None:
        answers.append(send(http, http.build_request("GET", stage.url)).status)

    with http_client(connections=3) as http:
        threads = [threading.Thread(target=ask) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 12
