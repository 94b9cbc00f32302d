"""The job that syncs everybody shard by shard: a step for each, then one that reports their sum."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from typing import Any

import dagster as dg
import duckdb
import stamina
from pydantic import Field
from sqlalchemy.exc import DBAPIError

from oura_pipeline.accounts.people import SEVENTHS, SHARDS
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.days import days_between
from oura_pipeline.defs.asset_events import AssetEvent
from oura_pipeline.defs.bar_charts import chart
from oura_pipeline.defs.check_results import as_one
from oura_pipeline.defs.executors import shard_executor
from oura_pipeline.defs.graphite_assets import points_key
from oura_pipeline.defs.oura_assets import (
    document_events,
    document_key,
    fail_if_nobody_landed,
    rows_name,
)
from oura_pipeline.defs.partitions import span_key, span_of
from oura_pipeline.defs.person_ids import nameless
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.defs.run_requests import LIST_OP, SHARD_OP, SHARDS_JOB, SUM_OP
from oura_pipeline.defs.sync_job import Sync, SyncConfig, raise_failures, reason
from oura_pipeline.sync.fetch import FetchResult
from oura_pipeline.warehouse.errors import WarehouseUnreadable

TOLD = "told"
# Of what was not foreseen, such as a database that is away: what fails by itself is told.
AGAIN = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL)
# Documents that could not land are tried again after the others; for checks nothing else does it.
AWAY = stamina.retry(
    on=(duckdb.Error, WarehouseUnreadable, DBAPIError), attempts=None, timeout=60.0, wait_max=5.0
)

Counts = dict[str, dict[str, dict[str, float]]]  # by asset, day (empty: it has none) and name


class ShardsConfig(dg.Config):
    """Whom a run is for."""

    seventh: int | None = Field(
        default=None, ge=0, lt=SEVENTHS, description="0 to 6: only that seventh of the people."
    )


@dataclass
class ShardSync(Sync):
    """What is done for the people of some shards; its counts are told, not reported.

    A day is materialized when all shards have it.

    Attributes:
        counts: numbers of what was landed and pushed.
        nobody: document types that failed for everybody of these shards.
    """

    counts: Counts = field(default_factory=dict)
    nobody: set[str] = field(default_factory=set)

    def tell_landed(self, document_type: DocumentType, fetched: FetchResult) -> None:
        """Keep the counts, also of what failed for everybody here: elsewhere it may not have."""
        self.report(list(document_events(document_type, fetched)))
        self.nobody.add(document_type.name)
        fail_if_nobody_landed(document_type, fetched, self.pipeline)
        self.nobody.discard(document_type.name)

    @AWAY
    def _check_documents(self, document_type: DocumentType) -> None:
        super()._check_documents(document_type)

    @AWAY
    def _check_arrival(self, document_type: DocumentType) -> None:
        super()._check_arrival(document_type)

    def report(self, events: Sequence[AssetEvent]) -> None:
        """Keep the numbers of materializations."""
        for event in events:
            if isinstance(event, dg.AssetMaterialization):
                days = self.counts.setdefault(event.asset_key.to_user_string(), {})
                days[event.partition or ""] = _numbers(event.metadata)

    def told(self) -> dict[str, Any]:
        """Return everything that the sum needs to know, as JSON: no name and no value."""
        return {
            "counts": self.counts,
            "checks": [_check(one) for one in self.evaluations],
            "nobody": sorted(self.nobody),
            "failures": {name: reason(error) for name, error in self.failures.items()},
        }


@dataclass(frozen=True)
class ShardSum:
    """What all shards of a run have told, by their key."""

    told: Mapping[str, Mapping[str, Any]]

    def events(self, document_types: Sequence[DocumentType]) -> Iterator[AssetEvent]:
        """Yield what can be reported: days that every shard has, and checks."""
        for document_type in document_types:
            if not self._failed_for_everybody(document_type):
                yield from self._documents(document_type)
                yield from self._points(document_type)
        yield from self._checks()

    def failures(self) -> dict[str, str]:
        """Return why something failed, by shard and what it was."""
        nobody = Counter(name for one in self.told.values() for name in one["nobody"])
        everybody = {name for name, shards in nobody.items() if shards == len(self.told)}
        return {
            f"{name} of {key}": why
            for key, one in self.told.items()
            for name, why in one["failures"].items()
            # That of some is said by the check of who landed.
            if name not in one["nobody"] or name in everybody
        }

    def _failed_for_everybody(self, document_type: DocumentType) -> bool:
        return all(document_type.name in one["nobody"] for one in self.told.values())

    def _documents(self, document_type: DocumentType) -> Iterator[dg.AssetMaterialization]:
        key = document_key(document_type)
        for day, counts, last in self._days(key, document_type, rows_name(document_type)):
            yield dg.AssetMaterialization(key, partition=day, metadata=counts | last)

    def _points(self, document_type: DocumentType) -> Iterator[dg.AssetMaterialization]:
        key = points_key(document_type)
        for day, counts, last in self._days(key, document_type, "points"):
            yield dg.AssetMaterialization(key, partition=day, metadata=counts | last)

    def _days(
        self, key: dg.AssetKey, document_type: DocumentType, counted: str
    ) -> Iterator[tuple[str | None, dict[str, float], dict[str, Any]]]:
        """Yield each day, its sums, and for the last one the chart of all; none unless all have."""
        asset = key.to_user_string()
        pushes = key == points_key(document_type)
        parts = [
            one["counts"].get(asset)
            for one in self.told.values()
            if not (pushes and document_type.name in one["nobody"])
        ]
        if None in parts:
            return
        sums: dict[str, Counter[str]] = {}
        for day, counts in (pair for part in parts if part for pair in part.items()):
            sums.setdefault(day, Counter()).update(counts)
        for day in sorted(sums):
            last = {}
            if day and day == max(sums):
                by_day = {date.fromisoformat(one): int(sums[one][counted]) for one in sorted(sums)}
                name = "points_per_day" if pushes else "rows_per_day"
                last = {name: chart(by_day)}
            yield day or None, dict(sums[day]), last

    def _checks(self) -> Iterator[dg.AssetCheckEvaluation]:
        checks: dict[tuple[str, str], list[dg.AssetCheckEvaluation]] = {}
        for one in self.told.values():
            for check in one["checks"]:
                found = checks.setdefault((check["asset"], check["check"]), [])
                found.append(_evaluation(check))
        for found in checks.values():
            yield from _of_all_shards(found)


def shards_job(document_types: Sequence[DocumentType]) -> dg.JobDefinition:
    """Return the job that syncs everybody, or a seventh, in steps of some shards each."""
    sync_shard, add_up_shards = _sync_op(document_types), _sum_op(document_types)

    @dg.job(
        name=SHARDS_JOB,
        description="Fetches, lands and pushes everything for a range of days, shard by shard.",
        executor_def=shard_executor(),
        # What shards told stands in the records of their run.
        tags={"dagster/retry_strategy": "ALL_STEPS"},
    )
    def job() -> None:
        add_up_shards(shards().map(sync_shard).collect())

    return job


@dg.op(
    name=LIST_OP,
    description="Divides the people into shards.",
    out=dg.DynamicOut(dg.Nothing),
)
@nameless
def shards(
    context: dg.OpExecutionContext, config: ShardsConfig, pipeline: PipelineResource
) -> Iterator[dg.DynamicOutput[None]]:
    at_most = pipeline.opened.settings.workers.people_per_shard
    people = pipeline.opened.accounts.people
    for part in people.shards(at_most, within=seventh_of_shards(config.seventh)):
        yield dg.DynamicOutput(None, mapping_key=key_of(part))


def _sync_op(document_types: Sequence[DocumentType]) -> dg.OpDefinition:
    @dg.op(
        name=SHARD_OP,
        description="Fetches, lands, pushes and checks documents of the people of some shards.",
        ins={"shard": dg.In(dg.Nothing)},
        retry_policy=AGAIN,
    )
    @nameless
    def sync_shard(
        context: dg.OpExecutionContext, config: SyncConfig, pipeline: PipelineResource
    ) -> None:
        part = pipeline.of_shards(shards_of(str(context.get_mapping_key())))
        chosen = config.chosen(document_types) if part.selected_people() else []
        work = ShardSync(context, part, config.days())
        work.sync(chosen)
        work.check(chosen)
        context.add_output_metadata({TOLD: dg.MetadataValue.json(work.told())})

    return sync_shard


def _sum_op(document_types: Sequence[DocumentType]) -> dg.OpDefinition:
    @dg.op(
        name=SUM_OP,
        description="Reports what all shards did, and publishes.",
        ins={"shards": dg.In(dg.Nothing)},
        retry_policy=AGAIN,
    )
    @nameless
    def add_up_shards(
        context: dg.OpExecutionContext, config: SyncConfig, pipeline: PipelineResource
    ) -> None:
        total = ShardSum(told_by_shards(context.instance, context.run_id))
        work = Sync(context, pipeline, config.days())
        work.report(list(total.events(config.chosen(document_types))))
        if config.publish:
            work.publish()
        work.record()
        raise_failures(
            total.failures() | {name: reason(error) for name, error in work.failures.items()}
        )

    return add_up_shards


def seventh_of_shards(seventh: int | None) -> range:
    """Return the shards of a seventh, which never change; None: of everybody."""
    if seventh is None:
        return range(SHARDS)
    return range(SHARDS * seventh // SEVENTHS, SHARDS * (seventh + 1) // SEVENTHS)


def key_of(shards: range) -> str:
    """Return shards in a row as the key of a step."""
    return f"{shards.start}_{shards.stop - 1}"


def shards_of(key: str) -> range:
    """Return the shards of the key of a step."""
    first, _, last = key.partition("_")
    return range(int(first), int(last) + 1)


def told_by_shards(instance: dg.DagsterInstance, run_id: str) -> dict[str, Mapping[str, Any]]:
    """Return what the shards of a run have told, by their key.

    Raises:
        Failure: the run has not done all of them itself.
    """
    keys: set[str] = set()
    told: dict[str, Mapping[str, Any]] = {}
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_OUTPUT):
        event = entry.dagster_event
        assert event
        step = str(event.step_key)
        if step == LIST_OP:
            keys.add(str(event.step_output_data.mapping_key))
        elif step.startswith(f"{SHARD_OP}["):
            # A step that was begun again after a worker died tells the same once more.
            one: Any = event.step_output_data.metadata[TOLD].value
            told[step[len(SHARD_OP) + 1 : -1]] = one
    if not keys or keys - told.keys():
        raise dg.Failure("This run has not done all shards itself: run all its steps again.")
    return {key: one for key, one in told.items() if one["counts"] or one["failures"]}


def _numbers(metadata: Mapping[str, dg.MetadataValue[Any]]) -> dict[str, float]:
    return {
        name: entry.value
        for name, entry in metadata.items()
        if isinstance(entry.value, int | float)
    }


def _check(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {
        "asset": evaluation.asset_key.to_user_string(),
        "check": evaluation.check_name,
        "passed": evaluation.passed,
        "severity": evaluation.severity.value,
        "description": evaluation.description or "",
        "metadata": {name: entry.value for name, entry in evaluation.metadata.items()},
        "days": evaluation.partition,
    }


def _evaluation(check: Mapping[str, Any]) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey.from_user_string(check["asset"]),
        check_name=check["check"],
        passed=check["passed"],
        severity=dg.AssetCheckSeverity(check["severity"]),
        description=check["description"],
        # The only text is a link.
        metadata={
            name: dg.MetadataValue.md(value) if isinstance(value, str) else value
            for name, value in check["metadata"].items()
        },
        partition=check["days"],
    )


def _of_all_shards(
    found: Sequence[dg.AssetCheckEvaluation],
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield one evaluation of a check; of days one for each run of them on which shards agree."""
    spans = {span_of(one.partition): one for one in found if one.partition}
    if not spans:
        yield as_one(found)
        return
    first, last = min(first for first, _ in spans), max(last for _, last in spans)
    days = days_between(date.fromisoformat(first), date.fromisoformat(last))
    about = {
        day: [one for one in found if one.partition and _is_about(one.partition, day)]
        for day in days
    }
    for _, group in groupby(days, key=lambda day: [id(one) for one in about[day]]):
        span = list(group)
        yield as_one(about[span[0]], span_key(span))


def _is_about(partition: str, day: date) -> bool:
    first, last = span_of(partition)
    return first <= day.isoformat() <= last
