"""The one place where an answer's status becomes an error of ours."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.ledger import MEMBERSHIP_LAPSED
from oura_pipeline.oura.errors import (
    DocumentNotFound,
    Forbidden,
    MembershipLapsed,
    OuraUnavailable,
    ScopeNotGranted,
    UnexpectedAnswer,
)
from oura_pipeline.oura.http import OuraResponse

SCOPES = (
    "email|personal|daily|heartrate|workout|tag|session|spo2Daily|spo2|heart_health|stress|"
    "ring_configuration|reproductive_cycle|metabolic|pregnancy|research"
)
# How the layers of Oura's API name a scope that is missing, each in its own words.
_NAMED = (
    re.compile(r"\baccess (?:the )?['\"`]?(?:extapi:)?([\w-]+)['\"`]? scope", re.IGNORECASE),
    re.compile(rf"(?:\bextapi:|\b)({SCOPES})\b['\"`]?\s+scopes?\b"),
    re.compile(
        rf"\bscopes?\b(?:\s+is|\s+are|\s+named|\s+required)?[\s:='\"`]+(?:extapi:)?({SCOPES})\b"
    ),
)
# `expired_oura_membership`, "subscription expired": each layer and year has its own words.
_MEMBERSHIP = re.compile(r"member[\s_-]*ship|subscri(?:ption|ber|be)", re.IGNORECASE)
_LONGEST = 200  # characters of Oura's text in a message


class TokenRefused(OuraError):
    """A 401 that names no scope: worth one renewal. The client lets it out to nobody."""

    def __init__(self) -> None:
        super().__init__("the access token was refused")


class TooManyRequests(OuraError):
    """A 429, with the seconds it asks for, if any. The client lets it out to nobody."""

    def __init__(self, retry_after: float | None) -> None:
        super().__init__("too many requests")
        self.retry_after = retry_after


def check(
    answer: OuraResponse,
    *,
    document_type: DocumentType,
    single: bool = False,
    secrets: tuple[str, ...] = (),
) -> bytes:
    """Return the body of a successful answer.

    Args:
        answer: the answer.
        document_type: of the documents that were requested.
        single: whether one document was requested by its id.
        secrets: texts that must not appear in a message.

    Raises:
        OuraError: the status is not 200; which error says what happened.
    """
    if answer.status == 200:
        return answer.body
    text = detail(answer, secrets)
    # The status decides, for bodies differ by the layer of Oura that answers, and may be empty or
    # HTML. One exception: a 401 whose text names a scope is no dead token but a missing consent.
    # Another one: a lapsed membership may come as a 401 as well.
    if answer.status in (401, 403) and (scope := _missing_scope(answer, text, document_type)):
        raise ScopeNotGranted(scope)
    if answer.status in (401, 402, 403) and _speaks_of_membership(answer):
        raise MembershipLapsed(_lapsed(answer.status, text))
    if answer.status == 404 and single:
        raise DocumentNotFound(
            f"Oura has no such {document_type.name}: it was deleted, or never there"
        )
    raise _error(answer, document_type.name, f": {text}" if text else "")


def _error(answer: OuraResponse, name: str, text: str) -> OuraError:
    match answer.status:
        case 401:
            return TokenRefused()
        case 403:
            return Forbidden(_lapsed(403, text.removeprefix(": ")))
        case 429:
            return TooManyRequests(retry_after(answer.headers))
        case status if status >= 500:
            return OuraUnavailable(f"Oura has no answer for {name} now ({status}); try again later")
        case status if 300 <= status < 400:
            return UnexpectedAnswer(
                f"Oura redirects {name} ({status}), which we do not follow; set OURA_API_URL to "
                "the address of the API itself"
            )
        case status:
            return UnexpectedAnswer(
                f"Oura rejects the request for {name} ({status}{text}); check OURA_API_URL, and "
                "change catalog/document_types.py if Oura changed"
            )


def detail(answer: OuraResponse, secrets: tuple[str, ...] = ()) -> str:
    """Return an error's text as one short line without secrets; empty: there is none."""
    text = " ".join(_texts(fields(answer)))
    for secret in filter(None, secrets):
        text = text.replace(secret, "…")
    return one_line(text)


def one_line(text: str) -> str:
    """Return what somebody else wrote as one short line of printable letters."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def fields(answer: OuraResponse) -> dict[str, Any]:
    """Return the JSON object of a body; empty where it is something else."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Return the seconds that a 429 asks to wait; None: it does not say.

    Args:
        headers: of the answer.
        now: seconds since 1970; None: what the clock says.
    """
    now = time.time() if now is None else now
    text = headers.get("Retry-After", "").strip()
    seconds = _number(text)
    if seconds is None and text:
        seconds = _until(text, headers.get("Date", ""), now)
    if seconds is None:
        reset = _number(headers.get("X-RateLimit-Reset", ""))
        # Epoch seconds, says Oura's description of the API; a small number can only be a duration.
        seconds = reset if reset is None or reset < 1e9 else reset - now
    return None if seconds is None else max(seconds, 0.0)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\s*-?\d{1,12}(\.\d{1,9})?\s*", text) else None


def _until(text: str, date: str, now: float) -> float | None:
    try:
        at = parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
    try:
        # Oura's own clock, where the answer has it: ours may be wrong.
        return at - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return at - now


def _missing_scope(answer: OuraResponse, text: str, document_type: DocumentType) -> str | None:
    for pattern in _NAMED:
        if found := pattern.search(text):
            return found[1]
    challenge = answer.headers.get("WWW-Authenticate", "")
    return document_type.scope if "insufficient_scope" in challenge + text else None


def _speaks_of_membership(answer: OuraResponse) -> bool:
    if answer.body.lstrip().startswith(b"<"):  # a page of somebody else
        return False
    said = answer.body.decode(errors="replace") + answer.headers.get("WWW-Authenticate", "")
    return bool(_MEMBERSHIP.search(said))


def _lapsed(status: int, text: str) -> str:
    # The same for every document type, so that it can be said once.
    said = f"{status}: {text}" if text else str(status)
    return (
        f"{MEMBERSHIP_LAPSED}: Oura keeps this person's data back ({said}); they can check their "
        "membership in the Oura app, and need not sign in again"
    )


def _texts(body: dict[str, Any]) -> list[str]:
    """Return the texts of an error, under whatever names Oura's layers give them."""
    texts = []
    for name in ("error", "title", "detail", "error_description", "message"):
        value = body.get(name)
        if isinstance(value, str):
            texts.append(value)
        elif isinstance(value, list):
            texts.extend(_place(part) for part in value if isinstance(part, dict))
    return texts


def _place(part: dict[str, Any]) -> str:
    where = part.get("loc")
    place = ".".join(map(str, where)) if isinstance(where, list) else "somewhere"
    return f"{place}: {part.get('msg')}."
