"""Clients that send too slowly, or too much, before they are answered."""

from __future__ import annotations

import http.client
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from oura_pipeline.web.limits import MAX_HEADER_BYTES, ImpatientProtocol
from oura_pipeline.web.server import listen, running_site
from oura_pipeline_tests.web.site_client import site_settings

SECONDS = 30  # at most, for what takes half a second
HEAD = b"POST / HTTP/1.1\r\nHost: localhost\r\n"


class Quick(ImpatientProtocol):
    """The same with less patience."""

    request_seconds, reading_seconds = 0.5, 2.0


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of something that reads whatever it is sent."""

    async def read(request: Request) -> Response:
        return PlainTextResponse(str(len(await request.body())))

    def long_answer(request: Request) -> Response:
        return StreamingResponse(b"x" * 50_000 for _ in range(400))

    with listen("127.0.0.1", 0) as listener:
        routes = [Route("/", read, methods=["POST"]), Route("/long", long_answer)]
        app = Starlette(routes=routes)
        server = uvicorn.Server(uvicorn.Config(app, http=Quick, log_level="critical"))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def site_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Of the site itself."""
    with running_site(site_settings(tmp_path_factory.mktemp("limits") / "data")) as url:
        yield int(url.rpartition(":")[2])


@contextmanager
def connected(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        yield client


def answer(client: socket.socket) -> bytes:
    """Everything until the other side hangs up."""
    said = b""
    with suppress(ConnectionResetError):
        while part := client.recv(65536):
            said += part
    return said


@pytest.mark.parametrize(
    "begun",
    [b"", b"POST", HEAD, HEAD + b"X-Long: ", HEAD + b"Content-Length: 5\r\n\r\nabc"],
    ids=["nothing", "a word", "a header", "half a header", "half a body"],
)
def test_a_request_that_does_not_come_is_not_waited_for(port: int, begun: bytes) -> None:
    with connected(port) as client:
        client.sendall(begun)
        assert b"200 OK" not in answer(client)


def test_a_drop_now_and_then_is_no_request_either(port: int) -> None:
    """The whole request has to come in time, not the next byte."""
    with connected(port) as client, suppress(OSError):
        client.sendall(HEAD)
        client.settimeout(0.1)
        for _ in range(SECONDS * 10):
            with suppress(TimeoutError):
                assert client.recv(1) == b""
                return
            client.sendall(b"X: y\r\n")
        pytest.fail("it was waited for")


def test_requests_one_after_the_other_each_have_their_time(port: int) -> None:
    with connected(port) as client:
        for _ in range(3):
            client.sendall(HEAD + b"Content-Length: 2\r\n\r\nab")
            response = http.client.HTTPResponse(client)
            response.begin()
            assert (response.status, response.read()) == (200, b"2")


def test_who_does_not_read_the_answer_is_not_waited_for(port: int) -> None:
    """A download holds a place that others wait for."""
    with connected(port) as client:
        client.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(4)  # twice as long as is waited for
        assert received(client) < 20_000_000
    with connected(port) as client:
        client.sendall(b"GET /long HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert received(client) > 20_000_000


def received(client: socket.socket) -> int:
    """How many bytes come until the other side hangs up."""
    count = 0
    with suppress(ConnectionResetError):
        while part := client.recv(1 << 20):
            count += len(part)
    return count


@pytest.mark.parametrize(
    "long",
    [
        b"POST /" + b"x" * MAX_HEADER_BYTES + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        HEAD + b"X: " + b"x" * 10 * MAX_HEADER_BYTES,
        HEAD + b"X: y\r\n" * MAX_HEADER_BYTES,
        HEAD + b"X: " + b"x" * MAX_HEADER_BYTES + b"\r\n\r\n",
    ],
    ids=["address", "endless header", "many headers", "one header"],
)
def test_headers_of_the_site_have_an_end(site_port: int, long: bytes) -> None:
    with connected(site_port) as client:
        with suppress(OSError):
            client.sendall(long)
        assert answer(client).partition(b"\r\n")[0] in (b"HTTP/1.1 400 Bad Request", b"")
