"""How the rows of large files are read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oura_pipeline.member_export.archive import open_archive
from oura_pipeline.member_export.errors import ExportRefused
from oura_pipeline.member_export.sources import find_sources, read_batches
from oura_pipeline.member_export.zones import Zones

BLOCK = 1_000_000  # characters that are read at once


@pytest.mark.parametrize("beyond", [5, 0, -1, -2])
def test_no_row_is_lost_where_a_block_ends(tmp_path: Path, beyond: int) -> None:
    """Inside of a row, before its end, between the two characters of that, and behind it."""
    start, every = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=1)
    times = [f"{start + number * every:%Y-%m-%dT%H:%M:%SZ}" for number in range(80_000)]
    rows = [f"{time};36.5" for time in times]
    rows[600] = rows[-1] = "one cell"
    text = "\r\n".join(["timestamp;skin_temp", *rows])
    padding = BLOCK + beyond - text.index("\r\n", BLOCK - 100)
    path = tmp_path / "temperature.csv"
    path.write_bytes(text.replace(times[0], times[0] + " " * padding).encode())
    with open_archive(path) as archive:
        [source] = find_sources(archive).sources
        batches = list(read_batches(source, Zones([])))
    documents = [document for batch in batches for document in batch.documents]
    assert documents[1:] == [
        f'{{"timestamp":"{time}","skin_temp":36.5}}'.encode()
        for time in [*times[1:600], *times[601:-1]]
    ]
    assert [one.reason.partition(":")[0] for batch in batches for one in batch.aside] == [
        "line 602 of temperature.csv",
        "line 80001 of temperature.csv",
    ]


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "temperature.csv"
    path.write_text("timestamp;skin_temp\n" + "9" * 2 * BLOCK, encoding="utf-8")
    with open_archive(path) as archive, pytest.raises(ExportRefused, match="a line in it is long"):
        find_sources(archive)
