"""Which documents are understood, and which are refused by naming their field."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_ACTIVITY,
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_SLEEP,
    HEARTRATE,
    PERSONAL_INFO,
    REST_MODE_PERIOD,
    SESSION,
    SLEEP,
    TAG,
    DocumentType,
)
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import GarbledAnswer, UnexpectedAnswer
from oura_pipeline.oura.validation import DocumentDecoder, DocumentFacts
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
        (DAILY_SLEEP, {**SCORE, "day": None}, r"Expected `date`, got `null` - at `\$\.day`"),
        (DAILY_SLEEP, {"id": "a"}, r"missing required field `day`"),
        (DAILY_SLEEP, {**SCORE, "day": "yesterday"}, r"Invalid .*date - at `\$\.day`"),
        (DAILY_SLEEP, {"day": "2026-03-10"}, r"missing required field `id`"),
        (DAILY_SLEEP, {**SCORE, "score": "80"}, r"got `str` - at `\$\.score`"),
        (DAILY_SLEEP, {**SCORE, "score": True}, r"got `bool` - at `\$\.score`"),
        (DAILY_SLEEP, {**SCORE, "contributors": []}, r"got `array` - at `\$\.contributors`"),
        (
            DAILY_SLEEP,
            {**SCORE, "contributors": {"timing": "x"}},
            r"got `str` - at `\$\.contributors\.timing`",
        ),
        (DAILY_SLEEP, {**SCORE, "timestamp": "noon"}, r"Invalid .* - at `\$\.timestamp`"),
        (DAILY_SLEEP, [SCORE], r"Expected `object`, got `array`;"),
        (DAILY_SLEEP, 3, r"Expected `object`, got `int`;"),
        (DAILY_SLEEP, None, r"Expected `object`, got `null`;"),
        (SLEEP, {**NIGHT, "bedtime_start": None}, r"got `null` - at `\$\.bedtime_start`"),
        (SLEEP, {**NIGHT, "bedtime_start": "2026-03-09T23:00:00"}, r"at `\$\.bedtime_start`"),
        (SLEEP, {**NIGHT, "low_battery_alert": 1}, r"at `\$\.low_battery_alert`"),
        (SLEEP, {**NIGHT, "sleep_phase_5_min": 4422}, r"at `\$\.sleep_phase_5_min`"),
        (SLEEP, {**NIGHT, "hrv": {"items": [1, "2"]}}, r"at `\$\.hrv\.items\[1\]`"),
        (SLEEP, {**NIGHT, "hrv": [1]}, r"got `array` - at `\$\.hrv`"),
        (HEARTRATE, {**BEAT, "timestamp": None}, r"at `\$\.timestamp`"),
        (HEARTRATE, {"timestamp": BEAT["timestamp"]}, r"missing required field `source`"),
        (TAG, {**SCORE, "timestamp": BEAT["timestamp"], "tags": "a"}, r"at `\$\.tags`"),
    ],
)
def test_what_would_be_landed_wrongly_is_refused_by_type_and_field(
    document_type: DocumentType, document: Any, what: str
) -> None:
    """A missing key, a text for a number, an instant without a zone."""
    with pytest.raises(
        UnexpectedAnswer, match=f"^Oura's answer for {document_type.name} has .*{what}"
    ):
        read(document_type, document)


@pytest.mark.parametrize(
    ("written", "what"),
    [
        (b'{"id":"a","day":"2026-03-10","score":80,"score":90}', "the key 'score' twice"),
        (b'{"id":"a","day":"2026-03-10","new":{"b":1,"b":1}}', "the key 'b' twice"),
        (b'{"id":"a","day":"2026-03-10","score":1e999}', "a number is too large"),
        (b'{"id":"a","day":"2026-03-10","new":-1e999}', "a number is too large"),
    ],
)
def test_what_readers_disagree_about_is_refused(
    client: OuraClient, oura: FakeOura, written: bytes, what: str
) -> None:
    """A key that stands twice, a number that is none; also where nobody knows the field."""
    oura.next_answers.extend([reply(200, b'{"data":[' + written + b"]}"), reply(200, written)])
    with pytest.raises(UnexpectedAnswer, match=what):
        list(client.documents(DAILY_SLEEP, date(2026, 3, 10), date(2026, 3, 10)))
    with pytest.raises(UnexpectedAnswer, match=what) as caught:
        client.document(DAILY_SLEEP, "a")
    assert not isinstance(caught.value, GarbledAnswer)


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"01", b".5", b"1."])
def test_what_is_no_json_number_is_garbled(number: bytes) -> None:
    """Python's own reader would take some of these."""
    with pytest.raises(GarbledAnswer):
        DocumentDecoder(DAILY_SLEEP).read(b'{"id":"a","day":"2026-03-10","new":' + number + b"}")


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b'{"data":{}}', r"Expected `array`, got `object` - at `\$\.data`"),
        (b'{"data":null}', r"Expected `array`, got `null` - at `\$\.data`"),
        (b"{}", "missing required field `data`"),
        (b"[]", "Expected `object`, got `array`"),
        (b'{"data":[],"next_token":7}', r"got `int` - at `\$\.next_token`"),
        (b'{"data":[7]}', "Expected `object`, got `int`"),
    ],
)
def test_what_is_no_list_of_documents_is_refused(
    client: OuraClient, oura: FakeOura, body: bytes, what: str
) -> None:
    """It would stay so, thus it is not asked for again."""
    oura.next_answers.append(reply(200, body))
    with pytest.raises(UnexpectedAnswer, match=f"^Oura's answer for daily_sleep has .*{what}"):
        list(client.documents(DAILY_SLEEP, date(2026, 3, 10), date(2026, 3, 10)))
    assert len(oura.asked) == 1


def test_a_body_that_nests_too_deeply_is_garbled(client: OuraClient, oura: FakeOura) -> None:
    """It must not end the process."""
    deep = b'{"data":[{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}]}"
    oura.next_answers.extend([reply(200, deep)] * 6)
    with pytest.raises(GarbledAnswer):
        list(client.documents(DAILY_SLEEP, date(2026, 3, 10), date(2026, 3, 10)))


def test_no_refusal_shows_a_value() -> None:
    """They are about people's health."""
    for document in ({**SCORE, "score": "secret"}, {**SCORE, "day": "secret"}):
        with pytest.raises(UnexpectedAnswer) as caught:
            read(DAILY_SLEEP, document)
        error: BaseException = caught.value
        assert "secret" not in f"{error!r} {error.__cause__!r}"
        assert error.__suppress_context__


def test_local_instants_tell_the_offset_wherever_they_stand() -> None:
    """In the document, in its objects, at the beginning of its series."""
    east, west = timedelta(hours=5, minutes=45), timedelta(hours=-3, minutes=-30)
    period = {
        "id": "a",
        "start_day": "2026-03-10",
        "start_time": "2026-03-10T08:00:00+05:45",
        "episodes": [
            {"tags": None, "timestamp": "2026-03-10T09:00:00.000-03:30"},
            {"tags": []},
        ],
    }
    session = {
        **SCORE,
        "start_datetime": "2026-03-10T08:00:00+05:45",
        "end_datetime": "2026-03-10T08:00:00+05:45",
        "motion_count": {"interval": 5, "items": [], "timestamp": "2026-03-10T09:00:00.500-03:30"},
    }
    first = (datetime(2026, 3, 10, 2, 15, tzinfo=UTC), east)
    assert read(REST_MODE_PERIOD, period).offsets == [
        first,
        (datetime(2026, 3, 10, 12, 30, tzinfo=UTC), west),
    ]
    assert read(SESSION, session).offsets == [
        first,
        (datetime(2026, 3, 10, 12, 30, 0, 500_000, tzinfo=UTC), west),
    ]


def test_other_instants_tell_no_offset() -> None:
    """Oura writes some of them in UTC for everyone."""
    assert read(DAILY_SLEEP, {**SCORE, "timestamp": "2026-03-10T00:00:00+05:45"}).offsets == []
    assert read(HEARTRATE, {**BEAT, "timestamp": "2026-03-10T00:00:00+05:45"}).offsets == []


def test_an_activity_day_is_the_day_that_oura_says() -> None:
    """Whatever its timestamp says."""
    facts = read(
        DAILY_ACTIVITY,
        {"id": "a", "day": "2026-03-10", "timestamp": "2026-03-11T04:00:00+09:00"},
    )
    assert (facts.day, facts.instant) == (date(2026, 3, 10), None)
