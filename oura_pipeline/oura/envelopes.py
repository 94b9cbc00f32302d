"""The object around a list of documents, opened so that one broken document breaks no other."""

from __future__ import annotations

import re
from dataclasses import dataclass

import msgspec

from oura_pipeline.oura.errors import GarbledAnswer, UnusablePage
from oura_pipeline.oura.validation import (
    LOOSE,
    ambiguity,
    loosely,
    mismatch_message,
    not_json_message,
    reason,
)

_SPACE = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Envelope:
    """The object around a list.

    Attributes:
        data: the JSON of each document, as received.
        next_token: of the next page; None: this is the last one.
        doubtful: whether one of the documents may be none, or be read in two ways.
    """

    data: list[bytes]
    next_token: str | None
    doubtful: bool


class _Received(msgspec.Struct):
    data: list[msgspec.Raw]
    next_token: str | None = None


class _Shape(msgspec.Struct):
    data: list[object]
    next_token: str | None = None


_RECEIVED = msgspec.json.Decoder(_Received)


def open_envelope(body: bytes, name: str) -> Envelope:
    """Return the documents of an answer about a document type.

    Raises:
        GarbledAnswer: it is not JSON.
        UnusablePage: it is no list of documents, or two.
    """
    try:
        received = _RECEIVED.decode(body)
        data, token = [bytes(document) for document in received.data], received.next_token
    except msgspec.ValidationError as error:
        raise UnusablePage(mismatch_message(name, reason(error))) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        data, token = _split(body, name)
    doubtful = ambiguity(body) is not None
    # Where all that is wrong is inside of documents, nothing is left without them.
    if doubtful and (what := ambiguity(_without(body, data))):
        raise UnusablePage(mismatch_message(name, what))
    return Envelope(data, token or None, doubtful)


def _split(body: bytes, name: str) -> tuple[list[bytes], str | None]:
    """Split what is JSON only for lenient parsers: one NaN must not cost a whole page."""
    try:
        envelope = loosely(body)
        text = body.decode(errors="surrogateescape")
    except (ValueError, RecursionError):
        raise GarbledAnswer(not_json_message(name)) from None
    try:
        received = msgspec.convert(envelope, _Shape)
    except msgspec.ValidationError as error:
        raise UnusablePage(mismatch_message(name, reason(error))) from None
    items = _items(text, _start_of_data(text))
    data = [item.encode(errors="surrogateescape") for item in items]
    return data, received.next_token


def _start_of_data(text: str) -> int:
    """Return where the list of documents begins in an object that has one."""
    at = _skip(text, 0) + 1
    while True:
        key, at = LOOSE.raw_decode(text, _skip(text, at))
        at = _skip(text, _skip(text, at) + 1)
        if key == "data":
            return at
        _, at = LOOSE.raw_decode(text, at)
        at = _skip(text, at) + 1


def _items(text: str, at: int) -> list[str]:
    """Return the text of each item of the list that begins at a position."""
    items = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        _, end = LOOSE.raw_decode(text, at)
        items.append(text[at:end])
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at
    return items


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _without(body: bytes, documents: list[bytes]) -> bytes:
    """Return an answer with null in place of each document."""
    kept, at = list[bytes](), 0
    for document in documents:
        found = body.index(document, at)
        kept += [body[at:found], b"null"]
        at = found + len(document)
    return b"".join([*kept, body[at:]])
