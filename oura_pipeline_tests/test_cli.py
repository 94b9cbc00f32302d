"""The help of all commands, the supported systems, and how failures are reported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from oura_pipeline.cli import unsupported_system
from oura_pipeline.commands import group
from oura_pipeline.commands.group import COMMANDS, LazyGroup, cli


def all_commands() -> list[tuple[str, click.Command]]:
    """Return every command and group, each with what is typed for it."""
    found: list[tuple[str, click.Command]] = []

    def visit(path: str, command: click.Command) -> None:
        found.append((path, command))
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                child = command.get_command(context, name)
                assert child is not None
                visit(f"{path} {name}", child)

    visit("oura-pipeline", cli)
    return found


@pytest.mark.parametrize(
    "command", [pytest.param(command, id=path) for path, command in all_commands()[1:]]
)
def test_help_lines_fit_into_80_columns(command: click.Command) -> None:
    """A sentence of at most 45 characters, which click does not cut off in a list of commands."""
    line = (command.help or "").partition("\n")[0]
    assert line.endswith(".")
    assert len(line) <= 45
    assert not command.get_short_help_str(45).endswith("...")


def test_help_lists_every_command_with_its_own_help_line() -> None:
    context = click.Context(cli)
    modules = Path(group.__file__).parent.glob("*.py")
    shared = {"__init__", "console", "group", "growth", "import_export", "options", "sync_run"}
    shared |= {"demo_answers", "demo_folder", "demo_grafana"}
    assert sorted(COMMANDS) == sorted({path.stem for path in modules} - shared)
    lines = CliRunner().invoke(cli, ["--help"]).output.partition("Commands:\n")[2].splitlines()
    assert [line.split(maxsplit=1) for line in lines] == [[*row] for row in COMMANDS.items()]
    for name, line in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command is not None
        assert (command.help or "").partition("\n")[0] == line


def test_help_imports_nothing_slow() -> None:
    """Dagster, DuckDB and pandas take seconds."""
    code = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from oura_pipeline.commands.group import cli\n"
        "assert CliRunner().invoke(cli, ['--help']).exit_code == 0\n"
        "print(*sys.modules)"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    slow = {"dagster", "duckdb", "pandas", "sqlalchemy", "pydantic", "httpx"}
    assert slow.isdisjoint(loaded)
    assert sorted(name for name in loaded if name.startswith("oura_pipeline.")) == [
        "oura_pipeline.commands",
        "oura_pipeline.commands.group",
        "oura_pipeline.process",
        "oura_pipeline.process.imports",
    ]


@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_linux_and_macos_are_supported(platform: str) -> None:
    assert unsupported_system(platform) is None


@pytest.mark.parametrize("platform", ["win32", "cygwin", "freebsd14"])
def test_other_systems_are_refused_in_one_sentence(platform: str) -> None:
    assert unsupported_system(platform) == (
        "oura-pipeline runs on Linux and macOS; on Windows, run it in WSL."
    )


def test_an_unexpected_error_keeps_its_traceback() -> None:
    """Only messages of our own exceptions are known to be clear and free of secrets."""

    @click.group(cls=LazyGroup)
    def failing() -> None:
        raise KeyError("a bug")

    result = CliRunner().invoke(failing, ["budget"])
    assert isinstance(result.exception, KeyError)
