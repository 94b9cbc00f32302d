"""What somebody downloads holds what Oura sent, under names of ours, whatever that was."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import duckdb
import pytest

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.exports.person import export_zip
from oura_pipeline.oura.pages import PageReader
from oura_pipeline.oura.windows import DateRangeQuery
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline_tests.attack.effort import seconds_left
from oura_pipeline_tests.attack.fuzzers import NOW, TODAY, TYPES, documents, tried
from oura_pipeline_tests.attack.fuzzing import Fuzzer
from oura_pipeline_tests.testing.settings import settings_with

EXAMPLES = 2
NAME = re.compile(
    r"oura-ada/((documents|ledgers)/[A-Za-z0-9_]+\.(parquet|jsonl)|person\.json|README\.md)"
)
OTHER = "bertilda"


@pytest.fixture
def pipeline(tmp_path: Path) -> Iterator[Pipeline]:
    """Two people, and nothing of them yet."""
    with open_pipeline(settings_with(oura_pipeline_home=tmp_path / "data")) as opened:
        for name in ("ada", OTHER):
            opened.accounts.people.add(name, SignIn(refresh_token=f"token-of-{name}"))
        yield opened


def test_hostile_documents_do_no_harm_in_an_export(pipeline: Pipeline, tmp_path: Path) -> None:
    page = b'{"data": [%s]}'
    seeds = [(name, page % dated(raw)) for name, raw in documents() if len(raw) < 5000]
    check = partial(check_export, pipeline, tmp_path / "ada.zip")
    fuzzer = Fuzzer(name="exports", check=check, seeds=seeds)
    assert fuzzer.run(quick=EXAMPLES, seconds=seconds_left()) >= EXAMPLES


def dated(raw: bytes) -> bytes:
    """The same document, of today."""
    document = json.loads(raw)
    return json.dumps(document | {"day": TODAY.isoformat()}).encode()


def check_export(pipeline: Pipeline, path: Path, of_what: str, body: bytes) -> None:
    """Land a page of both people, and look at what one of them would download."""
    reader = PageReader(TYPES[of_what], wanted=lambda day: day == TODAY, today=TODAY)
    page, _ = tried(lambda: reader.page(body, DateRangeQuery())[0], OuraError)
    if page is None:
        return
    with pipeline.warehouse.spool(reader.document_type) as spool:
        for name in ("ada", OTHER):
            spool.add(name, page.documents, requested=True)
            spool.set_aside(name, page.unusable)
        pipeline.warehouse.land(
            reader.document_type,
            spool,
            usernames=["ada", OTHER],
            first_day=TODAY,
            last_day=TODAY,
            fetched_at=NOW,
            run_id="a run",
        )
    export_zip(pipeline, "ada", path)
    check_zip(path)


def check_zip(path: Path) -> None:
    with zipfile.ZipFile(path) as packed, duckdb.connect() as connection:
        assert packed.testzip() is None
        for name in packed.namelist():
            content = packed.read(name)
            assert NAME.fullmatch(name), name
            assert OTHER.encode() not in content, name
            assert b"token-of-" not in content, name
            if name.endswith(".jsonl"):
                rows = [json.loads(line) for line in content.split(b"\n") if line]
                assert all(isinstance(row, dict) for row in rows), name
            elif name.endswith(".json"):
                assert json.loads(content)["username"] == "ada"
            elif name.endswith(".parquet"):
                file = path.with_suffix(".parquet")
                file.write_bytes(content)
                connection.execute(f"FROM read_parquet('{file}')").fetchall()
