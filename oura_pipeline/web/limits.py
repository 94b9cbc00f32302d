"""HTTP with an end to how long and how much a client may send, and how long it may not read."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Of a request, whatever is not its body: the first line, headers, what frames chunks, trailers.
MAX_HEADER_BYTES = 32 * 1024
REQUEST_SECONDS = 20.0  # for all of a request; Oura's deliveries have some hundred bytes
# An upload may take longer, as long as so much of it arrives within that time.
UPLOAD_PATH = "/me/bring"
UPLOADED_BYTES = 256 * 1024
READING_SECONDS = 300.0  # in which a client has to take some of what it asked for


class _TooMuch(Exception):
    """The headers are longer than allowed; uvicorn answers 400 and hangs up."""


class ImpatientProtocol(HttpToolsProtocol):
    """uvicorn's own, which waits for ever for a request and keeps headers of any length."""

    request_seconds = REQUEST_SECONDS
    reading_seconds = READING_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _in_headers = True
    _in_request = False
    _segment = 0  # bytes that are being read now
    _received = 0  # bytes since the segment in which the request began, without its body
    _kept = 0  # bytes of the headers that are complete
    _uploaded = 0  # bytes of an upload since the timer was set

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        self._taken()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._segment = len(data)
        self._received += len(data)
        super().data_received(data)
        if not self._in_request or self.transport.is_closing():
            return
        if self._received > MAX_HEADER_BYTES:  # one header, or trailer, that does not end
            self.send_400_response("The headers of this request are too long.")

    def pause_writing(self) -> None:
        super().pause_writing()
        loop: Any = self.loop
        # Not `close`, which would wait until everything is sent.
        self._unread = loop.call_later(self.reading_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._taken()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = self._in_request = True
        self._received, self._kept = self._segment, 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        self._keep(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._keep(name + value)
        # A trailer comes after the body. uvicorn takes it for a header, and what a proxy removes
        # from the headers would come in by this way.
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._received -= len(body)
        self._uploaded += len(body)
        if self._uploaded >= UPLOADED_BYTES and self.scope["path"] == UPLOAD_PATH:
            self._arrived()
            self._wait()
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_request = False
        self._arrived()
        super().on_message_complete()

    def _keep(self, part: bytes) -> None:
        self._kept += len(part)
        if self._kept > MAX_HEADER_BYTES:
            raise _TooMuch

    def _wait(self) -> None:
        if self._timer is None:
            self._uploaded = 0
            loop: Any = self.loop
            self._timer = loop.call_later(self.request_seconds, self.transport.close)

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _taken(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
