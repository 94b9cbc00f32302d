"""Which documents are understood, and which are unusable, by naming their field."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_SLEEP,
    HEARTRATE,
    PERSONAL_INFO,
    SESSION,
    SLEEP,
    TAG,
    DocumentType,
)
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import GarbledAnswer, UnexpectedAnswer, UnusablePage
from oura_pipeline.oura.pages import Document, PageReader
from oura_pipeline.oura.validation import DocumentDecoder, DocumentFacts, Unusable, ambiguity
from oura_pipeline.oura.windows import DateRangeQuery
from oura_pipeline_tests.oura.fake_oura import FakeOura, reply

SCORE = {"id": "a", "day": "2026-03-10", "score": 80}
NIGHT = {"id": "a", "day": "2026-03-10", "bedtime_start": "2026-03-09T23:00:00+02:00"}
BEAT = {"timestamp": "2026-03-10T12:00:00+00:00", "source": "rest", "bpm": 60}


def read(document_type: DocumentType, document: Any) -> DocumentFacts:
    """What a document says about itself."""
    return DocumentDecoder(document_type).read(msgspec.json.encode(document))


@pytest.mark.parametrize(
    ("document_type", "document"),
    [
        (DAILY_SLEEP, {**SCORE, "score": None, "contributors": None, "timestamp": None}),
        (DAILY_SLEEP, {**SCORE, "contributors": {"timing": None, "vibes": "good"}}),
        (DAILY_SLEEP, {**SCORE, "score": 80.5}),
        (DAILY_SLEEP, {**SCORE, "tomorrow": {"deep": [1, {"er": None}]}}),
        (DAILY_CARDIOVASCULAR_AGE, {"day": "2026-03-10", "vascular_age": 40}),
        (SLEEP, {**NIGHT, "bedtime_end": None, "type": "siesta"}),
        (SLEEP, {**NIGHT, "heart_rate": {"interval": 300.0, "items": [None, 60, 60.5]}}),
        (HEARTRATE, {**BEAT, "timestamp_unix": None}),
        (PERSONAL_INFO, {"id": "a"}),
    ],
)
def test_what_may_be_missing_or_new_is_let_through(
    document_type: DocumentType, document: dict[str, Any]
) -> None:
    """Null, absent, unknown fields, unknown words, a fraction where a whole number is usual."""
    read(document_type, document)


@pytest.mark.parametrize(
    ("document_type", "document", "what"),
    [
        (DAILY_SLEEP, {**SCORE, "day": None}, "day: expected `date`, got `null`"),
        (DAILY_SLEEP, {"id": "a"}, "object missing required field `day`"),
        (DAILY_SLEEP, {**SCORE, "day": "yesterday"}, "day: invalid RFC3339 encoded date"),
        (DAILY_SLEEP, [SCORE], "expected `object`, got `array`"),
        (DAILY_SLEEP, 3, "expected `object`, got `int`"),
        (DAILY_SLEEP, None, "expected `object`, got `null`"),
        (SLEEP, {**NIGHT, "id": None}, "id: expected `str`, got `null`"),
        (SLEEP, {**NIGHT, "bedtime_start": None}, "bedtime_start: expected `datetime`, got `null`"),
        (
            SLEEP,
            {**NIGHT, "bedtime_start": "2026-03-09T23:00:00"},
            "bedtime_start: expected `datetime` with a timezone component",
        ),
        (HEARTRATE, {**BEAT, "timestamp": None}, "timestamp: expected `datetime`, got `null`"),
        (HEARTRATE, {**BEAT, "source": 7}, "source: expected `str`, got `int`"),
        (
            HEARTRATE,
            {"timestamp": BEAT["timestamp"]},
            "object missing required field `source`",
        ),
        (
            SLEEP,
            {**NIGHT, "bedtime_start": "0001-01-01T00:00:00+14:00"},
            "bedtime_start: nobody wore a ring then",
        ),
        (
            HEARTRATE,
            {**BEAT, "timestamp": "9999-12-31T23:59:59-12:00"},
            "timestamp: nobody wore a ring then",
        ),
        (PERSONAL_INFO, {"age": 40}, "object missing required field `id`"),
    ],
)
def test_what_would_be_landed_wrongly_is_unusable_and_the_field_is_named(
    document_type: DocumentType, document: Any, what: str
) -> None:
    """Whose it is, which one, and of which day has to be certain; nothing else."""
    with pytest.raises(Unusable) as caught:
        read(document_type, document)
    assert str(caught.value) == what


@pytest.mark.parametrize(
    ("document_type", "document"),
    [
        (DAILY_SLEEP, {"day": "2026-03-10"}),
        (DAILY_SLEEP, {**SCORE, "id": None}),
        (DAILY_SLEEP, {**SCORE, "score": "80"}),
        (DAILY_SLEEP, {**SCORE, "score": True}),
        (DAILY_SLEEP, {**SCORE, "contributors": []}),
        (DAILY_SLEEP, {**SCORE, "contributors": {"timing": "x"}}),
        (DAILY_SLEEP, {**SCORE, "timestamp": "noon"}),
        (DAILY_ACTIVITY, {**SCORE, "timestamp": "2026-03-10T04:00:00"}),
        (SLEEP, {**NIGHT, "low_battery_alert": 1}),
        (SLEEP, {**NIGHT, "sleep_phase_5_min": 4422}),
        (SLEEP, {**NIGHT, "hrv": {"items": [1, "2"], "timestamp": 5}}),
        (SLEEP, {**NIGHT, "hrv": [1]}),
        (SESSION, {**SCORE, "start_datetime": "2026-03-10T08:00:00+05:45", "end_datetime": 7}),
        (TAG, {**SCORE, "timestamp": BEAT["timestamp"], "tags": "a"}),
    ],
)
def test_what_nobody_needs_may_be_anything(
    document_type: DocumentType, document: dict[str, Any]
) -> None:
    """It is null in its column and reported; the document is landed."""
    assert read(document_type, document).day == date(2026, 3, 10)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        (b'{"id":"a","day":"2026-03-10","score":80,"score":90}', "the key 'score' twice"),
        (b'{"id":"a","day":"2026-03-10","new":{"b":1,"b":1}}', "the key 'b' twice"),
        (b'{"id":"a","day":"2026-03-10","new":NaN}', "NaN is no number"),
        (b'{"id":"a","day":"2026-03-10","new":01}', "it is not JSON"),
        (b'{"id":"a","day":"2026-03-10","new":' + b"[" * 99999 + b"]" * 99999 + b"}", "not JSON"),
        (b'{"id":"a","day":"2026-03-10","new":[-Infinity]}', "-Infinity is no number"),
        (b'{"id":"a","day":"2026-03-10","new":"\xff"}', "it is not UTF-8"),
        (b'{"id":"a","day":"2026-03-10","new":"\x1f"}', "it is not JSON"),
        (b'{"id":"a","day":"2026-03-10","new":"\\ud800"}', "it is not JSON"),
    ],
)
def test_what_readers_disagree_about_is_set_aside(
    client: OuraClient, oura: FakeOura, written: bytes, what: str
) -> None:
    """A key that stands twice, a number that is none; the documents beside it are usable."""
    before, after = b'{"id":"b","day":"2026-03-10"}', b'{"id":"c","day":"2026-03-10"}'
    answer = b'{"data":[' + before + b" , " + written + b"," + after + b'],"next_token":null}'
    oura.next_answers.append(reply(200, answer))
    [page] = client.documents(DAILY_SLEEP, date(2026, 3, 10), date(2026, 3, 10))
    assert [document.raw for document in page.documents] == [before, after]
    [odd] = page.unusable
    assert odd.raw == written
    # Where no parser reads it at all, nobody knows whose day and id they are.
    readable = b":01" not in written and b"[[" not in written
    assert (odd.day, odd.id) == ((date(2026, 3, 10), "a") if readable else (None, None))
    assert what in odd.reason
    oura.next_answers.extend([reply(200, written)] * 6)
    if readable:  # that of a webhook event, whose day is what matters
        assert client.document(DAILY_SLEEP, "a") == Document(date(2026, 3, 10), written)
    else:
        with pytest.raises(GarbledAnswer):
            client.document(DAILY_SLEEP, "a")


def test_one_document_of_nobody_knows_which_day_is_refused(
    client: OuraClient, oura: FakeOura
) -> None:
    """By naming the field."""
    oura.next_answers.append(reply(200, {"id": "a", "day": "soon"}))
    with pytest.raises(UnexpectedAnswer, match="day: invalid RFC3339 encoded date"):
        client.document(DAILY_SLEEP, "a")


@pytest.mark.parametrize("number", [b"1e999", b"-1.8e308", b"9" * 5000, b"5e-999"])
def test_a_number_that_nothing_can_hold_costs_itself(number: bytes) -> None:
    """It is missing in its column; the document is landed."""
    written = b'{"id":"a","day":"2026-03-10","score":' + number + b',"new":' + number + b"}"
    assert DocumentDecoder(DAILY_SLEEP).read(written).day == date(2026, 3, 10)
    assert ambiguity(written) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"data":[{"a":NaN},{"b":1',
        b'{"data":[{"a":"x\x1f"}]',
        b'{"data":[{"a":NaN}],"next_token":nul}',
        b'{"data":[{"a":NaN}]} and more',
        b'x{"data":[{"a":NaN}]}',
    ],
)
def test_what_is_not_json_outside_of_documents_is_garbled(
    client: OuraClient, oura: FakeOura, body: bytes
) -> None:
    """HTML, or cut short; it may pass, so it is asked for again."""
    oura.next_answers.extend([reply(200, body)] * 6)
    with pytest.raises(GarbledAnswer):
        list(client.documents(DAILY_SLEEP, date(2026, 3, 10), date(2026, 3, 10)))
    assert len(oura.asked) == 6


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"data":{}}', "data: expected `array`, got `object`"),
        (b'{"data":null}', "data: expected `array`, got `null`"),
        (b"{}", "object missing required field `data`"),
        (b"[]", "expected `object`, got `array`"),
        (b'{"data":[],"next_token":7}', "next_token: expected `str | null`, got `int`"),
        (b'{"data":[{"a":NaN}],"next_token":[]}', "next_token: expected `str | null`, got `array`"),
        (b'{"data":[],"data":[]}', "an object has the key 'data' twice"),
        (b'{"data":[{"a":NaN}],"data":[]}', "an object has the key 'data' twice"),
    ],
)
def test_what_is_no_list_of_documents_is_refused(
    client: OuraClient, oura: FakeOura, body: bytes, what: str
) -> None:
    """It would stay so, thus it is not asked for again."""
    oura.next_answers.append(reply(200, body))
    with pytest.raises(UnusablePage) as caught:
        list(client.documents(DAILY_SLEEP, date(2026, 3, 10), date(2026, 3, 10)))
    assert str(caught.value) == (
        f"Oura's answer for daily_sleep has an unknown form: {what}; "
        "if Oura changed it, change catalog/document_types.py"
    )
    assert len(oura.asked) == 1


@pytest.mark.parametrize(
    ("document_type", "document", "requested"),
    [
        (HEARTRATE, {**BEAT, "source": 7}, [9, 10, 11]),
        (SLEEP, {**NIGHT, "bedtime_start": None}, [10]),
    ],
)
def test_an_unusable_sample_may_be_of_the_days_beside_its_date_in_utc(
    document_type: DocumentType, document: Any, requested: list[int]
) -> None:
    """Its local date follows from other documents, and it must not fall between two questions."""
    body = msgspec.json.encode({"data": [document], "next_token": None})
    found = []
    for number in range(1, 29):
        asked = date(2026, 3, number)
        reader = PageReader(
            document_type, wanted=lambda day, asked=asked: day == asked, today=asked
        )
        page, _ = reader.page(body, DateRangeQuery())
        found += [number for _ in page.unusable]
    assert found == requested


def test_no_reason_shows_a_value() -> None:
    """They are about people's health."""
    for document in ({**NIGHT, "id": 4711}, {**NIGHT, "day": "4711"}, {**NIGHT, "day": [4711]}):
        with pytest.raises(Unusable) as caught:
            read(SLEEP, document)
        error: BaseException = caught.value
        assert "4711" not in f"{error!r} {error.__cause__!r}"
        assert error.__suppress_context__


def test_an_activity_day_is_the_day_that_oura_says() -> None:
    """Whatever its timestamp says."""
    facts = read(
        DAILY_ACTIVITY,
        {"id": "a", "day": "2026-03-10", "timestamp": "2026-03-11T04:00:00+09:00"},
    )
    assert (facts.day, facts.instant) == (date(2026, 3, 10), None)
