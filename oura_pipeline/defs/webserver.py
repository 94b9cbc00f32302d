"""Dagster's UI as an ASGI application, and the command of its daemon."""

# Like the storage, this needs what Dagster keeps private: it has no public way to serve its UI
# behind something else, or to start a daemon without DAGSTER_HOME.

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dagster import __version__
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._daemon.controller import all_daemons_live
from dagster._serdes import serialize_value
from starlette.types import ASGIApp

from oura_pipeline.defs.storage import config_file, instance_ref, project_instance
from oura_pipeline.process.imports import lean_imports

WORKSPACE_FILE = "workspace.yaml"
# As `dagster-webserver` has them by default.
STATEMENT_MILLISECONDS, POOL_SECONDS, POOL_OVERFLOW = 15_000, 3600, 20


@contextmanager
def dagster_ui() -> Iterator[ASGIApp]:
    """Yield Dagster's UI for the project's instance, with nothing in front of it."""
    with lean_imports():  # and not with the module: the daemon does without
        from dagster_webserver.app import create_app_from_workspace_process_context
    with project_instance() as instance:
        instance.optimize_for_webserver(STATEMENT_MILLISECONDS, POOL_SECONDS, POOL_OVERFLOW)
        with WorkspaceProcessContext(
            instance,
            WorkspaceFileTarget([str(config_file(WORKSPACE_FILE))]),
            version=__version__,
            code_server_log_level="warning",
        ) as workspace:
            yield create_app_from_workspace_process_context(workspace)


def daemon_command(*, as_json: bool = False) -> list[str]:
    """Return the command that runs Dagster's daemon for the project's instance."""
    # Beside this Python: the virtual environment need not be active.
    program = Path(sys.executable).with_name("dagster-daemon")
    workspace = config_file(WORKSPACE_FILE)
    ref = serialize_value(instance_ref())
    log = ["--log-format", "json"] if as_json else []
    return [str(program), "run", "--instance-ref", ref, "--workspace", str(workspace), *log]


def daemon_is_alive() -> bool:
    """Return whether everything that Dagster's daemon does was done lately."""
    with project_instance(captures_output=False) as instance:
        return all_daemons_live(instance)
