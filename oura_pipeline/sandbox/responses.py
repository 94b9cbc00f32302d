"""Responses with the headers that Oura's have, and the exception that stands for a refusal."""

from __future__ import annotations

import gzip
import itertools
from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

# Counted instead of drawn, so that two runs with one seed send the same headers.
_TRACES = itertools.count(1)
# Below this many bytes, gzip's own header eats what it saves.
_SMALLEST_GZIP = 500


class Refused(Exception):
    """A response other than 200: `status`, JSON `body`, more `headers`."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body
        self.headers = dict(headers or {})


class EncodedBody:
    """The bytes of a body that is served again and again, and their gzip once someone asked."""

    def __init__(self, plain: bytes) -> None:
        self.plain = plain
        self._gzip: bytes | None = None

    def gzip(self) -> bytes:
        if self._gzip is None:
            # A low level: client and sandbox share a machine, so time counts and bytes do not.
            # Without the time of compression, the same page is the same bytes.
            self._gzip = gzip.compress(self.plain, compresslevel=4, mtime=0)
        return self._gzip


def json_response(
    request: Request, body: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return `body` as compact JSON."""
    return encoded_response(request, EncodedBody(msgspec.json.encode(body)), status, headers)


def encoded_response(
    request: Request,
    body: EncodedBody,
    status: int = 200,
    more_headers: Mapping[str, str] | None = None,
) -> Response:
    """Return a prepared body, compressed if the client takes gzip and it is worth it."""
    # As in recorded answers, and no rate-limit header among them: Oura sends those with 429 only.
    headers = {
        "content-type": "application/json",
        "cache-control": "no-cache",
        "x-trace-id": f"{next(_TRACES):032x}",
        "vary": "accept-encoding",
        **(more_headers or {}),
    }
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    if len(body.plain) < _SMALLEST_GZIP or not takes_gzip:
        return Response(body.plain, status, headers)
    return Response(body.gzip(), status, {**headers, "content-encoding": "gzip"})


def error_response(request: Request, refused: Refused) -> Response:
    """Return the response that a `Refused` stands for."""
    return json_response(request, refused.body, refused.status, refused.headers)


def bad_request(detail: str) -> Refused:
    """Return a 400 with `{"detail": …}`."""
    return Refused(400, {"detail": detail})


def unprocessable(errors: list[dict[str, Any]]) -> Refused:
    """Return a 422 with pydantic's list of errors: Oura validates with FastAPI."""
    return Refused(422, {"detail": errors})


def oauth_error(error: str, description: str) -> Refused:
    """Return a 400 in OAuth's form, which has no `detail`."""
    return Refused(400, {"error": error, "error_description": description})
