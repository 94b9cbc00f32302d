"""The upkeep of a lake, from Dagster and from the command line."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import psycopg
import pytest
from click.testing import CliRunner

from oura_pipeline.backups.backup import check_folder
from oura_pipeline.backups.places import BackupRefused
from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.commands.group import cli
from oura_pipeline.defs.lake import lake_assets, lake_schedules, merged, rewritten
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.doctor import records
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.lake.server_log import silence
from oura_pipeline.warehouse.warehouse import Warehouse
from oura_pipeline_tests.warehouse.documents import january, land, score
from oura_pipeline_tests.warehouse.lake.lakes import Lake


@pytest.fixture(autouse=True)
def settings(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that name the lake."""
    values = {
        "OURA_PIPELINE_HOME": str(tmp_path / "home"),
        "OURA_CLIENT_ID": "id",
        "OURA_CLIENT_SECRET": "secret",
    }
    for name, value in (values | lake.settings()).items():
        monkeypatch.setenv(name, value)


def told(asset: dg.AssetsDefinition) -> dict[str, object]:
    result = dg.materialize([asset], resources={"pipeline": PipelineResource()})
    [event] = result.get_asset_materialization_events()
    return {name: value.value for name, value in event.materialization.metadata.items()}


def test_upkeep_tells_how_many_files_it_found_and_left(lake: Lake) -> None:
    """Counts only. Two files are of the lake itself: its readme and what it was prepared for."""
    cleo = {"cleo": [score(january(1), 60)]}
    land(lake.warehouse, DAILY_SLEEP, cleo | {"ada": [score(january(1), 70)]})
    land(lake.warehouse, DAILY_SLEEP, {"ada": [score(january(1), 80)]})
    assert [asset.key.path for asset in lake_assets()] == [
        *(["warehouse", "merged"], ["warehouse", "rewritten"])
    ]
    assert [schedule.cron_schedule for schedule in lake_schedules()] == ["20 * * * *", "0 5 * * *"]
    assert lake.warehouse.size().files == 5  # one of them says that a row of another is deleted
    of_rewriting, of_merging = told(rewritten), told(merged)
    assert of_rewriting.pop("bytes") > of_merging.pop("bytes") == lake.warehouse.size().bytes
    assert (of_rewriting, of_merging) == (
        {"files_rewritten": 1, "into": 1, "snapshots_ended": 0, "files_deleted": 0, "files": 4},
        {"files_merged": 2, "into": 1, "files": 3},
    )


def test_the_command_line_prepares_and_moves(lake: Lake, tmp_path: Path) -> None:
    """A lake is called `lake` there: its own address may hold a password."""
    land(lake.warehouse, DAILY_SLEEP, {"ada": [score(january(1), 70)]})
    assert run("prepare") == "The warehouse was prepared already.\n"
    assert run("migrate", "lake", str(tmp_path / "file.duckdb")).splitlines() == [
        *("daily_sleep: 1 rows, 1 of 1 months copied", "1 rows are in both, and the same.")
    ]
    assert Warehouse(tmp_path / "file.duckdb").usernames() == ["ada"]


def test_postgres_logs_no_statement_on_the_catalog(lake: Lake) -> None:
    """They hold names and values, and those that fail are logged. Who may not set it is told."""
    database = lake.address.catalog.rpartition("/")[2]
    with psycopg.connect(lake.address.catalog, autocommit=True) as connection:
        for statement in (
            f"ALTER DATABASE {database} RESET ALL",
            f"CREATE ROLE owner_of_{database}",
            f"ALTER DATABASE {database} OWNER TO owner_of_{database}",
            f"SET ROLE owner_of_{database}",
        ):
            connection.execute(statement.encode())
        silence(connection)
    with open_pipeline() as pipeline:
        [told] = records.catalog(pipeline)
        assert not told.good
        assert told.text == lake.warehouse.log_advice()
        assert f"ALTER DATABASE \"{database}\" SET log_min_error_statement = 'panic'" in told.text
        assert run("prepare") == "The warehouse was prepared already.\n"
        assert lake.warehouse.log_advice() == ""
        assert list(records.catalog(pipeline)) == []


def test_a_lake_is_backed_up_by_other_means(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="use pg_dump and pg_restore for its catalog"):
        check_folder(tmp_path / "backup", load_settings())


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["warehouse", *arguments])
    assert result.exit_code == 0, result.output
    return result.output
