"""Graphite-web's answers, also those that are none."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import httpx
import pytest
import stamina

from oura_pipeline.accounts.pushes import Pushes
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.oura.http import tls


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.server.forms.append(parse_qs(form))  # type: ignore[attr-defined]
        status, body = self.server.answers.pop(0)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def web() -> Iterator[ThreadingHTTPServer]:
    """A server with prepared answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    server.daemon_threads = False
    server.forms = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ([(503, b"")] * 3, r"/render answered 503; try later"),
        ([(404, b"")], r"/render answered 404: is GRAPHITE_RENDER_URL the address"),
        ([(200, b"<html>")], r"did not answer in JSON"),
    ],
)
def test_what_is_no_graphite_web_is_said(
    web: ThreadingHTTPServer, answers: list[tuple[int, bytes]], message: str
) -> None:
    """Trouble that passes is tried again, a wrong address is not."""
    web.answers = list(answers)  # type: ignore[attr-defined]
    with (
        stamina.set_testing(True, attempts=3),
        httpx.Client(verify=tls()) as http,
        pytest.raises(GraphiteUnavailable, match=message),
    ):
        RenderClient(http, f"http://127.0.0.1:{web.server_port}/").values(["bio.a.b"], 1, 2)
    assert web.answers == []  # type: ignore[attr-defined]


def test_an_infinity_of_someone_else_hides_no_other_metric(web: ThreadingHTTPServer) -> None:
    """Graphite-web writes it as a number that is none."""
    good = b'[{"target": "bio.a.b", "tags": {}, "datapoints": [[1.5, 60], [null, 120]]}]'
    bad = b'[{"target": "bio.a.c", "tags": {}, "datapoints": [[1e9999, 60]]}]'
    web.answers = [(200, bad), (200, good), (200, bad)]  # type: ignore[attr-defined]
    with httpx.Client(verify=tls()) as http:
        render = RenderClient(http, f"http://127.0.0.1:{web.server_port}")
        assert render.values(["bio.a.b", "bio.a.c"], 60, 120) == {"bio.a.b": {60: 1.5}}
    assert render.unreadable == {"bio.a.c"}
    assert web.forms[0] == {  # type: ignore[attr-defined]
        "target": ["bio.a.b", "bio.a.c"],
        "from": ["59"],
        "until": ["120"],
        "format": ["json"],
        "noNullPoints": ["true"],
        "noCache": ["true"],
    }


def test_nobody_there_is_said(ledger: Pushes) -> None:
    """With the address."""
    with (
        stamina.set_testing(True, attempts=1),
        httpx.Client(verify=tls()) as http,
        pytest.raises(GraphiteUnavailable, match=r"127\.0\.0\.1:9/render does not answer"),
    ):
        RenderClient(http, "http://127.0.0.1:9").values(["bio.a.b"], 1, 2)
