"""Writers of a lake in several processes, and one that is killed."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from oura_pipeline.catalog.document_types import HEARTRATE
from oura_pipeline.warehouse.errors import WarehouseBusy
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse
from oura_pipeline_tests.testing.matrix import MATRIX
from oura_pipeline_tests.warehouse.child_process import output_of, start, waiting_child
from oura_pipeline_tests.warehouse.documents import all_documents, beat, january, land
from oura_pipeline_tests.warehouse.lake.lakes import Lake

OPEN = """
import json, sys
from pathlib import Path
from oura_pipeline.catalog.document_types import HEARTRATE, SLEEP
from oura_pipeline.warehouse import landing
from oura_pipeline.warehouse.lake.address import LakeAddress, ObjectStorage
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse
from oura_pipeline_tests.warehouse.documents import beat, january, land, night

address = json.loads(sys.argv[1])
storage = address.pop("storage")
address = LakeAddress(**address, storage=ObjectStorage(**storage) if storage else None)
warehouse = LakeWarehouse(address, spools=Path(sys.argv[2]))
"""

# The process stops right before its transaction would be committed, with everything written.
STOP_IN_THE_MIDDLE = (
    OPEN
    + """
write = landing._write

def stop(*question, **options):
    write(*question, **options)
    print("ready", flush=True)
    sys.stdin.readline()

landing._write = stop
land(warehouse, HEARTRATE, {"ada": [beat(january(2), "10:00:00", 99)]})
"""
)

# What each of them teaches moves its own rows of heart rate, and writes what all of them write.
LAND = (
    OPEN
    + """
name = sys.argv[3]
for zone in ("+09:00", "-05:00"):
    land(warehouse, HEARTRATE, {name: [beat(january(2), f"{hour:02}:00:00") for hour in range(24)]})
    bed = [f"2026-01-02T0{hour}:00:00{zone}" for hour in (2, 8)]
    asleep = night(january(2), new=1, bedtime_start=bed[0], bedtime_end=bed[1])
    land(warehouse, SLEEP, {name: [asleep]})
"""
)


def arguments(lake: Lake, spools: Path) -> tuple[str, Path]:
    return json.dumps(asdict(lake.address)), spools


def test_a_killed_writer_holds_no_lock_and_leaves_no_row(lake: Lake, tmp_path: Path) -> None:
    """While it lives nobody else lands the type; the file it left goes with the others."""
    rows = [beat(january(2), "09:00:00", 55)]
    land(lake.warehouse, HEARTRATE, {"ada": rows})
    before, files = all_documents(lake.warehouse, HEARTRATE), lake.files()
    hasty = LakeWarehouse(lake.address, spools=tmp_path / "hasty", timeout=0.2)
    with (
        waiting_child(STOP_IN_THE_MIDDLE, *arguments(lake, tmp_path / "spool")),
        pytest.raises(WarehouseBusy),
    ):
        land(hasty, HEARTRATE, {"bob": rows})
    assert all_documents(lake.warehouse, HEARTRATE) == before
    assert len(lake.files()) > len(files)
    assert lake.warehouse.clean_up(datetime.now(UTC) + timedelta(days=1)) > 0
    assert lake.files() == files
    assert land(lake.warehouse, HEARTRATE, {"ada": rows}).changed == 0


# It takes a minute.
if MATRIX:

    def test_three_processes_land_at_once(lake: Lake, tmp_path: Path) -> None:
        """Every row is there once, under the day that follows from the offsets."""
        children = [
            start(LAND, *arguments(lake, tmp_path / name), name) for name in ("ada", "bob", "cleo")
        ]
        for child in children:
            output_of(child)
        everything = all_documents(lake.warehouse, HEARTRATE)
        assert (
            len({json.dumps(row, default=str) for row in everything}) == len(everything) == 3 * 24
        )
        # At 04:00 in UTC it is still the day before, five hours west of it.
        earlier = [(name, row["timestamp"]) for name, day, row in everything if day == january(1)]
        assert len(earlier) == 3 * 5
        assert max(at for _, at in earlier) == "2026-01-02T04:00:00+00:00"
