"""Steps of a run as tasks of Celery's workers; how they go, Dagster's event log tells."""

# As `dagster-k8s` does, unlike `dagster-celery`, whose runs ask the broker: they fail when it is
# away for a moment, and wait for ever for what was lost with it.

import subprocess
import sys
from collections.abc import Hashable, Iterator, Sequence
from typing import Any

import dagster as dg
import stamina
from dagster._core.events import DagsterEvent
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandler,
    StepHandlerContext,
)
from dagster._grpc.types import ExecuteStepArgs
from dagster_shared.serdes.serdes import pack_value, unpack_value
from sqlalchemy.exc import DBAPIError

from oura_pipeline.defs.run_owners import own
from oura_pipeline.defs.run_requests import SHARD_OP

QUEUE, TASK = "dagster", "execute_plan"
IN_QUEUE = 500
"""How many steps of a run wait and are worked on at most; the queue is never longer."""
AWAY_SECONDS = 600.0
"""For how long a run waits for a database or broker that is away."""


class CeleryStepHandler(StepHandler):
    """Gives shards to whichever worker is free first, and does the other steps itself.

    What those publish is to be on the machine of the run: the site reads it, and whoever deletes a
    person.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._here: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def name(self) -> str:
        return "celery"

    def launch_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """Begin a step, or put it into the queue."""
        args, key = _step(step_handler_context)
        if key.startswith(f"{SHARD_OP}["):
            job: Any = step_handler_context.get_step_context(key).job
            self._put(args, key, job.to_dict())
        else:
            command = args.get_command_args()
            # The program that Dagster names need not be on the PATH.
            ours = [sys.executable, "-m", "dagster", *command[command.index("api") :]]
            self._here[key] = subprocess.Popen(ours)  # noqa: S603  (of our own environment)
        return iter(())

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Trust the queue: a worker that dies gives its shard back."""
        _, key = _step(step_handler_context)
        process = self._here.get(key)
        if process and process.poll():
            return CheckStepHealthResult.unhealthy(f"its process ended with {process.returncode}")
        return CheckStepHealthResult.healthy()

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[DagsterEvent]:
        """End a step, or take it out of the queue."""
        args, key = _step(step_handler_context)
        if key in self._here:
            self._here[key].terminate()
        else:
            self._app.control.revoke(_task_id(args.run_id, key), terminate=True)
        return iter(())

    def _put(self, args: ExecuteStepArgs, key: str, job: dict[str, Any]) -> None:
        """Put a step into the queue, once the broker takes it."""
        for attempt in stamina.retry_context(on=OSError, attempts=None, timeout=AWAY_SECONDS):
            with attempt:
                self._app.send_task(
                    TASK,
                    kwargs={"execute_step_args_packed": pack_value(args), "executable_dict": job},
                    task_id=_task_id(args.run_id, key),
                    queue=QUEUE,
                    routing_key=f"{QUEUE}.{TASK}",
                    ignore_result=True,
                )


class CeleryStepsExecutor(StepDelegatingExecutor):
    """Follows the steps of a run in Dagster's event log."""

    def __init__(self, app: Any) -> None:
        super().__init__(CeleryStepHandler(app), retries=RetryMode.ENABLED, max_concurrent=IN_QUEUE)
        self._told: set[Hashable] = set()

    def execute(self, plan_context: Any, execution_plan: Any) -> Any:
        """Own the run, whose steps live elsewhere, and execute them."""
        own(plan_context.run_id)
        return super().execute(plan_context, execution_plan)

    def _pop_events(
        self, instance: dg.DagsterInstance, run_id: str, seen_storage_ids: set[int]
    ) -> Sequence[DagsterEvent]:
        """Return what is new, without what is told of a step a second time."""
        for attempt in stamina.retry_context(on=DBAPIError, attempts=None, timeout=AWAY_SECONDS):
            with attempt:
                found = super()._pop_events(instance, run_id, seen_storage_ids)
        return [event for event in found if self._is_news(event)]

    def _is_news(self, event: DagsterEvent) -> bool:
        # A step of a worker that died begins anew; one that was cut off from the broker, and the
        # one that has its step now, both end it.
        key, output = event.step_key, None
        if event.is_successful_output:
            output = event.step_output_data.step_output_handle
        told = {one for one in (key, output) if one in self._told}
        if output or event.is_step_success or event.is_step_failure:
            self._told.add(output or key)
        return not told


def is_over(packed: Any) -> bool:
    """Return whether a step, or its run, has ended: the broker gives out again what it lost."""
    step = unpack_value(packed, as_type=ExecuteStepArgs)
    assert step.instance_ref
    ends = {dg.DagsterEventType.STEP_SUCCESS, dg.DagsterEventType.STEP_FAILURE}
    with dg.DagsterInstance.from_ref(step.instance_ref) as instance:
        run = instance.get_run_by_id(step.run_id)
        if run is None or run.is_finished:
            return True
        ended = instance.all_logs(step.run_id, of_type=ends)
        keys = {entry.dagster_event.step_key for entry in ended if entry.dagster_event}
    return keys >= {*(step.step_keys_to_execute or ())}


def _step(context: StepHandlerContext) -> tuple[ExecuteStepArgs, str]:
    args = context.execute_step_args
    [key] = args.step_keys_to_execute or []
    return args, key


def _task_id(run_id: str, step_key: str) -> str:
    return f"{run_id} {step_key}"
