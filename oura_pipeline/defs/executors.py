"""Where the steps of shards work: in the run's process, in Celery's workers, or in pods."""

from importlib import import_module
from typing import Any

import dagster as dg

from oura_pipeline.defs.celery_steps import CeleryStepsExecutor
from oura_pipeline.settings import Executor, SettingsError, load_settings


def shard_executor() -> dg.ExecutorDefinition:
    """Return the executor that OURA_EXECUTOR names.

    Raises:
        SettingsError: its package is not installed.
    """
    workers = load_settings().workers
    if workers.executor is Executor.IN_PROCESS:
        return dg.in_process_executor
    if workers.executor is Executor.K8S:
        pods: dg.ExecutorDefinition = package("dagster_k8s").k8s_job_executor
        return pods
    return _celery_executor(workers.broker_url.get_secret_value())


def _celery_executor(broker: str) -> dg.ExecutorDefinition:
    app = package("dagster_celery.make_app").make_app({"broker": broker})

    @dg.executor(name="celery", requirements=dg.multiple_process_executor_requirements())
    def executor(_context: dg.InitExecutorContext) -> Any:
        return CeleryStepsExecutor(app)

    return executor


def package(module: str) -> Any:
    """Return a module of an executor's package.

    Raises:
        SettingsError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        name = module.partition(".")[0].replace("_", "-")
        raise SettingsError(
            f"OURA_EXECUTOR needs the package {name}: `pip install {name}`, of Dagster's version"
        ) from error
