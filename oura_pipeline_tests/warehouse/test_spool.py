"""Where documents wait on disk."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from msgspec import Raw

from oura_pipeline.catalog.document_types import SLEEP
from oura_pipeline.warehouse.spool import open_spool
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import RawDocument, january, land


def test_a_line_is_person_day_asked_and_document(tmp_path: Path) -> None:
    with open_spool(tmp_path, "sleep") as spool:
        spool.add("ada", [RawDocument(january(1), b'{"id":"a"}')], True)
        spool.add("ada", [RawDocument(january(9), b'{\r\n"id":"b"}')], False)
        assert [file.path.read_bytes() for file in spool.spooled(["ada", "bob"])] == [
            b'ada\x1f2026-01-01\x1f1\x1f{"id":"a"}\nada\x1f2026-01-09\x1f0\x1f{\x1d\x1e"id":"b"}\n'
        ]
        assert (spool.has_line_breaks, spool.longest_document) == (True, 12)


def test_it_is_gone_with_the_block_and_nobody_elses_business(tmp_path: Path) -> None:
    with open_spool(tmp_path / "spool", "sleep") as spool:
        spool.add("ada", [RawDocument(january(1), b"{}")], True)
        assert stat.S_IMODE(spool.folder.stat().st_mode) == 0o700
    assert not spool.folder.exists()


def test_it_is_gone_after_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), open_spool(tmp_path, "sleep") as spool:
        raise RuntimeError
    assert not spool.folder.exists()


def test_many_threads_may_add(tmp_path: Path) -> None:
    def add(name: str) -> None:
        for number in range(200):
            spool.add(name, [RawDocument(january(1), b'{"id":"%d"}' % number)], True)

    with open_spool(tmp_path, "sleep") as spool:
        names = ["ada", "bob", "ada", "eve"]
        threads = [threading.Thread(target=add, args=(name,)) for name in names]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lines = {
            name: file.path.read_bytes().count(b"\n")
            for name in ("ada", "bob", "eve")
            for file in spool.spooled([name])
        }
    assert lines == {"ada": 400, "bob": 200, "eve": 200}


def test_an_iterable_without_end_in_sight_is_written_as_it_comes(tmp_path: Path) -> None:
    with open_spool(tmp_path, "sleep") as spool:
        spool.add("ada", (RawDocument(january(1), b"{}") for _ in range(12_345)), True)
        assert spool.spooled(["ada"])[0].path.read_bytes().count(b"\n") == 12_345


def test_raw_messages_of_msgspec_are_documents(warehouse: Warehouse) -> None:
    document = RawDocument(january(1), Raw(b'{"id":"x"}'))
    assert land(warehouse, SLEEP, {"ada": [document]}).inserted == 1


def test_discarding_is_for_good(tmp_path: Path) -> None:
    with open_spool(tmp_path, "sleep") as spool:
        spool.add("ada", [RawDocument(january(1), b"{}")], True)
        spool.discard("ada")
        spool.discard("bob")
        for name in ("ada", "bob", "eve"):
            spool.add(name, [RawDocument(january(2), b"{}")], True)
        assert [file.path.name for file in spool.spooled(["ada", "bob", "eve"])] == ["1.eve"]
        assert spool.discarded == {"ada", "bob"}
