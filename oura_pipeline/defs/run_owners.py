"""Runs and the processes that they live in; those whose process is gone are reported failed."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg

from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.storage import is_on_this_machine, project_instance
from oura_pipeline.process.owners import is_owned, shared
from oura_pipeline.settings import load_settings

SECONDS = 30
# A run is started, its process imports everything, and its first step opens the pipeline: until
# then it owns nothing.
START_SECONDS = 75.0
FAILED = "The process of this run has ended, killed perhaps, before the run had."
_UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
_DESCRIPTION = (
    "Reports runs failed whose process is gone, killed or by a power cut. Dagster starts them "
    "again, as `run_retries` says, and their places are free."
)
_owned: dict[str, ExitStack] = {}


def own(run_id: str) -> None:
    """Own a run until this process ends, or begins another run."""
    # Longer than the run's last step: its end is recorded after that.
    if run_id not in _owned:
        disown()
        _owned[run_id] = ExitStack()
        _owned[run_id].enter_context(shared(_file(run_id)))


def disown() -> None:
    """Own no run any more."""
    while _owned:
        _owned.popitem()[1].close()


def fail_ownerless(instance: dg.DagsterInstance) -> list[str]:
    """Report runs without a living owner failed, or cancelled where that was asked for.

    Return their ids.
    """
    records = instance.get_run_records(dg.RunsFilter(statuses=_UNFINISHED))
    gone = [record for record in records if _is_ownerless(record)]
    for record in gone:
        run = record.dagster_run
        if run.status is dg.DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, FAILED)
        else:
            instance.report_run_failed(run, FAILED)
    _tidy({record.dagster_run.run_id for record in records})
    return [record.dagster_run.run_id for record in gone]


def fail_what_was_left() -> None:
    """Report runs failed that earlier processes have left behind."""
    with project_instance() as instance:
        fail_ownerless(instance)


def dead_runs_sensor() -> dg.SensorDefinition:
    """Return the sensor that looks for runs whose process is gone."""

    @dg.sensor(
        name="dead_runs",
        description=_DESCRIPTION,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    @nameless
    def dead_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if failed := fail_ownerless(context.instance):
            return dg.SkipReason(f"Reported failed: {', '.join(failed)}.")
        return dg.SkipReason("Every run has a living process.")

    return dead_runs


def _is_ownerless(record: dg.RunRecord) -> bool:
    path = _file(record.dagster_run.run_id)
    if path.exists():
        return not is_owned(path)
    # On several machines, the process of a run without a file may live on another one.
    since = (datetime.now(UTC) - record.update_timestamp.astimezone(UTC)).total_seconds()
    return is_on_this_machine() and since > START_SECONDS


def _tidy(unfinished: set[str]) -> None:
    """Remove the files of runs that have ended."""
    for path in _files():
        # A new one may belong to a run that Dagster does not know yet.
        old = time.time() - path.stat().st_mtime > START_SECONDS
        if path.name not in unfinished and old and not is_owned(path):
            path.unlink(missing_ok=True)


def _files() -> Iterator[Path]:
    folder = _file("any").parent
    return iter([Path(entry.path) for entry in os.scandir(folder)] if folder.is_dir() else [])


def _file(run_id: str) -> Path:
    return load_settings().storage.home / "runs" / run_id
