"""What a data engineer finds in Dagster's UI: asked of the real webserver, as its pages ask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.running import running
from oura_pipeline.settings import ALL_SCOPES, operator_zone
from oura_pipeline.warehouse.views.catalogue import VIEWS
from oura_pipeline_tests.testing.dagsters_ui import Ask, dagsters_answers
from oura_pipeline_tests.testing.paths import ROOT
from oura_pipeline_tests.testing.world import World, world

LAST = date(2026, 6, 10)
FIRST = LAST - timedelta(days=2)
ASSETS = """{ assetNodes {
  assetKey { path } groupName isMaterializable isPartitioned jobNames kinds description
  owners { ... on TeamAssetOwner { team } } dependencyKeys { path }
  internalFreshnessPolicy { ... on CronFreshnessPolicy {
    deadlineCron lowerBoundDeltaSeconds timezone } }
  assetChecksOrError { ... on AssetChecks { checks { name partitionDefinition { name } } } }
  metadataEntries { label
    ... on UrlMetadataEntry { url }
    ... on TextMetadataEntry { text }
    ... on JobMetadataEntry { jobName locationName }
    ... on TableSchemaMetadataEntry { schema { columns { name type description } } }
    ... on CodeReferencesMetadataEntry { codeReferences {
      ... on LocalFileCodeReference { filePath lineNumber label } } } } } }"""
JOB = """query Job($job: String!, $location: String!) { pipelineOrError(params: {
  pipelineName: $job, repositoryName: "__repository__", repositoryLocationName: $location
  }) { ... on Pipeline { schedules { name } } } }"""
DAYS = """query Days($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode {
  assetMaterializations(limit: 3) { partition metadataEntries { label
    ... on IntMetadataEntry { intValue } } } } } }"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two people, of whom one grants no workouts, after a sync of three days."""
    options = SandboxOptions(people=2, days=6, end=LAST, thin=10)
    with (
        running(options) as sandbox,
        world(tmp_path_factory.mktemp("ui") / "data", sandbox) as made,
    ):
        koa, runa = sandbox.usernames
        made.sign_in(koa)
        made.sign_in(runa, [scope for scope in ALL_SCOPES.split() if scope != "workout"])
        made.run(FIRST, LAST, types=["daily_sleep", "workout", "personal_info"])
        yield made


@pytest.fixture(scope="module")
def ask(made: World) -> Iterator[Ask]:
    """Ask the webserver a GraphQL query."""
    with dagsters_answers() as ask:
        yield ask


@pytest.fixture(scope="module")
def assets(ask: Ask) -> dict[str, Any]:
    """Every asset, by its key, with its metadata by name."""
    nodes = {"/".join(node["assetKey"]["path"]): node for node in ask(ASSETS)["assetNodes"]}
    for node in nodes.values():
        node["metadata"] = {entry["label"]: entry for entry in node["metadataEntries"]}
        node["upstream"] = {"/".join(key["path"]) for key in node["dependencyKeys"]}
    return nodes


def upstream(assets: Mapping[str, Any], key: str) -> set[str]:
    """Everything from which an asset is made, however far up."""
    found: set[str] = set()
    left = [key]
    while left:
        new = assets[left.pop()]["upstream"] - found
        found |= new
        left += new
    return found


def test_every_table_and_view_shows_its_name_and_columns(assets: dict[str, Any]) -> None:
    """A type of columns follows from a view's query; what they mean is said of all."""
    for document_type in DOCUMENT_TYPES:
        metadata = assets[f"oura/{document_type.name}"]["metadata"]
        assert metadata["dagster/table_name"]["text"] == f"oura.{document_type.table}"
        columns = metadata["dagster/column_schema"]["schema"]["columns"]
        names = {field.name for field in document_type.fields} | {"username", "day", "document"}
        assert {column["name"] for column in columns} >= names
        assert all(column["type"] and column["description"] for column in columns)
    for view in VIEWS:
        metadata = assets[f"views/{view.name}"]["metadata"]
        assert metadata["dagster/table_name"]["text"] == f"oura.{view.name}"
        columns = metadata["dagster/column_schema"]["schema"]["columns"]
        shown = [(column["name"], column["description"]) for column in columns]
        assert shown == [(column.name, column.comment) for column in view.columns]


def test_points_show_their_metrics(assets: dict[str, Any]) -> None:
    """By the names that follow the username in Graphite."""
    schema = assets["graphite/daily_sleep"]["metadata"]["dagster/column_schema"]["schema"]
    metrics = {column["name"]: column["type"] for column in schema["columns"]}
    assert metrics["sleep.score"] == metrics["sleep.contrib.deep_sleep"] == "once a day"
    schema = assets["graphite/heartrate"]["metadata"]["dagster/column_schema"]["schema"]
    assert {(one["name"], one["type"]) for one in schema["columns"]} == {("hr.bpm", "every 60 s")}


def test_everything_has_an_owner_kinds_code_and_the_way_to_the_people(
    assets: dict[str, Any],
) -> None:
    """The code is where it says, and a document type leads to its row in the table."""
    for key, node in assets.items():
        team = "analysts" if key.startswith("views/") else "operators"
        assert [owner["team"] for owner in node["owners"]] == [team], key
        assert node["kinds"], key
        assert node["description"], key
        assert node["metadata"]["status"]["url"].endswith("/status"), key
        assert node["metadata"]["dagster/code_references"]["codeReferences"], key
    said = {}
    references = assets["oura/daily_sleep"]["metadata"]["dagster/code_references"]
    for one in references["codeReferences"]:
        path = Path(one["filePath"])
        lines = path.read_text(encoding="utf-8").splitlines()
        said[path.relative_to(ROOT).as_posix()] = lines[(one["lineNumber"] or 1) - 1]
    assert said == {
        "oura_pipeline/defs/oura_assets.py": "def document_asset(",
        "oura_pipeline/catalog/document_types.py": '    name="daily_sleep",',
        "docs/dagster.md": "# Dagster",
    }


def test_lineage_leads_from_oura_to_views_to_the_copy(assets: dict[str, Any]) -> None:
    """The copy holds every table; a view is downstream of the tables that it reads."""
    assert assets["views/nights"]["upstream"] == {"oura/sleep"}
    assert assets["views/baselines"]["upstream"] == {"views/daily_summary"}
    assert upstream(assets, "views/baselines") >= {"views/nights", "oura/sleep", "oura/vO2_max"}
    documents = {f"oura/{document_type.name}" for document_type in DOCUMENT_TYPES}
    assert assets["views/coverage"]["upstream"] == documents
    copied = documents | {f"views/{view.name}" for view in VIEWS}
    assert upstream(assets, "analytics/published") == copied


def test_a_group_fits_on_a_screen(assets: dict[str, Any]) -> None:
    """Documents and their points stand together, by what they are about."""
    groups: dict[str, set[str]] = {}
    for key, node in assets.items():
        groups.setdefault(node["groupName"], set()).add(key)
    assert max(map(len, groups.values())) == len(VIEWS)
    assert groups["sleep"] == {
        f"{place}/{name}"
        for place in ("oura", "graphite")
        for name in ("daily_sleep", "daily_spo2", "sleep", "sleep_time")
    }
    assert groups["accounts"] == {"accounts/people", "accounts/subscriptions"}
    assert groups.keys() == {
        *("sleep", "activity", "heart", "recovery", "tags", "profile"),
        *("views", "analytics", "accounts", "export"),
    }


def test_materialize_all_is_no_more_than_oura_graphite_and_the_copy(assets: dict[str, Any]) -> None:
    """Accounts and exports have jobs; views nobody makes."""
    made = {key for key, node in assets.items() if node["isMaterializable"]}
    places = ("oura", "graphite")
    of_types = {f"{place}/{one.name}" for one in DOCUMENT_TYPES for place in places}
    assert made == of_types | {"analytics/published"}
    others = {key: node["jobNames"] for key, node in assets.items() if key not in made}
    assert {key: jobs for key, jobs in others.items() if jobs} == {
        "accounts/people": ["renew_tokens"],
        "accounts/subscriptions": ["maintain_subscriptions"],
        "export/apple_health": ["export"],
    }
    assert assets["export/apple_health"]["isPartitioned"]


def test_everything_that_the_daily_sync_makes_is_to_be_fresh_by_two(assets: dict[str, Any]) -> None:
    """Made since ten, when it begins; what has no policy is made by nobody, or by other jobs."""
    policies = {key: node["internalFreshnessPolicy"] for key, node in assets.items()}
    daily = {
        "deadlineCron": "0 14 * * *",
        "lowerBoundDeltaSeconds": 14400,
        "timezone": operator_zone(),
    }
    assert {key for key, policy in policies.items() if policy == daily} == {
        key for key, node in assets.items() if node["isMaterializable"]
    }
    assert all(policy in (None, daily) for policy in policies.values())


def test_what_the_daily_sync_makes_leads_to_its_job_and_so_to_its_schedules(
    assets: dict[str, Any], ask: Ask
) -> None:
    jobs = {key: node["metadata"].get("synced_by") for key, node in assets.items()}
    assert {key for key, job in jobs.items() if job} == {
        key for key, node in assets.items() if node["isMaterializable"]
    }
    (job, location), *others = {
        (one["jobName"], one["locationName"]) for one in jobs.values() if one
    }
    assert not others
    schedules = ask(JOB, job=job, location=location)["pipelineOrError"]["schedules"]
    assert {one["name"] for one in schedules} == {"daily", "hourly", "monthly_reconcile"}


def test_a_day_says_its_rows_and_people_once(ask: Ask) -> None:
    """As the rows of a partition, which Dagster does not take for those of the table."""
    key = {"path": ["oura", "workout"]}
    [newest, *_] = ask(DAYS, key=key)["assetNodeOrError"]["assetMaterializations"]
    entries = {one["label"]: one.get("intValue") for one in newest["metadataEntries"]}
    assert newest["partition"] == LAST.isoformat()
    assert list(entries) == [
        *("dagster/partition_row_count", "changed_rows"),
        *("people_landed", "people_empty", "people_not_granted", "people_failed"),
        *("requests", "pages", "seconds", "rows_per_day"),
    ]
    assert entries["people_not_granted"] == 1
    key = {"path": ["oura", "personal_info"]}
    [now] = ask(DAYS, key=key)["assetNodeOrError"]["assetMaterializations"]
    entries = {one["label"]: one.get("intValue") for one in now["metadataEntries"]}
    assert (entries["dagster/row_count"], entries["people_landed"]) == (2, 2)
    assert "dagster/partition_row_count" not in entries
