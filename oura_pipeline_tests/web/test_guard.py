"""What gets past the guard of Dagster's UI, and what does not."""

from __future__ import annotations

import base64
import http.client
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from oura_pipeline.web.guard import DagsterGuard
from oura_pipeline.web.server import guarded_server, listen

URL = "https://dagster.example"
HERE = "http://127.0.0.1:3000"
LINK = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
PAGE = {"Accept": "text/html,*/*"}
JSON = {"Content-Type": "application/json"}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
PASSWORD = "a password of Dagster's UI, long enough"
EVIL = "http://evil.example"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of something that obeys everybody, behind the guard."""
    with guarded() as number:
        yield number


@contextmanager
def guarded(password: str = "") -> Iterator[int]:
    with listen("127.0.0.1", 0) as listener:
        server = guarded_server(DagsterGuard(_open_app(), URL, password))
        thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(10)


def _open_app() -> Starlette:
    def obey(request: Request) -> Response:
        return PlainTextResponse("obeyed")

    async def accept(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    methods = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    routes = [WebSocketRoute("/graphql", accept), Route("/{path:path}", obey, methods=methods)]
    return Starlette(routes=routes)


def ask(
    port: int, method: str, path: str, headers: dict[str, str], host: str = "127.0.0.1:3000"
) -> http.client.HTTPResponse:
    """The answer to a request with exactly these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in ({"Host": host} | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    if answer.status != 101:
        answer.read()
    connection.close()
    return answer


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/runs", {}),
        ("GET", "/runs", {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"}),
        ("GET", "/runs", {"Sec-Fetch-Site": "none", **PAGE}),
        ("GET", "/runs/1", {**LINK, **PAGE}),  # from /status of the site, or a chat
        ("GET", "/graphql?query=mutation", {**LINK, **PAGE}),  # the editor, which runs nothing
        ("POST", "/graphql", JSON),  # the site, curl
        ("POST", "/graphql", {"Content-Type": "application/json; charset=utf-8", "Origin": HERE}),
        ("POST", "/graphql", {**JSON, "Origin": HERE, "Sec-Fetch-Site": "same-origin"}),
        ("POST", "/graphql", {**JSON, "Origin": URL}),  # behind a proxy with its own Host
    ],
)
def test_what_the_ui_itself_and_programs_ask_gets_past(
    port: int, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = ask(port, method, path, headers)
    assert (answer.status, answer.headers["x-frame-options"]) == (200, "DENY")


@pytest.mark.parametrize("host", ["localhost:3000", "[::1]:3000", "LOCALHOST", "dagster.example"])
def test_own_names_are_answered(port: int, host: str) -> None:
    origin = {"Origin": f"http://{host.lower()}"}
    assert ask(port, "GET", "/", origin, host=host).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:3000",  # which points to 127.0.0.1 by now
        "127.0.0.1.evil.example",
        "evil.example#127.0.0.1",
        *("127.0.0.1@evil.example", "evil.example@127.0.0.1", "127.0.0.1:3000/x", "localhost."),
        "[::1",
        "192.168.1.7:3000",
        "",
    ],
)
def test_foreign_names_are_not_answered(port: int, host: str) -> None:
    """Not even a page or a script: nothing is to be read by rebinding a name."""
    assert ask(port, "GET", "/server_info", {}, host=host).status == 421
    assert ask(port, "GET", "/graphql", UPGRADE, host=host).status == 403


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("GET", "/graphql?query=mutation", {}),
        ("GET", "/graphql?query=mutation", {"Sec-Fetch-Site": "same-origin"}),
        ("HEAD", "/graphql?query=mutation", {}),
        # An <img>, an <iframe>, a form, and fetch() of another page.
        ("GET", "/runs", {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        ("GET", "/graphql?query=m", {**LINK, **PAGE, "Sec-Fetch-Dest": "iframe"}),
        ("GET", "/runs", {**LINK, **PAGE, "Sec-Fetch-Dest": "embed"}),
        ("POST", "/graphql?query=m", {**LINK, "Content-Type": "application/x-www-form-urlencoded"}),
        ("POST", "/graphql", {**LINK, **JSON}),
        ("POST", "/graphql", {**JSON, "Sec-Fetch-Site": "same-site"}),  # another port of this host
        # Browsers of before Sec-Fetch-Site, and types that need no permission.
        ("POST", "/graphql", {**JSON, "Origin": EVIL}),
        ("POST", "/graphql", {**JSON, "Origin": "null"}),
        ("POST", "/graphql", {**JSON, "Origin": "http://127.0.0.1:8000"}),
        ("POST", "/graphql", {**JSON, "Origin": "http://127.0.0.1:30000"}),
        ("GET", "/logs/x", {"Origin": EVIL}),
        ("POST", "/graphql?query=m", {}),
        ("POST", "/graphql", {"Content-Type": "text/plain; x=application/json"}),
        ("POST", "/graphql", {"Content-Type": "application/graphql"}),
        ("POST", "/graphql", {"Content-Type": "multipart/form-data; boundary=x"}),
        ("POST", "/report_asset_materialization/oura/sleep", {"Content-Type": "text/plain"}),
        ("DELETE", "/anything", {}),
        # Dagster would not take it for JSON, and obey the address.
        ("POST", "/graphql?query=m", {"Content-Type": "APPLICATION/JSON"}),
    ],
)
def test_what_another_page_can_send_does_not(
    port: int, method: str, path: str, headers: dict[str, str]
) -> None:
    assert ask(port, method, path, headers).status in (403, 405, 415)


def test_a_trailer_is_no_header(port: int) -> None:
    """It would come in behind whatever a proxy checks."""
    head = b"POST /graphql?query=m HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.sendall(head + b"\r\n2\r\n{}\r\n0\r\nContent-Type: application/json\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
    assert answer.status == 415


@pytest.mark.parametrize(
    ("headers", "heard"),
    [
        ({"Origin": HERE}, True),
        ({"Origin": URL}, True),
        ({}, True),
        ({"Origin": EVIL}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:8000"}, False),
        ({"Sec-Fetch-Site": "cross-site", **LINK}, False),
    ],
)
def test_a_websocket_is_for_pages_of_the_ui(
    port: int, headers: dict[str, str], heard: bool
) -> None:
    """The browser asks nobody before it opens one to anywhere."""
    assert ask(port, "GET", "/graphql", UPGRADE | headers).status == (101 if heard else 403)


def test_a_password_is_asked_for_by_everything() -> None:
    with guarded(PASSWORD) as port:
        refused = ask(port, "GET", "/", {})
        assert (refused.status, refused.headers["www-authenticate"]) == (
            401,
            'Basic realm="Dagster"',
        )
        assert ask(port, "GET", "/graphql", UPGRADE).status == 403
        right = {"Authorization": basic("anybody", PASSWORD)}
        assert ask(port, "POST", "/graphql", JSON | right).status == 200
        assert ask(port, "GET", "/graphql", UPGRADE | right).status == 101
        wrong = (basic("x", "x"), basic(PASSWORD, ""), "Basic", "Basic ***", f"Bearer {PASSWORD}")
        answers = [ask(port, "GET", "/", {"Authorization": text}).status for text in wrong]
        assert answers == [401] * len(wrong)


def basic(username: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{username}:{password}'.encode()).decode()}"
