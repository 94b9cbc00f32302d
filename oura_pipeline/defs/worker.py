"""A Celery worker that syncs shards of people; `oura-pipeline worker` becomes it."""

import logging
import os
import sys
from typing import Any

from sqlalchemy.exc import DBAPIError

from oura_pipeline.defs.celery_steps import is_over
from oura_pipeline.defs.executors import package
from oura_pipeline.settings import load_settings


def worker_command(at_once: int) -> list[str]:
    """Return the command of a worker that does so many shards at once."""
    return [sys.executable, "-m", __name__, f"--concurrency={at_once}"]


def worker_app() -> Any:
    """Return the Celery application of a worker.

    Raises:
        SettingsError: its package is not installed.
    """
    broker = load_settings().workers.broker_url.get_secret_value()
    app = package("dagster_celery.make_app").make_app({"broker": broker})
    app.conf.update(
        # A shard is done with when it is synced: that of a killed worker goes to another one.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,  # Dagster's event log has it
        worker_prefetch_multiplier=1,  # one that waited here could be synced elsewhere
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
    )
    # What Dagster cannot record, because its database is away, is done again.
    again = {"autoretry_for": (DBAPIError,), "retry_backoff": 5, "max_retries": 8}
    package("dagster_celery.tasks").create_task(app, base=_task_class(app), **again)
    return app


def _task_class(app: Any) -> Any:
    class Step(app.Task):  # type: ignore[misc]  # Celery is imported where it is wanted
        def __call__(self, execute_step_args_packed: Any, executable_dict: Any) -> Any:
            if is_over(execute_step_args_packed):
                return None
            return super().__call__(execute_step_args_packed, executable_dict)

    return Step


if __name__ == "__main__":
    for name in ("httpx", "celery.app.trace"):  # a line per request, and all events of a shard
        logging.getLogger(name).setLevel(logging.WARNING)
    node = f"--hostname=worker-{os.getpid()}@%h"  # two of one name take each other's orders
    queue = ["--queues=dagster", "--loglevel=INFO", "--without-mingle", "--without-gossip"]
    worker_app().worker_main(["worker", node, *queue, *sys.argv[1:]])
