"""The object around a list of documents, opened so that one broken document breaks no other."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from oura_pipeline.oura.errors import GarbledAnswer, UnusablePage
from oura_pipeline.oura.validation import (
    NOT_JSON,
    ambiguity,
    mismatch_message,
    not_json_message,
    reason,
)

# A text that does not end is one to the end of the answer: looking for others inside of it would
# take the square of its length.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{},]', re.DOTALL)
_DATA = re.compile(rb'"data"\s*:\s*\[')


@dataclass(frozen=True)
class Envelope:
    """The object around a list.

    Attributes:
        data: the JSON of each document, as received.
        next_token: of the next page; None: this is the last one.
        doubtful: whether one of the documents may be no JSON, or be read in two ways.
    """

    data: list[bytes]
    next_token: str | None
    doubtful: bool


class _Received(msgspec.Struct):
    data: list[msgspec.Raw]
    next_token: str | None = None


_RECEIVED = msgspec.json.Decoder(_Received)
_NO_JSON = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def open_envelope(body: bytes, name: str) -> Envelope:
    """Return the documents of an answer about a document type.

    Raises:
        GarbledAnswer: it is not JSON.
        UnusablePage: it is no list of documents, or two.
    """
    if ambiguity(body) is None:
        with suppress(*_NO_JSON):  # for a lone surrogate, which other parsers let through
            received = _received(body, name)
            documents = [bytes(raw) for raw in received.data]
            return Envelope(documents, received.next_token or None, doubtful=False)
    # What is wrong may be wrong in some documents only.
    rest, documents = _taken_apart(body, name)
    return Envelope(documents, _next_token(rest, name), doubtful=True)


def _next_token(rest: bytes, name: str) -> str | None:
    """Return the token in an answer without its documents, which has to be without fault."""
    what = ambiguity(rest)
    if what == NOT_JSON:
        raise GarbledAnswer(not_json_message(name))
    if what:
        raise UnusablePage(mismatch_message(name, what))
    try:
        return _received(rest, name).next_token or None
    except _NO_JSON:
        raise GarbledAnswer(not_json_message(name)) from None


def _received(body: bytes, name: str) -> _Received:
    try:
        return _RECEIVED.decode(body)
    except msgspec.ValidationError as error:
        raise UnusablePage(mismatch_message(name, reason(error))) from None


def _taken_apart(body: bytes, name: str) -> tuple[bytes, list[bytes]]:
    """Return an answer without its documents, and those.

    Raises:
        GarbledAnswer: it is cut short.
    """
    found = _DATA.search(body)
    if not found:
        return body, []
    documents: list[bytes] = []
    depth, begin = 0, found.end()
    # Only brackets, commas and texts are looked at: the rest may be no JSON at all.
    for token in _TOKEN.finditer(body, begin):
        match token[0]:
            case b"[" | b"{":
                depth += 1
            case b"," if not depth:
                document = body[begin : token.start()].strip()
                # Nothing between commas is told once, not once for each of a million.
                if document or documents[-1:] != [b""]:
                    documents.append(document)
                begin = token.end()
            case b"]" if not depth:
                last = body[begin : token.start()].strip()
                rest = body[: found.end()] + body[token.start() :]
                return rest, [*documents, last] if last or documents else []
            case b"]" | b"}":
                depth -= 1
    raise GarbledAnswer(not_json_message(name))
