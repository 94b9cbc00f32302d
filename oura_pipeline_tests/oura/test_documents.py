"""Documents of a range: which questions are asked, what is kept of the answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    DAILY_SPO2,
    ENHANCED_TAG,
    HEARTRATE,
    PERSONAL_INFO,
    RING_CONFIGURATION,
    SLEEP,
    DocumentType,
)
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import DocumentNotFound, UnexpectedAnswer
from oura_pipeline.oura.pages import Document, Page
from oura_pipeline_tests.oura.conftest import TODAY
from oura_pipeline_tests.oura.fake_oura import FakeOura, raw, reply

FIRST, LAST = date(2026, 3, 10), date(2026, 3, 12)


def score(day: str) -> dict[str, Any]:
    """A sleep score."""
    return {"id": f"score-{day}", "day": day, "score": 80, "timestamp": f"{day}T00:00:00+00:00"}


def night(day: str, begin: str, end: str | None) -> dict[str, Any]:
    """A night."""
    return {"id": f"night-{day}", "day": day, "bedtime_start": begin, "bedtime_end": end}


def beat(at: datetime) -> dict[str, Any]:
    """A heart-rate row."""
    return {"timestamp": at.isoformat(), "bpm": 60, "source": "rest"}


def kept(pages: list[Page]) -> list[Document]:
    """The documents of the asked days, of all pages."""
    return [document for page in pages for document in page.documents]


def test_documents_of_other_days_are_kept_apart(client: OuraClient, oura: FakeOura) -> None:
    """Oura is asked two days wider; each document goes by its own day."""
    scores = [score(f"2026-03-{day:02}") for day in range(1, 31)]
    oura.documents["daily_sleep"] = scores
    pages = list(client.documents(DAILY_SLEEP, FIRST, LAST))
    assert pages == [
        Page(
            documents=[
                Document(date(2026, 3, day), raw(score(f"2026-03-{day}"))) for day in (10, 11, 12)
            ],
            outside=[
                Document(date(2026, 3, day), raw(score(f"2026-03-{day:02}")))
                for day in (8, 9, 13, 14)
            ],
            regular=True,
        )
    ]
    assert [request.url.path for request in oura.asked] == ["/v2/usercollection/daily_sleep"]
    assert oura.parameters == [{"start_date": "2026-03-08", "end_date": "2026-03-14"}]


def test_a_range_that_excludes_its_end_loses_no_night(client: OuraClient, oura: FakeOura) -> None:
    """Nights are filtered by the UTC instant of going to bed, the end left out."""
    oura.half_open["sleep"] = "bedtime_start"
    oura.documents["sleep"] = [
        night("2026-03-10", "2026-03-09T21:41:00-05:00", "2026-03-10T06:00:00-05:00"),
        night("2026-03-11", "2026-03-11T05:00:00+14:00", "2026-03-11T09:00:00+14:00"),
        night("2026-03-12", "2026-03-12T23:59:00-05:00", None),
    ]
    days = [document.day.day for document in kept(list(client.documents(SLEEP, FIRST, LAST)))]
    assert days == [10, 11, 12]


def test_a_single_day_is_a_range(client: OuraClient, oura: FakeOura) -> None:
    """The same day at both ends."""
    oura.documents["daily_sleep"] = [score("2026-03-09"), score("2026-03-10")]
    pages = list(client.documents(DAILY_SLEEP, FIRST, FIRST))
    assert kept(pages) == [Document(FIRST, raw(score("2026-03-10")))]


def test_a_long_range_of_days_is_one_question(client: OuraClient, oura: FakeOura) -> None:
    """However long it is."""
    list(client.documents(DAILY_SLEEP, date(2016, 1, 1), date(2026, 1, 1)))
    assert oura.parameters == [{"start_date": "2015-12-30", "end_date": "2026-01-03"}]


def test_pages_are_followed_to_the_end_with_the_same_bounds(
    client: OuraClient, oura: FakeOura
) -> None:
    """Every page is asked for with the bounds of the first one and the token of the last one."""
    oura.page_size = 2
    oura.documents["daily_sleep"] = [score(f"2026-03-{day}") for day in range(10, 15)]
    pages = list(client.documents(DAILY_SLEEP, FIRST, LAST))
    bounds = {"start_date": "2026-03-08", "end_date": "2026-03-14"}
    assert oura.parameters == [
        bounds,
        {**bounds, "next_token": "page-2"},
        {**bounds, "next_token": "page-4"},
    ]
    assert [len(page.documents) for page in pages] == [2, 1, 0]
    assert (client.requests, client.pages) == (3, 3)


def test_a_page_is_yielded_before_the_next_is_requested(client: OuraClient, oura: FakeOura) -> None:
    """So memory does not grow with the range."""
    oura.page_size = 1
    oura.documents["daily_sleep"] = [score(f"2026-03-{day}") for day in range(10, 13)]
    pages = client.documents(DAILY_SLEEP, FIRST, LAST)
    next(pages)
    assert len(oura.asked) == 1


@pytest.mark.parametrize("end", [b'"next_token":""', b'"next_token":null', b'"other":1'])
def test_no_token_ends_the_answer_however_it_is_written(
    client: OuraClient, oura: FakeOura, end: bytes
) -> None:
    """Empty, null and absent are the same."""
    oura.next_answers.append(reply(200, b'{"data":[],' + end + b"}"))
    assert list(client.documents(DAILY_SLEEP, FIRST, LAST)) == [
        Page(documents=[], outside=[], regular=True)
    ]


def test_a_token_that_comes_again_is_refused(client: OuraClient, oura: FakeOura) -> None:
    """Otherwise it would be followed for ever."""
    oura.next_answers.extend(
        reply(200, {"data": [score("2026-03-10")], "next_token": "again"}) for _ in range(5)
    )
    with pytest.raises(UnexpectedAnswer, match="daily_sleep does not end after 2 pages"):
        list(client.documents(DAILY_SLEEP, FIRST, LAST))
    assert len(oura.asked) == 2


@pytest.mark.parametrize(
    ("data", "pages"), [([], 20), ([score("2026-03-10")], 161)], ids=["empty", "full"]
)
def test_pages_without_end_are_refused(
    client: OuraClient, oura: FakeOura, data: list[dict[str, Any]], pages: int
) -> None:
    """A new token every time, and either nothing in the pages or far more than days can hold."""
    oura.next_answers.extend(
        reply(200, {"data": data, "next_token": f"t{number}"}) for number in range(1000)
    )
    with pytest.raises(UnexpectedAnswer, match=f"daily_sleep does not end after {pages} pages"):
        list(client.documents(DAILY_SLEEP, FIRST, LAST))


def test_some_empty_pages_are_gone_through(client: OuraClient, oura: FakeOura) -> None:
    """A page may be empty and the next one not."""
    oura.next_answers.extend(
        reply(200, {"data": [], "next_token": f"t{number}"}) for number in range(5)
    )
    oura.next_answers.append(reply(200, {"data": [score("2026-03-10")], "next_token": None}))
    pages = list(client.documents(DAILY_SLEEP, FIRST, LAST))
    assert kept(pages) == [Document(FIRST, raw(score("2026-03-10")))]


@pytest.mark.parametrize("document", [score("2026-03-08"), {"day": "2026-03-10"}, "none"])
def test_a_page_with_documents_of_other_days_or_odd_ones_is_not_empty(
    client: OuraClient, oura: FakeOura, document: Any
) -> None:
    oura.next_answers.extend(
        reply(200, {"data": [document], "next_token": f"t{number}"}) for number in range(25)
    )
    oura.next_answers.append(reply(200, {"data": []}))
    assert len(list(client.documents(DAILY_SLEEP, FIRST, LAST))) == 26


def test_a_document_is_kept_as_the_bytes_that_came(client: OuraClient, oura: FakeOura) -> None:
    """Spaces, order, unknown fields and the writing of numbers survive."""
    written = (
        b'{ "tomorrow" : [1.50, null],"day":"2026-03-10",\n'
        b' "id" : "a\\u00e9", "score":8e1,"timestamp":null}'
    )
    oura.next_answers.append(reply(200, b'\n{"data":[ ' + written + b" ]}"))
    pages = list(client.documents(DAILY_SLEEP, FIRST, LAST))
    assert kept(pages) == [Document(FIRST, written)]


def test_the_day_of_a_tag_is_the_one_on_which_it_begins(client: OuraClient, oura: FakeOura) -> None:
    """Tags have no `day`."""
    tag = {"id": "t", "start_day": "2026-03-12", "start_time": "2026-03-12T23:00:00+02:00"}
    oura.documents["enhanced_tag"] = [tag]
    assert kept(list(client.documents(ENHANCED_TAG, FIRST, LAST))) == [Document(LAST, raw(tag))]


def test_instants_are_requested_by_instants_only(client: OuraClient, oura: FakeOura) -> None:
    """Oura ignores dates for these and would give the last 24 hours."""
    list(client.documents(HEARTRATE, FIRST, LAST))
    assert oura.parameters == [
        {"start_datetime": "2026-03-09T08:59:59Z", "end_datetime": "2026-03-13T13:00:01Z"}
    ]
    assert oura.asked[0].url.query == (
        b"start_datetime=2026-03-09T08%3A59%3A59Z&end_datetime=2026-03-13T13%3A00%3A01Z"
    )


@pytest.mark.parametrize("exclusive", [True, False])
def test_90_days_of_instants_are_four_questions_and_no_row_twice(
    client: OuraClient, oura: FakeOura, exclusive: bool
) -> None:
    """Whether the end belongs to a range or not."""
    first, last = date(2026, 1, 1), date(2026, 3, 31)
    begin = datetime(2025, 12, 28, tzinfo=UTC)
    oura.exclusive_instants = exclusive
    oura.page_size = 10_000
    oura.documents["heartrate"] = [
        beat(begin + timedelta(minutes=20 * step)) for step in range(100 * 72)
    ]
    rows = kept(list(client.documents(HEARTRATE, first, last)))
    assert len(oura.asked) == 4
    assert [row.raw for row in rows] == [
        raw(beat(datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=20 * step)))
        for step in range(90 * 72)
    ]


def test_rows_without_a_day_go_by_utc_until_they_land(client: OuraClient, oura: FakeOura) -> None:
    """Only the warehouse knows where the person was."""
    midnight = datetime(2026, 3, 10, tzinfo=UTC)
    second = timedelta(seconds=1)
    instants = [
        midnight - second,
        midnight,
        midnight + timedelta(days=3) - second,
        midnight + timedelta(days=3),
    ]
    oura.documents["heartrate"] = [beat(at) for at in instants]
    assert list(client.documents(HEARTRATE, FIRST, LAST)) == [
        Page(
            documents=[
                Document(FIRST, raw(beat(instants[1]))),
                Document(LAST, raw(beat(instants[2]))),
            ],
            outside=[
                Document(FIRST - timedelta(days=1), raw(beat(instants[0]))),
                Document(LAST + timedelta(days=1), raw(beat(instants[3]))),
            ],
            regular=True,
        )
    ]


def test_documents_that_were_not_requested_are_kept_apart(
    client: OuraClient, oura: FakeOura
) -> None:
    """However far away: Oura's default range instead of ours."""
    stray = beat(datetime(2020, 1, 1, tzinfo=UTC)), beat(datetime(2030, 1, 1, tzinfo=UTC))
    oura.next_answers.append(reply(200, {"data": stray}))
    assert list(client.documents(HEARTRATE, FIRST, LAST)) == [
        Page(
            documents=[],
            outside=[
                Document(date(2020, 1, 1), raw(stray[0])),
                Document(date(2030, 1, 1), raw(stray[1])),
            ],
            regular=True,
        )
    ]


def test_a_night_at_which_nobody_wore_a_ring_cannot_be_placed(
    client: OuraClient, oura: FakeOura
) -> None:
    """Some instants are none of UTC at all."""
    oura.documents["sleep"] = [
        night("2026-03-09", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"),
        night("2026-03-10", "1899-12-31T23:59:59+00:00", "2200-01-01T00:00:00+00:00"),
        night("2026-03-11", "1900-01-01T00:00:00+00:00", None),
    ]
    (page,) = client.documents(SLEEP, FIRST, LAST)
    assert [document.day.day for document in [*page.outside, *page.documents]] == [11]
    assert [(odd.day, odd.id) for odd in page.unusable] == [
        (date(2026, 3, 10), "night-2026-03-10"),
    ]


def test_a_snapshot_belongs_to_the_day_of_the_fetch(client: OuraClient, oura: FakeOura) -> None:
    """Rings have no day, and no range to ask for."""
    rings: list[dict[str, Any]] = [
        {"id": "a", "set_up_at": None},
        {"id": "b", "set_up_at": "2025-08-02T10:48:37+00:00"},
    ]
    oura.documents["ring_configuration"] = rings
    assert list(client.documents(RING_CONFIGURATION)) == [
        Page(documents=[Document(TODAY, raw(ring)) for ring in rings], outside=[], regular=True)
    ]
    assert oura.parameters == [{}]


def test_personal_info_comes_bare(client: OuraClient, oura: FakeOura) -> None:
    """An object without an envelope; only its id is certain."""
    oura.documents["personal_info"] = [{"id": "oura-1"}]
    document = Document(TODAY, b'{"id":"oura-1"}')
    oura.next_answers.append(reply(200, b'\n{"id":"oura-1"} \n'))
    assert client.personal_info() == document
    assert list(client.documents(PERSONAL_INFO, FIRST, LAST)) == [
        Page(documents=[document], outside=[])
    ]


def test_one_document_is_requested_by_its_id(client: OuraClient, oura: FakeOura) -> None:
    """It comes without an envelope."""
    oura.documents["daily_sleep"] = [score("2026-03-10")]
    document = client.document(DAILY_SLEEP, "score-2026-03-10")
    assert document == Document(FIRST, raw(score("2026-03-10")))


def test_an_id_cannot_lead_elsewhere(client: OuraClient, oura: FakeOura) -> None:
    """Whatever stands in it, it stays one part of the address."""
    oura.next_answers.append(reply(404))
    with pytest.raises(DocumentNotFound):
        client.document(DAILY_SLEEP, "../heartrate?a=b#c")
    assert oura.asked[0].url.raw_path == (
        b"/v2/usercollection/daily_sleep/..%2Fheartrate%3Fa%3Db%23c"
    )


@pytest.mark.parametrize("document_id", ["", ".", ".."])
def test_an_impossible_id_is_not_requested(
    client: OuraClient, oura: FakeOura, document_id: str
) -> None:
    """It would be the address of something else."""
    with pytest.raises(DocumentNotFound, match="is not the id of a daily_sleep document"):
        client.document(DAILY_SLEEP, document_id)
    assert oura.asked == []


def test_a_type_without_ids_cannot_be_requested_by_id(client: OuraClient) -> None:
    """Heart-rate rows have no id."""
    with pytest.raises(ValueError, match="heartrate has no documents"):
        client.document(HEARTRATE, "a")


def test_a_range_needs_both_ends(client: OuraClient) -> None:
    """Leaving one out would be Oura's default, which is no range."""
    with pytest.raises(ValueError, match="daily_spo2 needs the first and the last day"):
        list(client.documents(DAILY_SPO2, FIRST))


def test_everything_that_differs_is_in_the_row(client: OuraClient, oura: FakeOura) -> None:
    """A type that nobody has heard of is fetched by its columns alone."""
    tomorrow: DocumentType = replace(HEARTRATE, name="glucose", max_days=7)
    at = datetime(2026, 3, 10, 12, tzinfo=UTC)
    oura.documents["glucose"] = [beat(at)]
    pages = list(client.documents(tomorrow, FIRST, FIRST + timedelta(days=13)))
    assert kept(pages) == [Document(FIRST, raw(beat(at)))]
    assert [request.url.path for request in oura.asked] == ["/v2/usercollection/glucose"] * 3


def test_a_document_does_not_show_its_values() -> None:
    """It may end up in a log or a traceback."""
    assert repr(Document(FIRST, b'{"score":80}')) == "Document(day=datetime.date(2026, 3, 10))"
