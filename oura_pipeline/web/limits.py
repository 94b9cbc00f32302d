"""HTTP with an end to how long and how much a client may send before it is answered."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEADER_BYTES = 32 * 1024
REQUEST_SECONDS = 20.0  # for all of a request; Oura's deliveries have some hundred bytes


class _TooMuch(Exception):
    """The headers are longer than allowed; uvicorn answers 400 and hangs up."""


class ImpatientProtocol(HttpToolsProtocol):
    """uvicorn's own, which waits for ever for a request and keeps headers of any length."""

    request_seconds = REQUEST_SECONDS
    _timer: asyncio.TimerHandle | None = None
    _in_headers = True
    _received = 0  # bytes of data that ended within headers
    _kept = 0  # bytes of the headers that are complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._arrived()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._in_headers or self.transport.is_closing():
            return
        self._received += len(data)
        if self._received > MAX_HEADER_BYTES:  # one header that does not end
            self.send_400_response("The headers of this request are too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers, self._received, self._kept = True, 0, 0
        self._wait()

    def on_url(self, url: bytes) -> None:
        self._keep(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._keep(name + value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_headers = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._arrived()
        super().on_message_complete()

    def _keep(self, part: bytes) -> None:
        self._kept += len(part)
        if self._kept > MAX_HEADER_BYTES:
            raise _TooMuch

    def _wait(self) -> None:
        if self._timer is None:
            loop: Any = self.loop
            self._timer = loop.call_later(self.request_seconds, self.transport.close)

    def _arrived(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
