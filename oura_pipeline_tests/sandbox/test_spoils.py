"""Every way to spoil a document, for every type, and what comes right again."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from oura_pipeline.sandbox.catalog import COLLECTIONS, Collection
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.spoils import SPOILS
from oura_pipeline_tests.sandbox.conftest import OPTIONS, Ask, data

DAY = "2026-10-11"
SPOILABLE = [row for row in COLLECTIONS if row.family != "bare"]


def sent(sandbox: Sandbox, collection: str) -> list[bytes]:
    """What the only spoiled document of runa is sent as."""
    [spoiled] = [entry for entry in sandbox.truth("runa", collection) if "way" in entry]
    return [base64.b64decode(body) for body in spoiled["sent"]]


def range_of(row: Collection) -> dict[str, str]:
    if row.family == "samples":
        return {"start_datetime": "2026-10-10T00:00:00Z", "end_datetime": "2026-10-12T12:00:00Z"}
    return {"start_date": "2026-09-01", "end_date": "2026-11-10"}


@pytest.mark.parametrize("row", SPOILABLE, ids=lambda row: row.name)
def test_a_spoiled_document_stands_between_the_others(
    sandbox: Sandbox, ask: Ask, row: Collection
) -> None:
    """In lists and alone; the truth knows both; and it comes right again."""
    place = {"day": DAY} if row.family == "samples" else {}
    sandbox.change_options(sample_rows=5000)
    good = ask("runa", row.name, **range_of(row)).content
    sandbox.spoil("runa", row.name, "is_null", **place)
    spoiled = ask("runa", row.name, **range_of(row))
    assert len([document for document in data(spoiled) if document is None]) == 1
    assert sent(sandbox, row.name) == [b"null"]
    assert len(data(spoiled)) == good.count(b'"id"') or row.family == "samples"
    sandbox.mend("runa", row.name, **place)
    assert ask("runa", row.name, **range_of(row)).content == good


def test_a_spoiled_document_alone(sandbox: Sandbox, ask: Ask) -> None:
    night = sandbox.spoil("runa", "sleep", "null", field="bedtime_start", day=DAY)["document"]
    assert ask("runa", f"sleep/{night['id']}").json() == {**night, "bedtime_start": None}


@pytest.mark.parametrize(
    ("collection", "way", "field", "fate"),
    [
        ("sleep", "null", "bedtime_start", "quarantined"),
        ("sleep", "null", "day", "quarantined"),
        ("sleep", "absent", "id", "quarantined"),
        ("sleep", "null", "average_hrv", "lands"),
        ("sleep", "sentinel_255", "lowest_heart_rate", "value missing"),
        ("daily_sleep", "null", "timestamp", "lands"),
        ("daily_sleep", "absent", "id", "lands"),
        ("daily_sleep", "null", "day", "quarantined"),
        ("daily_sleep", "number_as_text", "score", "lands"),
        ("daily_readiness", "words_for_number", "contributors.sleep_balance", "value missing"),
        ("heartrate", "absent", "source", "quarantined"),
        ("heartrate", "no_offset", "timestamp", "quarantined"),
        ("heartrate", "null", "timestamp_unix", "lands"),
        ("enhanced_tag", "impossible_day", "start_day", "quarantined"),
        ("workout", "no_offset", "start_datetime", "quarantined"),
        ("workout", "infinite", "calories", "value missing"),
    ],
)
def test_what_should_become_of_it(
    sandbox: Sandbox, collection: str, way: str, field: str, fate: str
) -> None:
    """What cannot be placed is set aside; anything else lands, without what cannot be taken."""
    spoiled = sandbox.spoil("runa", collection, way, day=DAY, field=field)
    assert (spoiled["field"], spoiled["fate"]) == (field, fate)


@pytest.mark.parametrize(
    ("way", "field", "expected"),
    [
        ("decimal", "score", b'"score":40.5'),
        ("infinite", "score", b'"score":1.8e308'),
        ("least_integer", "score", b'"score":-9223372036854775808'),
        ("invalid_utf8", None, None),
        ("said_twice", None, b'{"score":7,'),
        ("bottomless", None, b'"deep":' + b"[" * 100_000),
        ("past_day", None, b'"day":"2024-10-11"'),
        ("impossible_day", "day", b'"day":"2026-02-30"'),
        ("no_offset", "timestamp", b'"timestamp":"2026-10-11T00:00:00"'),
        ("utc_z", "timestamp", b'"timestamp":"2026-10-11T00:00:00Z"'),
    ],
)
def test_the_bytes_of_it(
    sandbox: Sandbox, ask: Ask, way: str, field: str | None, expected: bytes | None
) -> None:
    """Also those that no JSON library writes."""
    if expected is None:
        sandbox.spoil("runa", "workout", way, day=DAY, field="activity")
        assert b'"activity":"\xff\xfe"' in ask("runa", "workout", **range_of(SPOILABLE[0])).content
        return
    sandbox.spoil("runa", "daily_readiness", way, day=DAY, field=field)
    answer = ask("runa", "daily_readiness", start_date=DAY, end_date=DAY)
    assert expected in answer.content


def test_two_documents_of_a_day(sandbox: Sandbox, ask: Ask) -> None:
    [good] = data(ask("runa", "daily_sleep", start_date=DAY, end_date=DAY))
    sandbox.spoil("runa", "daily_sleep", "day_twice_unscored", day=DAY)
    first, second = data(ask("runa", "daily_sleep", start_date=DAY, end_date=DAY))
    assert second == good
    assert (first["day"], first["score"], first["id"] == good["id"]) == (DAY, None, False)


def test_a_revision_brings_it_right_and_a_deletion_takes_it_away(
    sandbox: Sandbox, ask: Ask
) -> None:
    sandbox.spoil("runa", "daily_sleep", "is_text", day=DAY)
    revised = sandbox.revise("runa", "daily_sleep", day=DAY)
    assert data(ask("runa", "daily_sleep", start_date=DAY, end_date=DAY)) == [revised]
    sandbox.spoil("runa", "daily_sleep", "is_text", day=DAY)
    sandbox.delete("runa", "daily_sleep", day=DAY)
    assert data(ask("runa", "daily_sleep", start_date=DAY, end_date=DAY)) == []


@pytest.fixture(scope="module")
def few() -> Iterator[Sandbox]:
    """What tests spoil, each another document type; few of many samples."""
    with running(replace(OPTIONS, thin=20)) as sandbox:
        yield sandbox


@pytest.mark.parametrize("row", SPOILABLE, ids=lambda row: row.name)
def test_every_way_that_fits_a_type_works_in_it(few: Sandbox, row: Collection) -> None:
    """With a seed, the field is one at random, and always the same."""
    ways = few.ways("koa", row.name)
    assert ways.keys() >= {"is_null", "is_list", "twice", "unknown_field", "null"}
    for way, fields in ways.items():
        first, again = (few.spoil("koa", row.name, way, seed=3) for _ in range(2))
        assert first == again
        assert first["field"] in fields


def test_every_way_fits_some_type(shared: Sandbox) -> None:
    """A way that fits nothing would be one that no test has tried."""
    fits = {way for row in SPOILABLE for way in shared.ways("koa", row.name)}
    assert {spoil.name for spoil in SPOILS} == fits


def test_a_way_that_does_not_fit_is_refused(sandbox: Sandbox) -> None:
    for wrong in ({"way": "burnt"}, {"way": "null", "field": "nothing"}, {"way": "sentinel_0"}):
        with pytest.raises(httpx.HTTPStatusError, match="400"):
            sandbox.spoil("runa", "workout", **wrong)
