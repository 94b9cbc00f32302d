"""A fake Oura with state behind `httpx.MockTransport`, its tokens and a clock.

Its ranges end as differently as Oura's; `next_answers` makes the next requests go wrong.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import httpx
import msgspec

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


def reply(status: int, body: Any = None, **headers: str) -> httpx.Response:
    """Return an answer with a JSON body; header names with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return httpx.Response(status, content=body, headers=named)
    return httpx.Response(status, json=body, headers=named)


@dataclass
class FakeOura:
    """The one account of a person at Oura.

    Attributes:
        documents: by the name of their type.
        half_open: types whose date ranges exclude the end; the instant at midnight UTC counts.
        exclusive_instants: whether `end_datetime` is excluded.
        page_size: documents per page.
        access_tokens: those that it accepts.
        garbled_days: a page with a document of such a day is none.
        next_answers: what the next requests get instead.
        asked: every request.
    """

    documents: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    half_open: dict[str, str] = field(default_factory=dict)
    exclusive_instants: bool = True
    page_size: int = 1000
    access_tokens: set[str] = field(default_factory=lambda: {"fresh"})
    garbled_days: set[str] = field(default_factory=set)
    next_answers: deque[Reply] = field(default_factory=deque)
    asked: list[httpx.Request] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(request)
        if self.next_answers:
            prepared = self.next_answers.popleft()
            if isinstance(prepared, Exception):
                raise prepared
            return prepared(request) if callable(prepared) else prepared
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in (
            self.access_tokens
        ):
            return reply(401, {"status": 401, "title": "Unauthorized", "detail": "Expired"})
        *_, collection, name = request.url.path.split("/")
        if collection != "usercollection":
            return self._single(collection, name)
        if name == "personal_info":
            return reply(200, self.documents[name][0])
        return self._list(name, dict(request.url.params))

    @property
    def parameters(self) -> list[dict[str, str]]:
        """The parameters of every request."""
        return [dict(request.url.params) for request in self.asked]

    def _single(self, collection: str, document_id: str) -> httpx.Response:
        for document in self.documents[collection]:
            if document.get("id") == document_id:
                return reply(200, document)
        return reply(404, {"detail": "Document not found."})

    def _list(self, name: str, parameters: dict[str, str]) -> httpx.Response:
        rows = [row for row in self.documents.get(name, []) if self._inside(name, row, parameters)]
        begin = int(parameters.get("next_token", "page-0").removeprefix("page-"))
        end = begin + self.page_size
        token = f"page-{end}" if end < len(rows) else None
        days = {str(row.get("day") or row.get("timestamp"))[:10] for row in rows[begin:end]}
        if days & self.garbled_days:
            return reply(200, b"<html>maintenance</html>")
        return reply(200, {"data": rows[begin:end], "next_token": token})

    def _inside(self, name: str, row: dict[str, Any], parameters: dict[str, str]) -> bool:
        if "start_datetime" in parameters:
            at = datetime.fromisoformat(row["timestamp"])
            start = datetime.fromisoformat(parameters["start_datetime"])
            end = datetime.fromisoformat(parameters["end_datetime"])
            if end - start > timedelta(days=30):
                raise AssertionError("more than 30 days were asked for")
            return start <= at < end or (at == end and not self.exclusive_instants)
        if "start_date" not in parameters:
            return True
        start_day, end_day = parameters["start_date"], parameters["end_date"]
        if name in self.half_open:
            at = datetime.fromisoformat(row[self.half_open[name]])
            start = datetime.fromisoformat(start_day + "T00:00:00+00:00")
            return start <= at < datetime.fromisoformat(end_day + "T00:00:00+00:00")
        day: str = row["day"] if "day" in row else row["start_day"]
        return start_day <= day <= end_day


@dataclass
class FakeTokens:
    """A person's tokens: the current one, and what renewing gives."""

    current: str = "fresh"
    renewed: str | Exception = "fresher"
    refused: list[str] = field(default_factory=list)
    in_vain: list[str] = field(default_factory=list)

    def access_token(self) -> str:
        """The current one."""
        return self.current

    def renew(self, refused: str) -> str:
        """The next one."""
        self.refused.append(refused)
        if isinstance(self.renewed, Exception):
            raise self.renewed
        if refused in self.in_vain:
            return refused
        self.current = self.renewed
        return self.current

    def trial(self) -> AbstractContextManager[object]:
        """Nobody else is there."""
        return nullcontext()

    def renewed_in_vain(self, token: str) -> None:
        """Never renew this one again."""
        self.in_vain.append(token)


@dataclass
class FakeClock:
    """A time that passes only by waiting, by `step` of what was waited."""

    now: float = 1_800_000_000.0
    step: float = 1.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let it pass."""
        self.slept.append(seconds)
        self.now += seconds * self.step if seconds > 1 else seconds


def raw(document: dict[str, Any]) -> bytes:
    """The bytes by which `FakeOura` sends a document."""
    return bytes(msgspec.json.decode(reply(200, [document]).content, type=list[msgspec.Raw])[0])
