"""Carbon with the files of deploy/graphite/ keeps what a backfill of ten years sends."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.catalog.metrics import known_metrics
from oura_pipeline.graphite.carbon import PlaintextSender
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.requirements import require_graphite
from oura_pipeline_tests.testing.whisper_files import values

SCHEMAS = ROOT / "deploy" / "graphite" / "storage-schemas.conf"
TEN_YEARS, DAY = 3653 * 86400, 86400


def test_a_point_of_ten_years_ago_is_kept_of_every_known_metric(tmp_path: Path) -> None:
    """At its own time, and the point of the next interval beside it."""
    require_graphite()
    old = int(time.time()) // DAY * DAY - TEN_YEARS
    steps = {
        f"bio.ada.{metric.series}.{metric.name}": metric.interval
        for document_type in DOCUMENT_TYPES
        for metric in known_metrics(document_type)
    }
    schemas = SCHEMAS.read_text(encoding="utf-8")
    with LocalGraphite(tmp_path / "graphite", schemas=schemas) as graphite:
        points = [(name, [(old, 1.0), (old + step, 2.0)]) for name, step in steps.items()]
        PlaintextSender("127.0.0.1", graphite.line_port).send(points)
        files = {name: graphite.whisper_file(name) for name in steps}
        _wait_until(lambda: all(file.exists() for file in files.values()))
    # Ended, carbon has written whatever it had.
    kept = values({file: (old - 1, old + steps[name]) for name, file in files.items()})
    assert {name: kept[file] for name, file in files.items()} == {
        name: [1.0, 2.0] for name in steps
    }


def _wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not done() and time.monotonic() < deadline:
        time.sleep(0.05)
