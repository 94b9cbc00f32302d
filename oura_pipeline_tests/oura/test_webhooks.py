"""What Oura posts: believed only when it is signed, recent and complete."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from oura_pipeline.oura.webhooks import (
    DeliveryRefused,
    Refusal,
    WebhookEvent,
    parse_event,
    signature,
    verification_token,
    verify_delivery,
)

SECRET = "a client secret"
NOW = datetime(2026, 3, 10, 12, 0, 0, tzinfo=UTC)
EVENT = {
    "event_type": "update",
    "data_type": "daily_sleep",
    "object_id": "object-7f3a",
    "event_time": "2026-03-10T11:59:30+00:00",
    "user_id": "person-91bc",
}
BODY = json.dumps(EVENT).encode()


def milliseconds(at: datetime) -> str:
    return str(int(at.timestamp() * 1000))


def check(**changes: Any) -> None:
    """Check a good delivery in which one thing differs."""
    stamp = changes.pop("timestamp", milliseconds(NOW))
    body = changes.pop("body", BODY)
    given = {"signature": signature(SECRET, stamp or "", body), "secret": SECRET, "now": NOW}
    given |= changes
    secret = given.pop("secret")
    verify_delivery(secret, timestamp=stamp, body=body, **given)


def refusal(**changes: Any) -> Refusal:
    with pytest.raises(DeliveryRefused) as refused:
        check(**changes)
    return refused.value.refusal


def event(**changes: Any) -> bytes:
    return json.dumps(EVENT | changes).encode()


def test_the_signature_is_the_one_that_was_recorded() -> None:
    """The published vector (FACTS §7)."""
    expected = "1FA9466B814527E16CC069DB6CA11CCC0592DC388137C458CEA4D3E329A89647"
    assert signature("test-secret", "test-timestamp", b"test-bytes") == expected


def test_upper_and_lower_case_signatures_are_both_good() -> None:
    """Oura sends upper case; a proxy or a later Oura may not."""
    good = signature(SECRET, milliseconds(NOW), BODY)
    check(signature=good)
    check(signature=good.lower())


def test_bytes_that_are_no_text_can_be_signed() -> None:
    """The signature is about bytes, what they say comes later."""
    check(body=b"\xff\x00 not text")


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": signature("another secret", milliseconds(NOW), BODY)},
        {"signature": signature(SECRET, milliseconds(NOW), BODY + b" ")},
        {"signature": signature(SECRET, milliseconds(NOW + timedelta(seconds=1)), BODY)},
        {"signature": signature(SECRET, milliseconds(NOW), BODY)[:-1]},
        {"signature": signature(SECRET, milliseconds(NOW), BODY) + "0"},
        {"signature": "x"},
    ],
    ids=["secret", "body", "timestamp", "shorter", "longer", "nonsense"],
)
def test_a_signature_of_anything_else_is_forged(changes: dict[str, str]) -> None:
    """Another secret, another body, another time, or another length."""
    assert refusal(**changes) is Refusal.FORGED


@pytest.mark.parametrize(
    "changes",
    [
        {"signature": None},
        {"signature": ""},
        {"signature": "ﬀ" * 32},
        {"timestamp": None},
        {"timestamp": ""},
        {"timestamp": "١٧٤"},
    ],
)
def test_without_readable_headers_it_is_unsigned(changes: dict[str, Any]) -> None:
    """Absent, empty, or with letters that no header of Oura has."""
    assert refusal(**changes) is Refusal.UNSIGNED


def test_an_empty_client_secret_verifies_nothing() -> None:
    """Anybody can sign with the empty secret."""
    forged = signature("", milliseconds(NOW), BODY)
    assert refusal(secret="", signature=forged) is Refusal.NOT_SET_UP


@pytest.mark.parametrize(
    "age", [timedelta(minutes=90), timedelta(minutes=61), timedelta(), timedelta(minutes=-5)]
)
def test_a_delivery_is_good_as_long_as_oura_retries(age: timedelta) -> None:
    """A retry may carry the first timestamp; clocks differ a little."""
    check(timestamp=milliseconds(NOW - age))


@pytest.mark.parametrize(
    "age",
    [timedelta(minutes=90, seconds=1), timedelta(days=3650), timedelta(minutes=-5, seconds=-1)],
)
def test_a_delivery_of_another_time_is_stale(age: timedelta) -> None:
    """Somebody kept it, or a clock is wrong."""
    assert refusal(timestamp=milliseconds(NOW - age)) is Refusal.STALE


@pytest.mark.parametrize(
    "stamp",
    [
        str(int(NOW.timestamp())),
        milliseconds(NOW),
        "2026-03-10T12:00:00",
        "2026-03-10T12:00:00.123Z",
        "2026-03-10T14:00:00+02:00",
    ],
)
def test_every_way_to_write_the_time_is_understood(stamp: str) -> None:
    """The unit is recorded once only: milliseconds."""
    check(timestamp=stamp)


@pytest.mark.parametrize(
    "stamp",
    ["soon", "-1773144000", "1773144000.5", " 1773144000", "0", "9" * 25, "9" * 400, "9" * 5000],
)
def test_a_signed_number_that_is_no_time_is_stale(stamp: str) -> None:
    """Nothing that a signature covers breaks the check."""
    assert refusal(timestamp=stamp) is Refusal.STALE


@pytest.mark.parametrize("stamp", ["0001-01-01", "0001-01-01T00:00:00+23:00", "9999-12-31"])
def test_the_ends_of_the_calendar_are_stale(stamp: str) -> None:
    """Also where they cannot be moved to UTC."""
    assert refusal(timestamp=stamp) is Refusal.STALE


def test_an_event_is_read_and_what_we_do_not_know_is_left_out() -> None:
    """Oura may add fields any day."""
    read = parse_event(event(trace_id="abc", nested={"a": [1]}))
    assert read == WebhookEvent(**EVENT)


def test_a_kind_of_document_that_we_do_not_know_is_an_event() -> None:
    """Whether it is of use is decided by those who have the table."""
    assert parse_event(event(data_type="daily_dreams")).data_type == "daily_dreams"


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\xff", b"[" * 60_000, b'{"a":' * 60_000, b"null", b"[]", b'"text"', b"7", b"{}"],
)
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    """Also when it nests as deep as the limit lets it."""
    with pytest.raises(DeliveryRefused) as refused:
        parse_event(body)
    assert refused.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize("name", sorted(EVENT))
@pytest.mark.parametrize(
    "value", [None, "", 7, True, ["x"], {"x": "y"}, "x" * 257, "a\x00b", "a\nb", "\ud800"]
)
def test_every_field_must_be_a_usable_text(name: str, value: Any) -> None:
    """No text, an empty one, a huge one, or one that a database or a log cannot keep."""
    with pytest.raises(DeliveryRefused) as refused:
        parse_event(event(**{name: value}))
    assert refused.value.refusal is Refusal.MALFORMED


@pytest.mark.parametrize("name", sorted(EVENT))
def test_every_field_must_be_there(name: str) -> None:
    """An event without one of them cannot be acted upon."""
    body = {key: value for key, value in EVENT.items() if key != name}
    with pytest.raises(DeliveryRefused, match=f"no usable {name}"):
        parse_event(json.dumps(body).encode())


def test_an_unknown_event_type_is_malformed() -> None:
    """What to do about it is not known."""
    with pytest.raises(DeliveryRefused, match="event_type"):
        parse_event(event(event_type="created"))


def test_no_refusal_and_no_repr_repeats_what_was_received() -> None:
    """Both may stand in a log."""
    said = [repr(WebhookEvent(**EVENT))]
    for body in (event(user_id="person-91bc" * 30), event(event_type="object-7f3a"), BODY[:-2]):
        with pytest.raises(DeliveryRefused) as refused:
            parse_event(body)
        said += [str(refused.value), repr(refused.value.__cause__)]
    with pytest.raises(DeliveryRefused) as refused:
        check(signature="object-7f3a", timestamp="person-91bc")
    said.append(str(refused.value))
    assert [text for text in said if "7f3a" in text or "91bc" in text] == []


def test_a_refusal_survives_the_way_between_processes() -> None:
    """Like every error here."""
    sent = DeliveryRefused(Refusal.STALE, "the timestamp is too old")
    came: DeliveryRefused = pickle.loads(pickle.dumps(sent))
    assert (came.refusal, str(came)) == (Refusal.STALE, "the timestamp is too old")


def test_the_verification_token_is_derived_and_gives_nothing_away() -> None:
    """Every process knows it without storing it; it is no signature of anything Oura sends."""
    token = verification_token(SECRET)
    assert token == verification_token(SECRET)
    assert token != verification_token(SECRET + "x")
    assert (len(token), SECRET in token) == (64, False)


def test_there_is_no_verification_token_without_a_secret() -> None:
    """Everybody could derive it."""
    with pytest.raises(DeliveryRefused, match="OURA_CLIENT_SECRET"):
        verification_token("")
