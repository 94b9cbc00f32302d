"""What a run's configuration does to the pipeline that it works with."""

from __future__ import annotations

import sys
from datetime import date
from importlib import import_module
from pathlib import Path

import dagster as dg
import duckdb
import pytest

from oura_pipeline.defs.resources import PipelineResource, UnusablePeople
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.world import world

NOBODYS = "p-zzzzzz"


def test_the_share_of_a_run_is_that_of_its_requests(tmp_path: Path) -> None:
    """History waits where a person who presses a button does not."""
    with (
        running(SandboxOptions(people=1, days=5, end=date(2026, 6, 1))) as sandbox,
        world(tmp_path / "data", sandbox) as made,
    ):
        made.sign_in("runa")
        for resource, share in ((PipelineResource(), 1.0), (PipelineResource(share=0.4), 0.4)):
            with (
                dg.build_init_resource_context() as context,
                resource.yield_for_execution(context) as pipeline,
            ):
                assert pipeline.opened.share == share
                assert [person.username for person in pipeline.selected_people()] == ["runa"]


def test_a_run_does_without_pandas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which DuckDB would import in each process of a run."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    monkeypatch.delitem(sys.modules, "pandas", raising=False)
    with (
        dg.build_init_resource_context() as context,
        PipelineResource().yield_for_execution(context),
    ):
        assert duckdb.execute("SELECT ?", ["a"]).fetchall() == [("a",)]
        with pytest.raises(ModuleNotFoundError):
            import_module("pandas")


@pytest.mark.parametrize(("share", "used"), [(1.0, 2), (0.25, 1)])
def test_the_questions_of_a_run_wait_for_its_share(tmp_path: Path, share: float, used: int) -> None:
    """Of four in two seconds a quarter is one: the second question waits until it is alone."""
    with (
        running(SandboxOptions(people=1, days=5, end=date(2026, 6, 1))) as sandbox,
        world(tmp_path / "data", sandbox, settings={"OURA_RATE_LIMIT": "4/2"}) as made,
        open_pipeline(share=share) as pipeline,
    ):
        made.sign_in("runa")
        client = pipeline.client("runa")
        client.personal_info()
        client.personal_info()
        assert pipeline.budget.state().used == used


def test_whoever_left_since_a_run_was_asked_for_stops_nobody(tmp_path: Path) -> None:
    """A run for many waits in the queue, and one of them leaves; nobody at all is not everybody."""
    with (
        running(SandboxOptions(people=1, days=5, end=date(2026, 6, 1))) as sandbox,
        world(tmp_path / "data", sandbox) as made,
        dg.build_init_resource_context() as context,
    ):
        made.sign_in("runa")
        resource = PipelineResource(people=[NOBODYS, *made.ids("runa")])
        with resource.yield_for_execution(context) as pipeline:
            assert [person.username for person in pipeline.selected_people()] == ["runa"]
            pipeline.opened.accounts.removal.disconnect("runa")
            assert pipeline.selected_people() == []
        with (
            PipelineResource(people=[NOBODYS]).yield_for_execution(context) as pipeline,
            pytest.raises(UnusablePeople, match="nobody has any of the ids"),
        ):
            pipeline.selected_people()


def test_names_in_the_configuration_are_refused_without_repeating_them() -> None:
    """Neither that of somebody who is here nor any other text; an id is no secret."""
    with (
        dg.build_init_resource_context() as context,
        pytest.raises(UnusablePeople, match=r"^2 of 3 entries of `people` are no ids") as caught,
        PipelineResource(people=["runa", NOBODYS, "Koa"]).yield_for_execution(context),
    ):
        pass
    assert "runa" not in str(caught.value)
    assert "Koa" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1])
def test_a_share_is_above_nothing_and_not_more_than_all(share: float) -> None:
    with pytest.raises(ValueError, match="share"):
        PipelineResource(share=share)
