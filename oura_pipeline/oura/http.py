"""HTTP: one request out, one complete answer back, limited in size and time."""

from __future__ import annotations

import logging
import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version

import httpx

from oura_pipeline.oura.errors import GarbledAnswer, OuraUnavailable, UnusablePage

MAX_BYTES = 256 * 1024 * 1024
MAX_SECONDS = 300.0
_ERROR_BYTES = 64 * 1024


@dataclass(frozen=True)
class OuraResponse:
    """An answer: its body is complete, or the beginning of an error's.

    Attributes:
        status: HTTP status.
        headers: looked up whatever their case.
        body: its bytes, decompressed.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


def http_client(
    *, connect_seconds: float = 10.0, read_seconds: float = 60.0, connections: int = 32
) -> httpx.Client:
    """Return the client that all people and threads share; the caller closes it."""
    _hide_queries()
    return httpx.Client(
        verify=tls(),
        timeout=httpx.Timeout(read_seconds, connect=connect_seconds, pool=None),
        limits=httpx.Limits(max_connections=connections, max_keepalive_connections=connections),
        headers={"User-Agent": f"oura_pipeline/{version('oura_pipeline')}"},
        # One person's cookie must not go with the next one's request.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        follow_redirects=False,
    )


@cache
def tls() -> ssl.SSLContext:
    """Return what every client of this process trusts; reading it takes 30 ms."""
    return httpx.create_ssl_context()


def send(
    http: httpx.Client,
    request: httpx.Request,
    *,
    max_bytes: int = MAX_BYTES,
    max_seconds: float = MAX_SECONDS,
) -> OuraResponse:
    """Send a request and return its complete answer, whatever its status.

    Raises:
        OuraUnavailable: there was no answer, or it took longer than `max_seconds`.
        GarbledAnswer: the answer broke off or could not be decompressed.
        UnusablePage: the answer is longer than `max_bytes`.
    """
    _hide_queries()
    try:
        return _send(http, request, max_bytes, max_seconds)
    except httpx.DecodingError:
        failure: Exception = GarbledAnswer("Oura's answer cannot be decompressed; try again later")
    except httpx.RequestError as error:
        kind = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(error).__name__).lower()
        failure = OuraUnavailable(
            f"no answer from {request.url.host} ({kind}); try again later, and check the network "
            "if that persists"
        )
    # Raised outside the handler: httpx's exceptions can quote a header, and must not be the cause
    # of ours.
    raise failure


def _send(
    http: httpx.Client, request: httpx.Request, max_bytes: int, max_seconds: float
) -> OuraResponse:
    deadline = time.monotonic() + max_seconds
    body = bytearray()
    response = http.send(request, stream=True)
    try:
        for chunk in response.iter_bytes():
            body += chunk
            if response.status_code >= 400 and len(body) > _ERROR_BYTES:
                break
            if len(body) > max_bytes:
                raise UnusablePage(
                    f"an answer of {request.url.host} is longer than {max_bytes} bytes; fetch "
                    "fewer days at once"
                )
            if time.monotonic() > deadline:
                raise OuraUnavailable(
                    f"an answer of {request.url.host} was not complete after {max_seconds:.0f} s; "
                    "try again later"
                )
    finally:
        response.close()
    return OuraResponse(response.status_code, response.headers, bytes(body))


def _without_query(record: logging.LogRecord) -> bool:
    """Drop the query of every URL, and let every record pass."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            str(part.copy_with(query=None)) if isinstance(part, httpx.URL) else part
            for part in record.args
        )
    return True


def _hide_queries() -> None:
    # httpx logs every URL with its query, and revoking puts a token there. Adding the same filter
    # again changes nothing.
    logging.getLogger("httpx").addFilter(_without_query)
