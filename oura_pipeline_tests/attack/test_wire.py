"""Requests that no browser sends, byte by byte."""

from __future__ import annotations

import gzip
import http.client
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import pytest

from oura_pipeline_tests.attack.callers import BOSS, CSRF, OWN, PROXY_SECRET, Arena
from oura_pipeline_tests.attack.effort import TRIED
from oura_pipeline_tests.attack.rights import Caller

FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HOST = b"Host: localhost\r\n"


def answer(made: Arena, *parts: bytes) -> http.client.HTTPResponse:
    """Send these bytes on one connection; the first answer."""
    place = urlsplit(made.site.url)
    TRIED["requests"] += 1
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=30) as client:
        with suppress(OSError):  # it may have hung up before the end
            for part in parts:
                client.sendall(part)
        response = http.client.HTTPResponse(client)
        response.begin()
        assert b"Traceback" not in response.read()
        return response


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /me HTTP/1.0\r\n\r\n", 421),
        (b"GET /me HTTP/1.1\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\nHost: localhost\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost, evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost/evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost?.evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost#.evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: evil.example@localhost\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost\\.evil.example\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: local\thost\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost:x\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost:\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost:999999\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: localhost.\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: 0x7f000001\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: 127.1\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: [::ffff:127.0.0.1]\r\n\r\n", 421),
        (b"GET / HTTP/1.1\r\nHost: \xb5localhost\r\n\r\n", 421),
        # Where the address has a name, too, the one in the header counts, and leads nowhere else.
        (b"GET http://evil.example/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 200),
        (b"GET http://localhost/health HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
        (b"GET http://evil.example HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET //evil.example/%2e%2e HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 404),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n", 200),
    ],
)
def test_odd_requests_have_a_plain_answer(made: Arena, request_: bytes, status: int) -> None:
    assert answer(made, request_).status == status


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /me HTTP/1.1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"Content-Length: +4\r\n\r\nabcd",
        b"Content-Length: -1\r\n\r\n",
        b"Content-Length: 4 4\r\n\r\nabcd",
        b"Content-Length : 4\r\n\r\nabcd",
        b"Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n4\nabcd\n0\n\n",
    ],
)
def test_two_readers_read_the_same_request(made: Arena, smuggled: bytes) -> None:
    """What a proxy might take for one request and the site for two is none."""
    response = answer(made, b"POST /webhook HTTP/1.1\r\n" + HOST + smuggled)
    assert (response.status, response.will_close) == (400, True)


def test_a_trailer_is_no_header(made: Arena) -> None:
    """A proxy that takes the operator's name out of the headers may let trailers through."""
    made.restore()
    cookie = made.headers(Caller.NOBODY)["Cookie"].encode()
    body = f"csrf={CSRF.replace(' ', '+')}".encode()
    secret = f"X-Proxy-Secret: {PROXY_SECRET}\r\n".encode()
    name = f"X-Auth-Request-Email: {BOSS}\r\n".encode()
    head = b"POST /status/invite HTTP/1.1\r\n" + HOST + FORM + CHUNKED + b"Cookie: " + cookie
    chunk = b"\r\n\r\n%x\r\n%s\r\n0\r\n" % (len(body), body)
    assert answer(made, head + b"\r\n" + secret + name[:-2] + chunk + b"\r\n").status == 200
    assert answer(made, head + b"\r\n" + secret[:-2] + chunk + name + b"\r\n").status == 303
    assert answer(made, head + chunk + name + secret + b"\r\n").status == 303


@pytest.mark.parametrize(
    "endless",
    [b"5;" + b"x" * 200_000, b"1\r\na\r\n" * 20_000, b"0\r\nX-Long: " + b"x" * 200_000],
    ids=["a chunk's extension", "small chunks", "a trailer"],
)
def test_what_frames_a_body_has_an_end(made: Arena, endless: bytes) -> None:
    """It is in no limit of the body."""
    head = b"POST /webhook HTTP/1.1\r\n" + HOST + CHUNKED + b"\r\n"
    parts = [endless[at : at + 10_000] for at in range(0, len(endless), 10_000)]
    assert answer(made, head, *parts).status == 400


def test_a_packed_body_is_not_unpacked(made: Arena) -> None:
    """A megabyte of zeros in a kilobyte is a kilobyte."""
    packed = gzip.compress(b"\0" * 1_000_000)
    for path, status in (("/webhook", 401), ("/signin", 403), ("/api/connect", 400)):
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        response = made.http.post(path, content=packed, headers=headers)
        assert response.status_code == status, path


def test_two_cookies_of_one_name_are_one_of_them(made: Arena) -> None:
    """A planted one may take the place of the own one, and is nothing but itself."""
    made.restore()
    own, other = (made.headers(caller)["Cookie"] for caller in (Caller.OWN, Caller.OTHER))
    for cookies, shown in ((f"{other}; {own}", OWN), (f"x=1; {own}; y=2", OWN)):
        assert shown in made.http.get("/me", headers={"Cookie": cookies}).text
    # The id of one session with the signature, or the forms' token, of another one is nobody's.
    torn = own.rpartition(".")[0] + "." + other.rpartition(".")[2]
    for cookie in (torn, own[:-1], own.replace("=", '="', 1) + '"x', "oura_pipeline=e30=.x.y"):
        answer = made.answer(made.http.get("/me", headers={"Cookie": cookie}))
        assert answer == (303, "/"), cookie
