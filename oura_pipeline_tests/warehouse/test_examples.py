"""Answers of every collection in recorded shape land completely and understood."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.warehouse.tables import typed_fields
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.testing.paths import EXAMPLES
from oura_pipeline_tests.warehouse.documents import NOON, RawDocument

ODD_NAMES = {"spo2.edge_cases": "daily_spo2"}
TYPES = {document_type.name: document_type for document_type in DOCUMENT_TYPES}


def example_files() -> list[Path]:
    return sorted(path for path in EXAMPLES.glob("*.json") if type_of(path) is not None)


def type_of(path: Path) -> DocumentType | None:
    words = ODD_NAMES.get(path.stem, path.stem.removeprefix("western.").removeprefix("sandbox."))
    return TYPES.get(words.split(".")[0])


def read(path: Path) -> list[dict[str, Any]]:
    answer = json.loads(path.read_text(encoding="utf-8"))
    documents: list[dict[str, Any]] = answer.get("data", [answer])
    return documents


def day_of(document_type: DocumentType, document: dict[str, Any]) -> date:
    text = document.get(document_type.day_field or "") or document.get(
        document_type.starts_at or ""
    )
    return date.fromisoformat(text[:10]) if text else date(2026, 1, 1)


@pytest.mark.usefixtures("kept_open")
def test_every_example_lands_and_comes_back(warehouse: Warehouse) -> None:
    seen = set()
    for path in example_files():
        document_type = type_of(path)
        assert document_type is not None
        made = [
            RawDocument(day_of(document_type, document), json.dumps(document, indent=1).encode())
            for document in read(path)
        ]
        username = path.stem.lower().replace(".", "-")
        with warehouse.spool(document_type) as spool:
            spool.add(username, made, True)
            landing = warehouse.land(
                document_type,
                spool,
                usernames=[username],
                first_day=min(document.day for document in made),
                last_day=max(document.day for document in made),
                fetched_at=NOON,
                run_id="run-1",
            )
        assert (path.name, landing.inserted, landing.unknown_fields, landing.odd_values) == (
            path.name,
            len(made),
            [],
            {},
        )
        found = warehouse.documents(document_type, username, date.min, date.max)
        assert sorted(found) == sorted(made)
        assert_columns_say_what_documents_say(warehouse, document_type, username)
        seen.add(document_type.name)
    assert seen == set(TYPES)


def assert_columns_say_what_documents_say(
    warehouse: Warehouse, document_type: DocumentType, username: str
) -> None:
    """Null exactly where the document has null or nothing; numbers and texts are equal."""
    fields = typed_fields(document_type)
    columns = ", ".join(f'"{field.name}"' for field in fields)
    rows = warehouse.query(
        f'SELECT document, {columns} FROM oura."{document_type.table}" WHERE username = ?',
        [username],
    )
    for text, *values in rows:
        document = json.loads(text)
        for field, value in zip(fields, values, strict=True):
            said = document.get(field.name)
            if isinstance(said, dict) and "items" in said:
                assert (value["interval"], value["items"]) == (said["interval"], said["items"])
            elif isinstance(said, dict):
                plain = {k: v for k, v in said.items() if not isinstance(v, dict)}
                assert {k: v for k, v in value.items() if k in plain} == plain
            elif isinstance(said, int | float) or said is None or field.sql_type == "VARCHAR":
                assert value == said
            else:
                assert value is not None
