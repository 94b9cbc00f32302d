"""Steps that a worker was doing when it died, or when the broker took it for dead."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest
from dagster._grpc.types import ExecuteStepArgs
from dagster_shared.serdes.serdes import pack_value

from oura_pipeline.defs.celery_steps import CeleryStepsExecutor, is_over


@dg.op(out=dg.DynamicOut(dg.Nothing))
def parts() -> Iterator[dg.DynamicOutput[None]]:
    for key in ("one", "two"):
        yield dg.DynamicOutput(None, mapping_key=key)


@dg.op(ins={"part": dg.In(dg.Nothing)})
def work() -> None:
    """Nothing."""


@dg.job(executor_def=dg.in_process_executor)
def in_parts() -> None:
    parts().map(work)


def told_by(event: Any) -> Any:
    output = event.step_output_data.step_output_handle if event.is_successful_output else None
    return event.event_type_value, event.step_key, output


def test_a_step_that_is_done_twice_is_told_of_once() -> None:
    """Dagster's executor would stop at a part that is there already, and at a second end."""
    events = in_parts.execute_in_process().all_events
    executor = CeleryStepsExecutor(None)
    # The first attempt at the first step got as far as its outputs.
    begun = [event for event in events if event.step_key == "parts" and not event.is_step_success]
    news = Counter(map(told_by, filter(executor._is_news, [*begun, *events, *events])))
    ends = {key: count for key, count in news.items() if key[0] in ("STEP_OUTPUT", "STEP_SUCCESS")}
    assert len(ends) == 2 + 2 + 3
    assert set(ends.values()) == {1}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.instance_for_test() as made:
        yield made


def test_what_is_given_out_again_is_not_done_again(instance: dg.DagsterInstance) -> None:
    """A step that has ended, and those of a run that has."""
    done = in_parts.execute_in_process(instance=instance)
    run = instance.create_run_for_job(in_parts)
    for entry in instance.all_logs(done.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS):
        if entry.step_key == "work[one]":
            assert entry.dagster_event
            instance.report_dagster_event(entry.dagster_event, run.run_id)
    origin = dg.reconstructable(in_parts).get_python_origin()

    def over(key: str) -> bool:
        step = ExecuteStepArgs(origin, run.run_id, [key], instance.get_ref())
        return is_over(pack_value(step))

    assert (over("work[one]"), over("work[two]")) == (True, False)
    instance.report_run_failed(run)
    assert over("work[two]")
