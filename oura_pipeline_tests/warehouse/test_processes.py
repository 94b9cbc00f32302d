"""Several processes at once, and one that is killed."""

from __future__ import annotations

import signal
from pathlib import Path

from oura_pipeline.catalog.document_types import DAILY_SLEEP, HEARTRATE
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.child_process import output_of, start, waiting_child
from oura_pipeline_tests.warehouse.documents import all_documents, beat, january, land, score

LAND = """
import sys
from pathlib import Path
from oura_pipeline.catalog.document_types import DAILY_SLEEP, HEARTRATE
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import beat, january, land, score

path, number = Path(sys.argv[1]), int(sys.argv[2])
warehouse = Warehouse(path, timeout=250)
for turn in range(3):
    land(warehouse, DAILY_SLEEP, {"shared": [score(january(1), turn), score(january(2))]})
    own = [beat(january(1), f"10:{minute:02}:00", 60 + turn) for minute in range(60)]
    land(warehouse, HEARTRATE, {f"person{number}": own})
    if number == 0:
        warehouse.publish(path.with_name("analytics.duckdb"))
"""

# The process stops right before its transaction would be committed, with everything written.
STOP_IN_THE_MIDDLE = """
import sys
from pathlib import Path
from oura_pipeline.catalog.document_types import HEARTRATE
from oura_pipeline.warehouse import landing
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import beat, january, land

write = landing._write

def stop(*question, **options):
    write(*question, **options)
    print("ready", flush=True)
    sys.stdin.readline()

landing._write = stop
rows = [beat(january(2), f"10:{minute:02}:00", 99) for minute in range(60)]
land(Warehouse(Path(sys.argv[1])), HEARTRATE, {"ada": rows})
"""


def test_four_processes_land_at_once(warehouse: Warehouse) -> None:
    children = [start(LAND, warehouse.path, number) for number in range(4)]
    for child in children:
        output_of(child)
    assert all_documents(warehouse, DAILY_SLEEP) == [
        ("shared", january(1), {"id": "score-2026-01-01", "day": "2026-01-01", "score": 2}),
        ("shared", january(2), {"id": "score-2026-01-02", "day": "2026-01-02", "score": 80}),
    ]
    assert warehouse.query(
        "SELECT username, count(*), min(bpm), max(bpm) FROM oura.heartrate GROUP BY 1 ORDER BY 1"
    ) == [(f"person{number}", 60, 62, 62) for number in range(4)]
    assert list((warehouse.path.parent / "spool").glob("*.*")) == []


def test_a_killed_process_leaves_the_state_before_it(warehouse: Warehouse) -> None:
    rows = [beat(january(2), "09:00:00", 55)]
    land(warehouse, HEARTRATE, {"ada": rows})
    before = all_documents(warehouse, HEARTRATE)
    with waiting_child(STOP_IN_THE_MIDDLE, warehouse.path) as child:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    assert all_documents(warehouse, HEARTRATE) == before
    spools = warehouse.path.parent / "spool"
    assert len(list(spools.glob("heartrate.*"))) == 1
    assert land(warehouse, HEARTRATE, {"ada": rows}).changed == 0
    assert list(spools.glob("heartrate.*")) == []


def test_a_spool_in_use_is_not_swept_away(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.spool(DAILY_SLEEP) as spool:
        spool.add("ada", [score(january(1))], True)
        output_of(start(LAND, warehouse.path, 1))
        [file] = spool.spooled(["ada"])
        assert file.path.read_bytes().startswith(b"ada\x1f2026-01-01\x1f1\x1f{")
