"""What Oura posts to our webhook: its signature, its age and its content."""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

# Oura tries a delivery again for about an hour, possibly with its first timestamp and signature.
OLDEST = timedelta(minutes=90)
NEWEST = timedelta(minutes=5)  # clocks differ
LONGEST_TEXT = 256  # characters; Oura's ids have 36
EVENT_TYPES = ("create", "update", "delete")
_PURPOSE = "oura-pipeline webhook verification"
_MILLISECONDS_FROM = 10**11  # as seconds that would be the year 5138


class Refusal(StrEnum):
    """Why a delivery is refused."""

    NOT_SET_UP = "not_set_up"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    STALE = "stale"
    MALFORMED = "malformed"


class DeliveryRefused(ValueError):
    """A delivery that must not be believed; the message repeats nothing of it.

    Attributes:
        refusal: why, as a name for metrics.
    """

    def __init__(self, refusal: Refusal, message: str) -> None:
        super().__init__(message)
        self.refusal = refusal

    def __reduce__(self) -> tuple[type[DeliveryRefused], tuple[Refusal, str]]:
        return type(self), (self.refusal, str(self))


@dataclass(frozen=True, kw_only=True)
class WebhookEvent:
    """One thing that happened to one document of one person.

    Attributes:
        event_type: create, update or delete.
        data_type: Oura's name of the kind of document.
        object_id: the document's id; opaque.
        event_time: when, as Oura wrote it.
        user_id: whose it is, the id of their personal_info; opaque.
    """

    event_type: str
    data_type: str
    object_id: str
    event_time: str
    user_id: str

    def __repr__(self) -> str:
        """Return it without ids: they are personal."""
        return f"WebhookEvent({self.event_type} {self.data_type})"


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """Return `x-oura-signature`: upper-case hex HMAC-SHA256 of timestamp and body.

    The body must be the raw bytes: decoded and encoded again it has another signature.
    """
    message = timestamp.encode() + body
    return hmac.digest(secret.encode(), message, "sha256").hex().upper()


def verify_delivery(
    secret: str, *, timestamp: str | None, signature: str | None, body: bytes, now: datetime
) -> None:
    """Raise an error unless the bytes are Oura's and recent.

    Args:
        secret: of our client; an empty one verifies nothing.
        timestamp: `x-oura-timestamp`: milliseconds or seconds since 1970, or ISO 8601.
        signature: `x-oura-signature`.
        body: the raw bytes.
        now: aware.

    Raises:
        DeliveryRefused: they are not, or it cannot be known.
    """
    if not timestamp or not signature or not (timestamp + signature).isascii():
        raise DeliveryRefused(Refusal.UNSIGNED, "the delivery has no signature of Oura's")
    if not hmac.compare_digest(_signed(secret, timestamp, body), signature.upper()):
        raise DeliveryRefused(
            Refusal.FORGED, "the signature does not match the body; check OURA_CLIENT_SECRET"
        )
    age = now - _instant(timestamp)
    if not -NEWEST <= age <= OLDEST:
        raise DeliveryRefused(
            Refusal.STALE, "the timestamp is too old or in the future; check this machine's clock"
        )


def parse_event(body: bytes) -> WebhookEvent:
    """Return the content of a delivery; unknown fields are left out.

    Raises:
        DeliveryRefused: it is not an event.
    """
    try:
        content = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        raise _malformed("is not JSON") from None
    if not isinstance(content, dict):
        raise _malformed("is not a JSON object")
    event = WebhookEvent(
        event_type=_text(content, "event_type"),
        data_type=_text(content, "data_type"),
        object_id=_text(content, "object_id"),
        event_time=_text(content, "event_time"),
        user_id=_text(content, "user_id"),
    )
    if event.event_type not in EVENT_TYPES:
        raise _malformed("has an unknown event_type")
    return event


def verification_token(client_secret: str) -> str:
    """Return what Oura must repeat when it verifies a callback: the same in every process.

    Raises:
        DeliveryRefused: there is no secret to derive it from.
    """
    return _signed(client_secret, _PURPOSE, b"").lower()


def _signed(secret: str, timestamp: str, body: bytes) -> str:
    if not secret:
        raise DeliveryRefused(
            Refusal.NOT_SET_UP, "set OURA_CLIENT_SECRET: without it no delivery can be verified"
        )
    return signature(secret, timestamp, body)


def _instant(timestamp: str) -> datetime:
    """Return the instant of a timestamp.

    Raises:
        DeliveryRefused: it is unreadable, and so not known to be recent.
    """
    try:
        if timestamp.isdigit():
            number = int(timestamp)
            seconds = number / 1000 if number >= _MILLISECONDS_FROM else number
            return datetime.fromtimestamp(seconds, UTC)
        instant = datetime.fromisoformat(timestamp)
        return instant.replace(tzinfo=instant.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        raise DeliveryRefused(Refusal.STALE, "the timestamp is unreadable") from None


def _text(content: dict[str, Any], name: str) -> str:
    value = content.get(name)
    # Any database can store printable text.
    if not isinstance(value, str) or not value or not value.isprintable():
        raise _malformed(f"has no usable {name}")
    if len(value) > LONGEST_TEXT:
        raise _malformed(f"has a {name} that is too long")
    return value


def _malformed(what: str) -> DeliveryRefused:
    return DeliveryRefused(Refusal.MALFORMED, f"the delivery {what}")
