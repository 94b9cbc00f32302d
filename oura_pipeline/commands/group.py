"""`oura-pipeline`: the command line, and how its failures are reported."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

import click

from oura_pipeline.process.imports import lean_imports

# Each command and its help line. The module `oura_pipeline.commands.<name>` holds the command or
# group of that name, and is imported only when it is used: Dagster, DuckDB and pandas take seconds
# to import. To add one, write such a module and a row here. A new command of a group, such as
# `key rotate`, only has to be decorated with `@key.command("rotate")` in the group's module.
COMMANDS = {
    "backup": "Copy everything into a new folder.",
    "budget": "Show how much of the rate limit is used.",
    "daemon": "Run Dagster's daemon, once on a data folder.",
    "demo": "Run the whole pipeline with synthetic people.",
    "dev": "Run the site and Dagster on this machine.",
    "doctor": "Check your installation.",
    "export": "Write files for other programs.",
    "graphite": "Send, resend and check points in Graphite.",
    "key": "Manage the keys that encrypt tokens.",
    "people": "Add, list, export and remove people.",
    "query": "Query the published copy with SQL.",
    "restore": "Restore a backup into an empty data folder.",
    "sandbox": "Serve a local stand-in for Oura's cloud.",
    "study": "Enroll people in studies and export them.",
    "subscriptions": "Manage webhook subscriptions at Oura.",
    "sync": "Fetch, store and push documents now.",
    "warehouse": "Prepare a shared warehouse, or move to one.",
    "web": "Serve the site, webhooks and API.",
    "webserver": "Serve Dagster's UI behind a guard.",
    "worker": "Sync shards of many people.",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is used, and reports known failures in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        with lean_imports():
            module = import_module(f"oura_pipeline.commands.{cmd_name}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # click would import every command for its help line.
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.ClickException:
            raise
        except KeyboardInterrupt:
            # click would say "Aborted!"; what is said and the status are the main thread's.
            raise click.exceptions.Exit(1) from None
        except Exception as error:
            text = _text(error)
            if text is None:
                raise
            failure = click.ClickException(text)
            # click's own is a class variable, 1.
            failure.exit_code = getattr(error, "exit_code", 1)  # type: ignore[misc]
            raise failure from None


def _text(error: Exception) -> str | None:
    """Return what people are told of an error; None: it is a bug and keeps its traceback."""
    # Messages of our own exceptions are written for people, say what to do and hold no secret.
    if type(error).__module__.startswith("oura_pipeline."):
        return str(error)
    from oura_pipeline.sync.storage_failures import storage_failure  # imports DuckDB

    return storage_failure(error)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="oura_pipeline")
def cli() -> None:
    """Bring everybody's Oura documents into DuckDB and Graphite, with Dagster."""
    os.umask(0o077)  # whatever a command writes may hold health data or tokens
