"""What somebody takes along is what Oura sent, all of it and nobody else's."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.exports.person import ExportRefused, export_person, export_zip
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.sync.push import push_documents
from oura_pipeline_tests.testing.leavers import AT_OURA, FIRST, LAST, ODD, OTHER, sign_in
from oura_pipeline_tests.testing.world import World, comparable, world
from oura_pipeline_tests.testing.worlds import cloud_with

cloud = cloud_with(people=3, days=8, end=LAST, thin=10)


@pytest.fixture(scope="module")
def synced(
    cloud: Sandbox, empty_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Two people and all their documents of three days, one each odd; no test changes anything."""
    home = tmp_path_factory.mktemp("exported") / "data"
    with world(home, cloud, begun=empty_home) as made:
        sign_in(made, ODD)
        sign_in(made, OTHER)
        for one in (ODD, OTHER):
            cloud.spoil(AT_OURA[one], "daily_stress", "null", field="day", day=LAST)
        made.fetch(FIRST, LAST)
        with open_pipeline() as pipeline, pipeline.warehouse.kept_open():
            for document_type in DOCUMENT_TYPES:
                days = days_between(FIRST, LAST) if document_type.partitioned else None
                push_documents(pipeline, document_type, [ODD, OTHER], days)
            pipeline.warehouse.publish(pipeline.settings.storage.analytics_path)
        yield made


@pytest.fixture(scope="module")
def folder(synced: World, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The export of one of them."""
    target = tmp_path_factory.mktemp("taken") / "along"
    with open_pipeline() as pipeline:
        export_person(pipeline, ODD, target)
    return target


def held(made: World, document_type: DocumentType) -> list[tuple[str, Any]]:
    """What Oura holds of them in these days."""
    days = (FIRST, LAST) if document_type.partitioned else (None, None)
    truth = made.sandbox.truth(AT_OURA[ODD], document_type.name, *days)
    return comparable((one["day"], one["document"]) for one in truth if "way" not in one)


def rows(sql: str, path: Path) -> list[tuple[Any, ...]]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        return connection.execute(sql.format(path=f"'{path}'")).fetchall()


@pytest.mark.parametrize(
    "document_type", DOCUMENT_TYPES, ids=lambda document_type: document_type.name
)
def test_every_document_is_there_as_oura_sent_it(
    document_type: DocumentType, synced: World, folder: Path
) -> None:
    """As JSON lines and in the Parquet file; a type without any has no file."""
    parquet = folder / "documents" / f"{document_type.table}.parquet"
    lines = parquet.with_suffix(".jsonl")
    expected = held(synced, document_type)
    if not expected:
        assert (parquet.exists(), lines.exists()) == (False, False)
        return
    documents = [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    found = rows("SELECT day, document FROM {path}", parquet)
    assert [json.loads(document) for _, document in found] == documents
    if document_type.partitioned:
        assert comparable((str(day), json.loads(text)) for day, text in found) == expected
    else:
        assert comparable((None, d) for d in documents) == comparable(
            (None, d) for _, d in expected
        )


def test_the_columns_are_typed_as_in_the_warehouse(synced: World, folder: Path) -> None:
    """Days are days, instants are instants, nested objects keep their fields."""
    described = {
        name: kind
        for name, kind, *_ in rows(
            "DESCRIBE FROM {path}", folder / "documents" / "daily_sleep.parquet"
        )
    }
    stands = {name: kind for name, kind, *_ in synced.warehouse.query("DESCRIBE oura.daily_sleep")}
    assert described == stands
    theirs = "FROM {path} ORDER BY day"
    query = f"FROM oura.daily_sleep WHERE username = '{ODD}' ORDER BY day"
    assert rows(theirs, folder / "documents" / "daily_sleep.parquet") == synced.warehouse.query(
        query
    )


def test_the_ledgers_come_along(synced: World, folder: Path) -> None:
    """When Oura was asked and what came of it, what was sent, and the clock they lived by."""
    with synced.accounts() as accounts:
        fetches = accounts.fetches.find(usernames=[ODD])
        pushes = [
            p
            for document_type in DOCUMENT_TYPES
            for p in accounts.pushes.find(document_type.name, usernames=[ODD])
        ]
    exported = rows(
        "SELECT document_type, day, status, documents, asked_at FROM {path} ORDER BY ALL",
        folder / "ledgers" / "fetches.parquet",
    )
    assert exported == sorted(
        (f.document_type, f.day, f.status.value, f.documents, f.at) for f in fetches
    )
    sent = rows("SELECT sum(points), count(*) FROM {path}", folder / "ledgers" / "pushes.parquet")
    assert sent == [(sum(push.points for push in pushes), len(pushes))]
    clock = rows(
        "SELECT since, seconds FROM {path} ORDER BY since", folder / "ledgers" / "offsets.parquet"
    )
    assert clock == synced.warehouse.offsets(ODD)
    aside = folder / "ledgers" / "quarantine.parquet"
    [odd] = synced.warehouse.quarantined([ODD])
    assert rows("SELECT document_type, day, id, reason, document FROM {path}", aside) == [
        ("daily_stress", None, odd.id, "day: expected `date`, got `null`", odd.document)
    ]


def test_person_json_says_who_and_what_and_no_secret(synced: World, folder: Path) -> None:
    """Who, scopes, dates and counts; no token, and no e-mail address but Oura's own document's."""
    said = json.loads((folder / "person.json").read_text(encoding="utf-8"))
    with synced.accounts() as accounts:
        person = accounts.people.get(ODD)
    assert {key: said[key] for key in ("username", "oura_id", "scopes", "state", "graphite")} == {
        "username": ODD,
        "oura_id": person.oura_id,
        "scopes": ["daily", "email"],
        "state": "connected",
        "graphite": f"bio.{ODD}",
    }
    assert said["joined_at"] == person.joined_at.isoformat()
    asked = said["document_types"]["daily_sleep"]
    assert asked["documents"] == len(synced.landed(ODD, DOCUMENT_TYPES[4]))
    assert asked["asked"] == {"first_day": str(FIRST), "last_day": str(LAST)}
    everything = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    assert not any(secret.encode() in everything for secret in synced.sandbox.secrets())
    assert "@" not in (folder / "person.json").read_text(encoding="utf-8")


def test_the_views_come_along_for_a_spreadsheet(synced: World, folder: Path) -> None:
    """Their own rows as the published copy has them, without the many that the documents have."""
    names = {path.stem for path in (folder / "views").iterdir()}
    assert {"nights", "daily_summary", "weekly", "people"} <= names
    assert not names & {"long", "heart_rate", "met_1min", "daily_records", "compliance"}
    for view in ("daily_summary", "wear"):
        [(many,)] = synced.warehouse.query(
            f"SELECT count(*) FROM oura.{view} WHERE username = '{ODD}'"
        )
        lines = (folder / "views" / f"{view}.csv").read_text(encoding="utf-8").splitlines()
        assert len(lines) == 1 + many > 1
        assert lines[0].startswith("day,")
    readme = (folder / "README.md").read_text(encoding="utf-8")
    assert "### `views/daily_summary.csv`" in readme
    assert "| `deep_minutes` | Deep sleep in the main sleep, minutes. |" in readme


def test_nobody_elses_data_is_in_it(synced: World, folder: Path) -> None:
    """Neither a name nor an id of the other person."""
    [other] = [p["id"] for p in synced.sandbox.people() if p["username"] == AT_OURA[OTHER]]
    for path in folder.rglob("*.*"):
        for text in (OTHER, other):
            assert text.encode() not in path.read_bytes(), path


def test_the_readme_has_every_type_field_and_unit(synced: World, folder: Path) -> None:
    """Types without documents say so; the others list every field with what it means."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    parts = {part.split("\n")[0]: part for part in text.split("\n## ")[1:]}
    assert list(parts) == [*(document_type.name for document_type in DOCUMENT_TYPES), "Views"]
    for document_type in DOCUMENT_TYPES:
        empty = not held(synced, document_type)
        assert ("\nnone\n" in parts[document_type.name]) is empty
        for field in () if empty else document_type.fields:
            [line] = [
                x
                for x in parts[document_type.name].splitlines()
                if x.startswith(f"| `{field.name}` |")
            ]
            assert field.name == "day" or line.endswith(f"| {field.description} |")


def test_what_is_there_is_not_overwritten(synced: World, tmp_path: Path) -> None:
    """A folder with something in it is refused; an empty one is filled; nothing is left behind."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    with open_pipeline() as pipeline:
        with pytest.raises(ExportRefused, match="is not empty: name a new folder"):
            export_person(pipeline, ODD, tmp_path / "full")
        with pytest.raises(UnknownPerson):
            export_person(pipeline, "nobody", tmp_path / "new")
        exported = export_person(pipeline, ODD, tmp_path / "empty")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]
    found = {
        p.relative_to(exported.path).as_posix() for p in exported.path.rglob("*") if p.is_file()
    }
    assert found == set(exported.files)


def test_a_zip_is_the_same(synced: World, folder: Path, tmp_path: Path) -> None:
    """Every file of the folder, under one folder; the one that was there before is replaced."""
    target = tmp_path / "data.zip"
    target.write_bytes(b"an older one")
    with open_pipeline() as pipeline:
        exported = export_zip(pipeline, ODD, target)
    assert [path.name for path in tmp_path.iterdir()] == ["data.zip"]
    with zipfile.ZipFile(target) as packed:
        assert packed.testzip() is None
        names = sorted(packed.namelist())
        lines = packed.read(f"oura-{ODD}/documents/sleep.jsonl")
    assert names == sorted(f"oura-{ODD}/{name}" for name in exported.files)
    assert lines == (folder / "documents" / "sleep.jsonl").read_bytes()


def test_somebody_without_any_document_takes_a_readme_along(cloud: Sandbox, tmp_path: Path) -> None:
    """Nothing was ever fetched: every type says `none`."""
    with world(tmp_path / "data", cloud) as made:
        sign_in(made, ODD)
        with open_pipeline() as pipeline:
            exported = export_person(pipeline, ODD, tmp_path / "along")
    assert exported.documents == {}
    text = (tmp_path / "along" / "README.md").read_text(encoding="utf-8")
    assert text.count("\nnone\n") == len(DOCUMENT_TYPES)
