"""Carbon stores every metric as finely as it is sent, for 25 years."""

from __future__ import annotations

import re
import time
from configparser import RawConfigParser

import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.catalog.metrics import known_metrics
from oura_pipeline.graphite.carbon import PlaintextSender
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.graphite.schemas import storage_aggregation, storage_schemas
from oura_pipeline_tests.graphite.day_points import instant
from oura_pipeline_tests.testing.whisper_files import headers

DAY, YEARS = 86400, 25 * 365 * 86400
INTERVALS = {
    "activity.met": 60,
    "activity.class_5_min": 300,
    "activity.score": DAY,
    "activity.contrib.stay_active": DAY,
    "battery.level": 300,
    "cardiovascular_age.vascular_age": DAY,
    "enhanced_tag.count": DAY,
    "hr.bpm": 60,
    "hr.awake.bpm": 60,
    "nap.average_breath": 60,
    "nap.heart_rate": 300,
    "nap.movement_30_sec": 30,
    "nap.readiness.score": 60,
    "profile.weight": DAY,
    "readiness.temperature_deviation": DAY,
    "resilience.level": DAY,
    "rest_mode_period.duration": 60,
    "ring.size": DAY,
    "session.duration": 60,
    "session.heart_rate": 5,
    "session.motion_count": 5,
    "sleep.contrib.timing": DAY,
    "sleep.heart_rate": 300,
    "sleep.hrv": 300,
    "sleep.movement_30_sec": 30,
    "sleep.readiness.contrib.recovery_index": DAY,
    "sleep.score": DAY,
    "sleep.sleep_phase_30_sec": 30,
    "sleep.sleep_phase_5_min": 300,
    "sleep.time_in_bed": DAY,
    "sleep_time.optimal_bedtime.start_offset": DAY,
    "spo2.daily_average": DAY,
    "stress.day_summary": DAY,
    "tag.count": DAY,
    "vo2_max.vo2_max": DAY,
    "workout.calories": 60,
    "workout.duration": 60,
    # Unknown ones: by the minute, for they may be series.
    "activity.met.gain": 60,
    "hr.awake.bpm.x": 60,
    "hr.quality": 60,
    "sleep.brand_new": 60,
    "whatever.comes.next": 60,
}


def test_a_real_carbon_gives_each_metric_one_archive(graphite: LocalGraphite) -> None:
    """Of the interval at which it is sent, for 25 years, keeping every single value."""
    metrics = [f"bio.schemas.{name}" for name in INTERVALS]
    PlaintextSender("127.0.0.1", graphite.line_port).send(
        [(name, [(instant(1), 1)]) for name in metrics]
    )
    deadline = time.monotonic() + 10
    files = [graphite.whisper_file(name) for name in metrics]
    while not all(file.exists() for file in files) and time.monotonic() < deadline:
        time.sleep(0.05)
    found = headers(files)
    stored = {
        name: [
            (archive["secondsPerPoint"], archive["retention"])
            for archive in found[file]["archives"]
        ]
        for name, file in zip(INTERVALS, files, strict=True)
    }
    assert {header["xFilesFactor"] for header in found.values()} == {0}
    assert stored == {name: [(interval, YEARS)] for name, interval in INTERVALS.items()}


@pytest.mark.parametrize("prefix", ["bio", "our.home-1"])
def test_every_known_metric_has_its_section_before_the_last(prefix: str) -> None:
    """With its interval; the last section takes only what nobody knows."""
    sections = _sections(storage_schemas(prefix))
    for document_type in DOCUMENT_TYPES:
        for metric in known_metrics(document_type):
            name = f"{prefix}.ada.{metric.series}.{metric.name}"
            found = next(one for one in sections if re.search(one["pattern"], name))
            interval = "1d" if metric.interval == DAY else f"{metric.interval}s"
            assert found["retentions"] == f"{interval}:25y"
            assert found is not sections[-1]
    assert [re.search(one["pattern"], "other.ada.sleep.score") for one in sections] == [None] * len(
        sections
    )
    (aggregation,) = _sections(storage_aggregation(prefix))
    assert re.search(aggregation["pattern"], f"{prefix}.ada.sleep.score")
    assert aggregation["xFilesFactor"] == "0"


def test_every_section_says_why() -> None:
    """A comment stands right above each."""
    lines = storage_schemas().splitlines()
    assert all(
        lines[number - 1].startswith("# ") for number, line in enumerate(lines) if line[:1] == "["
    )
    assert "MAX_CREATES_PER_MINUTE = inf" in storage_schemas()


def _sections(text: str) -> list[dict[str, str]]:
    parser = RawConfigParser()
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read_string(text)
    return [dict(parser[name]) for name in parser.sections()]
