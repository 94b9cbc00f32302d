"""The data folder, and every file that anybody writes, is its owner's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

from oura_pipeline.commands.group import cli
from oura_pipeline.files import keep_private, open_to_others
from oura_pipeline_tests.testing.paths import ROOT

OPEN = "import os, sys; os.umask(0);"
FIRST = {
    "a command": "from oura_pipeline.cli import main; sys.argv = ['x', 'people', 'list']; main()",
    "the site": "from oura_pipeline.web.site import open_site\nwith open_site(): pass",
    "a Dagster process": (
        "from oura_pipeline.defs.storage import project_instance\n"
        "with project_instance() as instance: instance.get_runs_count()\n"
        "instance.compute_log_manager"
    ),
}


@pytest.fixture
def careless() -> Iterator[None]:
    """A umask that lets everybody read and write; that of the tests comes back."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, str]:
    """The modes of a folder and of what is in it, by kind."""
    paths = [folder, *folder.rglob("*")]
    return {("folder" if p.is_dir() else "file"): f"{p.stat().st_mode & 0o777:o}" for p in paths}


def run(code: str, home: Path) -> None:
    """Run code in a process that was started with the most careless umask."""
    environment = {**os.environ, "OURA_PIPELINE_HOME": str(home), "DAGSTER_HOME": ""}
    subprocess.run(
        [sys.executable, "-c", OPEN + code], env=environment, cwd=ROOT, check=True, timeout=60
    )


@pytest.mark.parametrize("first", FIRST)
def test_the_data_folder_is_private_whoever_is_first(first: str, tmp_path: Path) -> None:
    home = tmp_path / "data"
    run(FIRST[first], home)
    assert modes(home) == {"folder": "700", "file": "600"}
    assert list(open_to_others(home)) == []


def test_a_result_of_a_query_is_private(
    tmp_path: Path, careless: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that takes the place of a file that everybody could read."""
    path = tmp_path / "result.csv"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o644)
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    with duckdb.connect(tmp_path / "analytics.duckdb") as connection:
        connection.execute("CREATE SCHEMA oura")
    CliRunner().invoke(cli, ["query", "SELECT 1", "--csv", str(path)], catch_exceptions=False)
    assert (path.read_text(encoding="utf-8"), path.stat().st_mode & 0o777) == ("1\n1\n", 0o600)


def test_a_data_folder_that_was_open_is_closed(tmp_path: Path, careless: None) -> None:
    """As an older version left it."""
    (tmp_path / "dagster" / "history").mkdir(parents=True)
    shown = tmp_path / "analytics.duckdb"
    shown.touch()
    for path, mode in ((tmp_path, 0o755), (tmp_path / "dagster", 0o777), (shown, 0o444)):
        path.chmod(mode)
    (tmp_path / "link").symlink_to("/etc/hosts")
    keep_private(tmp_path)
    assert list(open_to_others(tmp_path)) == []
    assert shown.stat().st_mode & 0o777 == 0o400
    assert Path("/etc/hosts").stat().st_mode & 0o004


def test_a_folder_that_is_no_data_folder_stays_as_it_is(tmp_path: Path, careless: None) -> None:
    """Somebody may have typed OURA_PIPELINE_HOME=/srv."""
    (tmp_path / "somebody's").touch()
    tmp_path.chmod(0o755)
    keep_private(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o755
