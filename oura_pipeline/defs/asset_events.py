"""Materializations and check evaluations that an op reports, recorded under its run all at once.

An asset's step costs Dagster an event for each day before it begins, one for each after it ends,
and a look at its upstream assets for each. An op knows everything when it is done.
"""

# Dagster has no public way to record more than one event of an asset at a time, nor its metadata.

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import dagster as dg
from dagster._core.events import DagsterEvent, DagsterEventType, StepMaterializationData
from dagster._core.events.log import EventLogEntry
from dagster._core.execution.context.metadata_logging import (
    AssetMetadataHandle,
    OutputMetadataAccumulator,
)

AssetEvent = dg.AssetMaterialization | dg.AssetCheckEvaluation

_tell = ContextVar[Callable[[AssetEvent], object] | None]("_tell", default=None)


def report(context: dg.OpExecutionContext, events: Sequence[AssetEvent]) -> None:
    """Record events under the run of an op: in this project's storage all at once, or none."""
    if events:
        entries = [_entry(context, event) for event in events]
        context.instance.event_log_storage.store_event_batch(entries)
        if tell := _tell.get():
            for event in events:
                tell(event)


@contextmanager
def told_of_reports(tell: Callable[[AssetEvent], object]) -> Iterator[None]:
    """Have this called with every event that is reported here, once it is recorded."""
    # To read them all back takes longer than to record them.
    token = _tell.set(tell)
    try:
        yield
    finally:
        _tell.reset(token)


def add_metadata(
    context: dg.AssetExecutionContext, by_day: Mapping[str | None, Mapping[str, Any]]
) -> None:
    """Add metadata to the days that an asset makes; None: it has no days.

    Dagster's own method copies all that was added before, and searches all days of the run, for
    each day.
    """
    step = context.op_execution_context._step_execution_context
    added: dict[Any, Mapping[str, Any]] = {
        AssetMetadataHandle(asset_key=context.asset_key, partition_key=day): metadata
        for day, metadata in by_day.items()
    }
    before = step._metadata_accumulator.per_output_metadata
    step._metadata_accumulator = OutputMetadataAccumulator(per_output_metadata={**before, **added})


def _entry(context: dg.OpExecutionContext, event: AssetEvent) -> EventLogEntry:
    if isinstance(event, dg.AssetCheckEvaluation):
        return _entry_of(context, DagsterEventType.ASSET_CHECK_EVALUATION, event)
    data = StepMaterializationData(event)
    return _entry_of(context, DagsterEventType.ASSET_MATERIALIZATION, data)


def _entry_of(context: dg.OpExecutionContext, kind: DagsterEventType, data: Any) -> EventLogEntry:
    return EventLogEntry(  # type: ignore[no-untyped-call]  # a named tuple of Dagster's
        error_info=None,
        level="INFO",
        user_message="",
        run_id=context.run_id,
        timestamp=time.time(),
        step_key=context.op.name,
        job_name=context.job_name,
        dagster_event=DagsterEvent(
            event_type_value=kind.value,
            job_name=context.job_name,
            step_key=context.op.name,
            event_specific_data=data,
        ),
    )
