"""Answers in Oura's dress: JSON, a trace id, no caching, gzip when asked, no rate headers.

`Refused` is what every part of the sandbox raises to answer with something else than 200.
"""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

_TRACES = itertools.count(1)
_SMALLEST_GZIP = 500


class Refused(Exception):
    """An answer other than 200: `status`, JSON `body`, more `headers`."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


class EncodedBody:
    """A body that is served again and again: its bytes and, once someone asked, its gzip."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._gzip: bytes | None = None

    def gzip(self) -> bytes:
        """The compressed bytes."""
        if self._gzip is None:
            self._gzip = gzip.compress(self.plain, compresslevel=4, mtime=0)
        return self._gzip


def json_response(
    request: Request, body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """`body` as compact JSON."""
    return encoded_response(request, EncodedBody(msgspec.json.encode(body)), status, headers)


def encoded_response(
    request: Request,
    packed: EncodedBody,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A prepared body, compressed if the client takes gzip and it is worth it."""
    dress = {
        "content-type": "application/json",
        "cache-control": "no-cache",
        "x-trace-id": f"{next(_TRACES):032x}",
        "vary": "accept-encoding",
        **(headers or {}),
    }
    if len(packed.plain) < _SMALLEST_GZIP or not _takes_gzip(request):
        return Response(packed.plain, status, dress)
    return Response(packed.gzip(), status, {**dress, "content-encoding": "gzip"})


def error_response(request: Request, refused: Refused) -> Response:
    """The answer that a `Refused` stands for."""
    return json_response(request, refused.body, refused.status, refused.headers)


def bad_request(detail: str) -> Refused:
    """400 with `{"detail": …}`."""
    return Refused(400, {"detail": detail})


def unprocessable(found: list[dict[str, Any]]) -> Refused:
    """422 with pydantic's list of what was wrong."""
    return Refused(422, {"detail": found})


def _takes_gzip(request: Request) -> bool:
    return "gzip" in request.headers.get("accept-encoding", "")
