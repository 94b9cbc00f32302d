"""What of a member's own export lands, beside what else is there."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.catalog.document_types import (
    DAILY_SLEEP,
    DAILY_SPO2,
    DAILY_STRESS,
    ENHANCED_TAG,
    HEARTRATE,
    RING_CONFIGURATION,
    SLEEP,
    STORED_TYPES,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.member_export.errors import ExportRefused
from oura_pipeline.member_export.importing import Silent, import_export
from oura_pipeline.pipeline import Pipeline
from oura_pipeline_tests.member_export.archives import (
    EXAMPLE,
    VARIATIONS,
    files_below,
    write_zip,
)
from oura_pipeline_tests.warehouse.documents import RawDocument

Zipped = Callable[..., Path]

EXAMPLE_ROWS = {
    "daily_activity": 3,
    "daily_cardiovascular_age": 3,
    "daily_metabolic_score": 1,
    "daily_readiness": 3,
    "daily_resilience": 3,
    "daily_sleep": 3,
    "daily_smoothed_cardiovascular_age": 3,
    "daily_spo2": 3,
    "daily_stress": 3,
    "daytime_stress": 8,
    "enhanced_tag": 3,
    "food_item": 1,
    "heartrate": 34,
    "lab_test_result": 1,
    "meal": 1,
    "rest_mode_period": 1,
    "ring_battery_level": 4,
    "ring_configuration": 2,
    "session": 2,
    "sleep": 6,
    "sleep_time": 3,
    "temperature": 14,
    "time_zone": 2,
    "vO2_max": 1,
    "workout": 3,
}
TEMPERATURES = "timestamp;skin_temp\n2026-05-01T10:00:00Z;35.2\n"
SLEEPS = "id;contributors;day;score;timestamp\n"


@pytest.fixture(scope="module")
def example(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Somebody whose export is the made-up example; no test changes their documents."""
    path = write_zip(tmp_path_factory.mktemp("example") / "data.zip", files_below(EXAMPLE))
    username = pipeline.accounts.people.add_without_sign_in("example").username
    imported = import_export(pipeline, username, path)
    assert {one.document_type.name: one.landed for one in imported.types if one.rows} == (
        EXAMPLE_ROWS
    )
    return username


def found(pipeline: Pipeline, document_type: DocumentType, username: str) -> list[dict[str, Any]]:
    """A person's documents, by day and key."""
    rows = pipeline.warehouse.documents(document_type, username, date.min, date.max)
    return [json.loads(raw) for _, raw in rows]


def everything(pipeline: Pipeline, username: str) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of a person, with when and from where it came."""
    with pipeline.warehouse.at_once() as warehouse:
        there = warehouse.rows_of(username)
        return {
            one.name: warehouse.query(
                "SELECT day, document::VARCHAR, epoch(fetched_at), run_id "
                f"FROM oura.{one.table} WHERE username = ? ORDER BY ALL",
                [username],
            )
            for one in STORED_TYPES
            if one.name in there
        }


def brought(pipeline: Pipeline, username: str) -> dict[tuple[str, date], int]:
    """What the ledger says was brought."""
    rows = pipeline.warehouse.query(
        "SELECT document_type, day, documents FROM oura.brought WHERE username = ?", [username]
    )
    return {(name, day): many for name, day, many in rows}


def land(
    pipeline: Pipeline,
    document_type: DocumentType,
    username: str,
    documents: list[RawDocument],
    days: tuple[date, date],
) -> None:
    """Land an answer of the API, as a fetch does."""
    with pipeline.warehouse.spool(document_type) as spool:
        spool.add(username, documents)
        pipeline.warehouse.land(
            document_type,
            spool,
            usernames=[username],
            first_day=days[0],
            last_day=days[1],
            fetched_at=datetime(2026, 5, 10, tzinfo=UTC),
            run_id="a fetch",
        )


def score(day: int, value: int) -> RawDocument:
    """The API's answer of a day in May."""
    of = date(2026, 5, day)
    text = f'{{"id":"from the API","day":"{of}","score":{value}}}'
    return RawDocument(of, text.encode())


def sleeps(*rows: tuple[int, int]) -> dict[str, str]:
    """An export with the scores of some days in May."""
    lines = (f"export-{day};;2026-05-{day:02};{value};" for day, value in rows)
    return {"App Data/dailysleep.csv": SLEEPS + "\n".join(lines)}


def test_every_row_lands_under_its_day(pipeline: Pipeline, example: str) -> None:
    assert pipeline.warehouse.rows_of(example) == EXAMPLE_ROWS
    nights = found(pipeline, SLEEP, example)
    assert sorted((one["day"], one["type"]) for one in nights) == [
        ("2026-05-01", "long_sleep"),
        ("2026-05-02", "deleted"),
        ("2026-05-02", "long_sleep"),
        ("2026-05-02", "sleep"),
        ("2026-05-03", "long_sleep"),
        ("2026-05-03", "rest"),
    ]


def test_cells_become_what_the_api_would_have_sent(pipeline: Pipeline, example: str) -> None:
    first, second, third = found(pipeline, ENHANCED_TAG, example)
    by_code = {one["tag_type_code"]: one for one in (first, second, third)}
    assert by_code["tag_generic_caffeine"]["comment"] == 'Two cups; "late" ones\nand one more'
    assert by_code["custom"]["custom_name"] == "Sauna"
    assert by_code[None]["comment"] == "felt a cold coming"
    assert [one["spo2_percentage"] for one in found(pipeline, DAILY_SPO2, example)] == [
        {"average": 97.615},
        {"average": 96.208},
        None,
    ]
    assert [
        (one["stress_high"], one["recovery_high"], one["day_summary"])
        for one in found(pipeline, DAILY_STRESS, example)
    ] == [(3600, 5400, "normal"), (9900, 900, "stressful"), (0, 0, None)]
    at_once = [
        (one["source"], one["bpm"])
        for one in found(pipeline, HEARTRATE, example)
        if one["timestamp"] == "2026-05-03T05:00:00.000Z"
    ]
    assert sorted(at_once) == [("awake", 66), ("rest", 64)]
    rings = {
        one["hardware_type"]: one["set_up_at"]
        for one in found(pipeline, RING_CONFIGURATION, example)
    }
    assert rings == {"gen3": "2023-01-14T18:20:31.000Z", "gen4": None}
    starts = [one["start_datetime"] for one in found(pipeline, WORKOUT, example)]
    assert starts[-1] == "2026-05-03T10:55:00.000+02:00"
    night = found(pipeline, SLEEP, example)[0]
    assert isinstance(night["sleep_phase_5_min"], str)
    assert night["low_battery_alert"] is False


def test_all_of_it_is_marked_as_brought(pipeline: Pipeline, example: str) -> None:
    marks = {row[2:] for rows in everything(pipeline, example).values() for row in rows}
    assert marks == {(datetime(2026, 5, 4, tzinfo=UTC).timestamp(), "export of 2026-05-04")}


def test_a_second_import_changes_nothing(pipeline: Pipeline, example: str, zipped: Zipped) -> None:
    before = everything(pipeline, example)
    again = import_export(pipeline, example, zipped(files_below(EXAMPLE)))
    assert {one.document_type.name: one.known for one in again.types if one.rows} == EXAMPLE_ROWS
    assert everything(pipeline, example) == before


@pytest.mark.parametrize(
    ("variation", "expected", "as_in_the_example"),
    [
        ("battery_other_order", {"ring_battery_level": 1}, ()),
        ("comma_bom_sep_line", {"daily_sleep": 3}, (DAILY_SLEEP,)),
        ("date_suffix", {"sleep": 6, "enhanced_tag": 1}, (SLEEP,)),
        ("night_twice", {"sleep": 2}, ()),
        ("old_2023", {"heartrate": 1, "sleep": 0}, ()),
        ("unquoted_json", {"daily_sleep": 3, "daily_spo2": 2, "sleep": 1}, (DAILY_SLEEP,)),
        ("upload_prefix", {"daily_stress": 1}, ()),
    ],
)
def test_every_form_of_the_files_is_read(
    pipeline: Pipeline,
    example: str,
    username: str,
    variation: str,
    expected: dict[str, int],
    as_in_the_example: tuple[DocumentType, ...],
) -> None:
    """Whether JSON stands in quotation marks, whatever separates cells, files are called."""
    imported = import_export(pipeline, username, VARIATIONS / variation)
    assert {one.document_type.name: one.landed for one in imported.types} == expected
    for one in as_in_the_example:
        assert found(pipeline, one, username) == found(pipeline, one, example)


def test_names_and_bare_numbers_of_older_exports_are_understood(
    pipeline: Pipeline, username: str
) -> None:
    for variation in ("bare_numbers", "pascal_case", "date_suffix"):
        import_export(pipeline, username, VARIATIONS / variation)
    assert not pipeline.warehouse.odd_values([username])
    assert found(pipeline, DAILY_SPO2, username)[0]["spo2_percentage"] == {"average": 97.6}
    assert pipeline.warehouse.query(
        "SELECT skin_temp FROM oura.temperature WHERE username = ?", [username]
    ) == [(35.21,)]
    assert found(pipeline, ENHANCED_TAG, username)[0]["custom_name"] == "Sauna"


@pytest.mark.parametrize("api_first", [True, False])
def test_a_day_of_which_the_api_gave_something_is_the_apis(
    pipeline: Pipeline, username: str, zipped: Zipped, api_first: bool
) -> None:
    """Whatever came first; the days of which it gave nothing keep what an export brought."""
    days = (date(2026, 5, 2), date(2026, 5, 3))
    export = zipped(sleeps((1, 61), (2, 62), (3, 63)))
    steps = [
        lambda: land(pipeline, DAILY_SLEEP, username, [score(2, 80)], days),
        lambda: import_export(pipeline, username, export),
    ]
    for step in steps if api_first else reversed(steps):
        step()
    rows = everything(pipeline, username)["daily_sleep"]
    assert [(day.day, json.loads(text)["score"], run) for day, text, _, run in rows] == [
        (1, 61, "export of 2026-05-04"),
        (2, 80, "a fetch"),
        (3, 63, "export of 2026-05-04"),
    ]


@pytest.mark.parametrize("api_first", [True, False])
def test_documents_with_ids_give_way_by_the_day(
    pipeline: Pipeline, username: str, zipped: Zipped, api_first: bool
) -> None:
    """The ids of both may differ: a tag of the API and one of the export are never both there."""
    day = date(2026, 5, 1)
    tag = RawDocument(
        day, b'{"id":"api","start_day":"2026-05-01","start_time":"2026-05-01T08:00:00+03:00"}'
    )
    header = "id;start_day;start_time;tag_type_code\n"
    row = "{};2026-05-{:02};2026-05-{:02}T09:00:00+03:00;x\n"
    export = zipped({"enhancedtag.csv": header + row.format("e1", 1, 1) + row.format("e2", 2, 2)})
    steps = [
        lambda: land(pipeline, ENHANCED_TAG, username, [tag], (day, day)),
        lambda: import_export(pipeline, username, export),
    ]
    for step in steps if api_first else reversed(steps):
        step()
    assert [one["id"] for one in found(pipeline, ENHANCED_TAG, username)] == ["api", "e2"]


def test_an_answer_without_documents_deletes_nothing_that_was_brought(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    import_export(pipeline, username, zipped(sleeps((1, 61))))
    land(pipeline, DAILY_SLEEP, username, [], (date(2026, 5, 1), date(2026, 5, 3)))
    assert [one["score"] for one in found(pipeline, DAILY_SLEEP, username)] == [61]


def test_what_the_api_says_alike_is_the_apis_from_then_on(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    import_export(pipeline, username, zipped(sleeps((1, 61))))
    [row] = everything(pipeline, username)["daily_sleep"]
    same = RawDocument(date(2026, 5, 1), row[1].encode())
    land(pipeline, DAILY_SLEEP, username, [same], (date(2026, 5, 1), date(2026, 5, 1)))
    [row] = everything(pipeline, username)["daily_sleep"]
    assert row[3] == "a fetch"


@pytest.mark.parametrize("newer_first", [True, False])
def test_of_two_exports_the_newer_one_counts_and_nothing_is_lost(
    pipeline: Pipeline, username: str, tmp_path: Path, newer_first: bool
) -> None:
    older = write_zip(tmp_path / "1.zip", sleeps((1, 61), (2, 62)), made_at=datetime(2026, 5, 4))
    newer = write_zip(tmp_path / "2.zip", sleeps((2, 72), (3, 73)), made_at=datetime(2026, 5, 8))
    for path in (newer, older) if newer_first else (older, newer):
        import_export(pipeline, username, path)
    assert [one["score"] for one in found(pipeline, DAILY_SLEEP, username)] == [61, 72, 73]


@pytest.mark.parametrize("newer_first", [True, False])
def test_a_column_that_only_the_older_export_has_stays(
    pipeline: Pipeline, username: str, tmp_path: Path, newer_first: bool
) -> None:
    """Whatever came first, the document is the same; an empty cell of the newer one is its word."""
    old = "id;contributors;day;score;old\no;{1: 98.50};2026-05-01;61;7\n".replace("1:", '"a":')
    new = "id;day;score;new\nn;2026-05-01;;8\n"
    night = "id;day;type;bedtime_start;bedtime_end{}\ns;2026-05-0{}{}\n"
    times = "long_sleep;2026-04-30T23:00:00+03:00;2026-05-01T07:00:00+03:00"
    older = {"dailysleep.csv": old, "sleep.csv": night.format(";period", 2, f";{times};0")}
    newer = {"dailysleep.csv": new, "sleep.csv": night.format(";latency", 1, f";{times};300")}
    exports = [
        write_zip(tmp_path / "1.zip", older, made_at=datetime(2026, 5, 4)),
        write_zip(tmp_path / "2.zip", newer, made_at=datetime(2026, 5, 8)),
    ]
    ordered = [*reversed(exports)] if newer_first else exports
    for path in ordered:
        import_export(pipeline, username, path)
    rows = everything(pipeline, username)
    at, run = datetime(2026, 5, 8, tzinfo=UTC).timestamp(), "export of 2026-05-08"
    [score] = rows["daily_sleep"]
    assert score == (
        date(2026, 5, 1),
        '{"id":"n","contributors":{"a": 98.50},"day":"2026-05-01","score":null,"old":"7",'
        '"new":"8"}',
        *(at, run),
    )
    [[*night_row]] = rows["sleep"]
    assert night_row[0] == date(2026, 5, 1)
    assert json.loads(night_row[1])["period"] == 0
    assert json.loads(night_row[1])["latency"] == 300
    assert night_row[2:] == [at, run]
    typed = "SELECT period, latency FROM oura.sleep WHERE username = ?"
    assert pipeline.warehouse.query(typed, [username]) == [(0, 300)]
    for path in exports:
        again = import_export(pipeline, username, path)
        assert [one.landed for one in again.types] == [0, 0]
    assert everything(pipeline, username) == rows


def test_what_the_api_said_gets_no_columns_of_an_export(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    day = date(2026, 5, 1)
    import_export(pipeline, username, zipped({"dailysleep.csv": "day;old\n2026-05-01;7\n"}))
    land(pipeline, DAILY_SLEEP, username, [score(1, 80)], (day, day))
    import_export(pipeline, username, zipped({"dailysleep.csv": "day;new\n2026-05-01;8\n"}))
    assert found(pipeline, DAILY_SLEEP, username) == [json.loads(score(1, 80).raw)]


def test_what_was_brought_is_counted_by_days_until_the_api_gives_it(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    """Also on the day to which a row moves once it is known where the person was."""
    rates = "timestamp;bpm;source\n2026-05-02T12:00:00Z;60;awake\n2026-05-02T23:30:00Z;50;rest\n"
    export = zipped(sleeps((1, 61), (2, 62)) | {"heartrate.csv": rates})
    import_export(pipeline, username, export)
    first, second, third = (date(2026, 5, number) for number in (1, 2, 3))
    scores = {("daily_sleep", first): 1, ("daily_sleep", second): 1}
    assert brought(pipeline, username) == scores | {("heartrate", second): 2}
    land(pipeline, DAILY_SLEEP, username, [score(2, 80)], (first, second))
    workout = RawDocument(
        second, b'{"id":"w","day":"2026-05-02","start_datetime":"2026-05-02T12:00:00+03:00"}'
    )
    land(pipeline, WORKOUT, username, [workout], (second, second))
    of_rates = {("heartrate", second): 1, ("heartrate", third): 1}
    assert brought(pipeline, username) == {("daily_sleep", first): 1} | of_rates
    import_export(pipeline, username, export)
    assert brought(pipeline, username) == {("daily_sleep", first): 1} | of_rates
    pipeline.warehouse.forget(username)
    assert brought(pipeline, username) == {}


def test_what_was_interrupted_is_completed_by_the_next_time(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    class Killed(Silent):
        def landing(self, document_type: str) -> None:
            if document_type == "temperature":
                raise KeyboardInterrupt

    path = zipped(sleeps((1, 61)) | {"temperature.csv": TEMPERATURES})
    with pytest.raises(KeyboardInterrupt):
        import_export(pipeline, username, path, Killed())
    assert pipeline.warehouse.remove_abandoned_spools() == 0
    assert pipeline.warehouse.rows_of(username) == {"daily_sleep": 1}
    again = import_export(pipeline, username, path)
    assert [(one.landed, one.known) for one in again.types] == [(0, 1), (1, 0)]
    assert pipeline.warehouse.rows_of(username) == {"daily_sleep": 1, "temperature": 1}


def test_a_column_that_is_absent_is_no_null(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    import_export(pipeline, username, zipped({"dailysleep.csv": "day;score\n2026-05-01;\n"}))
    assert found(pipeline, DAILY_SLEEP, username) == [{"day": "2026-05-01", "score": None}]


def test_rows_that_are_no_documents_are_kept_aside_with_their_line(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    rows = (
        "a;;2026-05-01;80;\nb;;2026-05-02\n;2026-05-03;83;\nc;;2026-02-30;80;\nd;;1066-10-14;9;\n"
        'e;{"rem":1,"rem":2};2026-05-04;84;\n'
    )
    imported = import_export(pipeline, username, zipped({"dailysleep.csv": SLEEPS + rows}))
    [one] = imported.types
    assert (one.rows, one.landed, one.aside, one.known) == (6, 2, 4, 0)
    assert [(row.id, row.reason) for row in pipeline.warehouse.quarantined([username])] == [
        (None, "line 3 of dailysleep.csv: it has 3 cells, and the file 5 columns"),
        (None, "nobody wore a ring on its day"),
        ("c", "day: invalid RFC3339 encoded date"),
        ("e", "an object has the key 'rem' twice"),
    ]
    # A row that lacks its id and nothing else is one all the same.
    assert [one["day"] for one in found(pipeline, DAILY_SLEEP, username)] == [
        "2026-05-01",
        "2026-05-03",
    ]


def test_times_without_an_offset_get_that_of_their_moment(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    """From the zones that the phone was in; where nothing says it, the row is kept aside."""
    zones = "timestamp;identifier;offset\n2026-05-02T00:00:00Z;Europe/Helsinki;10800\n"
    tags = "id;start_day;start_time;tag_type_code\n"
    for day in (1, 3):
        tags += f"t{day};2026-05-{day:02};2026-05-{day:02}T09:00:00;x\n"
    import_export(pipeline, username, zipped({"timezone.csv": zones, "enhancedtag.csv": tags}))
    assert [one["start_time"] for one in found(pipeline, ENHANCED_TAG, username)] == [
        "2026-05-03T09:00:00+03:00"
    ]
    [aside] = pipeline.warehouse.quarantined([username])
    assert aside.reason == "line 2 of enhancedtag.csv: nothing says where the person was then"


def test_who_leaves_takes_what_was_brought_along(
    pipeline: Pipeline, username: str, zipped: Zipped
) -> None:
    path = zipped({"temperature.csv": TEMPERATURES})
    import_export(pipeline, username, path)
    assert pipeline.warehouse.rows_of(username) == {"temperature": 1}
    pipeline.warehouse.forget(username)
    assert pipeline.warehouse.rows_of(username) == {}
    pipeline.accounts.removal.retire(username)
    with pytest.raises(PersonRefused, match="they have left"):
        import_export(pipeline, username, path)


def test_what_landed_waits_to_be_pushed(pipeline: Pipeline, username: str, zipped: Zipped) -> None:
    import_export(pipeline, username, zipped({"temperature.csv": TEMPERATURES}))
    due = pipeline.accounts.waiting.due(datetime(2027, 1, 1, tzinfo=UTC), limit=5000)
    mine = [(one.document_type, one.day) for one in due if one.username == username]
    assert mine == [("temperature", date(2026, 5, 1))]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "none of its 0 tables is one of Oura's"),
        ({"bank.csv": "a;b\n1;2\n"}, "none of its 1 tables is one of Oura's"),
        ({"Subscriptions/account.csv": "id;email\n1;a@b\n"}, "none of its 1 tables"),
        ({"dailysleep.csv": "date;score\n2026-05-01;80\n"}, "it has no column day"),
        ({"oura_2026_trends.csv": "date,Sleep Score\n"}, "these are the trends of Oura's web site"),
    ],
)
def test_what_holds_nothing_known_is_refused(
    pipeline: Pipeline, username: str, zipped: Zipped, files: dict[str, str], message: str
) -> None:
    with pytest.raises(ExportRefused, match=message):
        import_export(pipeline, username, zipped(files))
