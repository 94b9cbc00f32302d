"""The upkeep of a lake, from Dagster."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from oura_pipeline.catalog.document_types import DAILY_SLEEP
from oura_pipeline.defs.lake import lake_assets, lake_schedules, merged, rewritten
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline_tests.warehouse.documents import january, land, score
from oura_pipeline_tests.warehouse.lake.lakes import Lake


@pytest.fixture(autouse=True)
def settings(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings that name the lake."""
    storage = lake.address.storage
    values = {
        "OURA_PIPELINE_HOME": str(tmp_path / "home"),
        "OURA_WAREHOUSE_URL": f"ducklake:postgres:{lake.address.catalog}",
        "OURA_WAREHOUSE_DATA": lake.address.data,
        "AWS_ENDPOINT_URL": storage.endpoint if storage else "",
        "AWS_ACCESS_KEY_ID": storage.key_id if storage else "",
        "AWS_SECRET_ACCESS_KEY": storage.secret if storage else "",
        "OURA_CLIENT_ID": "id",
        "OURA_CLIENT_SECRET": "secret",
    }
    for name, value in values.items():
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
