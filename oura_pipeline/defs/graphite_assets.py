"""The assets of points in Graphite: one per document type, downstream of its documents."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import dagster as dg

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.defs.asset_events import add_metadata
from oura_pipeline.defs.bar_charts import chart
from oura_pipeline.defs.check_results import report_days, results, runs_alike
from oura_pipeline.defs.described import OPERATORS, SYNCED, metrics_metadata, where_to_read_on
from oura_pipeline.defs.freshness import daily_freshness
from oura_pipeline.defs.oura_assets import DayMetadata, document_key, priority
from oura_pipeline.defs.partitions import run_days, span_key
from oura_pipeline.defs.person_ids import nameless, status_link
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.graphite.carbon import GraphiteUnavailable
from oura_pipeline.graphite.readback.diagnosis import advice
from oura_pipeline.graphite.readback.report import ReadbackReport
from oura_pipeline.ledger import Push, PushState
from oura_pipeline.sync.push import PushedDocuments, findings, push_documents
from oura_pipeline.sync.waiting import finish_pushes

ARRIVED = "points_arrived"
# The first check of a run reads back everything that was sent: two readings need a pause between
# them, and one pause is enough. So the checks come after all assets.
AFTER_ALL_ASSETS = "-50"
MAX_LOST_LISTED = 10


def points_key(document_type: DocumentType) -> dg.AssetKey:
    """Return the key of the asset, which is named like Oura's collection."""
    return dg.AssetKey(["graphite", document_type.name])


def points_asset(
    document_type: DocumentType, partitions: dg.PartitionsDefinition
) -> dg.AssetsDefinition:
    """Return the asset that flattens one document type and pushes it to Graphite."""

    @dg.asset(
        key=points_key(document_type),
        deps=[document_key(document_type)],
        description=f"{document_type.description} As points `{document_type.series}.*`.",
        group_name=document_type.topic,
        kinds={"graphite"},
        owners=OPERATORS,
        metadata={
            **metrics_metadata(document_type),
            **SYNCED,
            **where_to_read_on(points_asset, row=document_type.name),
        },
        freshness_policy=daily_freshness(),
        partitions_def=partitions if document_type.partitioned else None,
        backfill_policy=dg.BackfillPolicy.single_run() if document_type.partitioned else None,
        retry_policy=dg.RetryPolicy(max_retries=2, delay=10, backoff=dg.Backoff.EXPONENTIAL),
        op_tags={"dagster/priority": priority(document_type)},
    )
    @nameless
    def points(context: dg.AssetExecutionContext, pipeline: PipelineResource) -> None:
        days = run_days(context) if document_type.partitioned else None
        pushed = push_points(context, pipeline, document_type, days)
        events = point_events(document_type, pushed)
        add_metadata(context, {event.partition: event.metadata for event in events})

    return points


def push_points(
    context: dg.OpExecutionContext | dg.AssetExecutionContext,
    pipeline: PipelineResource,
    document_type: DocumentType,
    days: Sequence[date] | None,
) -> PushedDocuments:
    """Push one document type of the people that the run is for.

    Raises:
        Failure: carbon takes no points. The days wait until it does: see `waiting_pushes`.
    """
    usernames = pipeline.selected_usernames()
    try:
        pushed = push_documents(pipeline.opened, document_type, usernames, days)
    except GraphiteUnavailable as error:
        raise dg.Failure(str(error), allow_retries=False) from None
    for reason, count in sorted(pushed.skipped.items()):
        context.log.warning(f"{document_type.name}, not sent: {reason} ({count} times)")
    return pushed


def point_events(
    document_type: DocumentType, pushed: PushedDocuments
) -> Iterator[dg.AssetMaterialization]:
    """Yield a materialization for each day; a type without days has one."""
    for day in pushed.days:
        metadata = push_metadata(pushed, day)
        if day == pushed.days[-1]:  # it grows with the days
            metadata["points_per_day"] = chart({day: pushed.points[day] for day in pushed.days})
        yield dg.AssetMaterialization(
            points_key(document_type),
            partition=day.isoformat() if document_type.partitioned else None,
            metadata=metadata,
        )


def push_metadata(pushed: PushedDocuments, day: date) -> DayMetadata:
    """Return the points of a day, over all people, and the costs of the whole push."""
    return {
        "points": pushed.points[day],
        "points_sent": pushed.sent,
        "points_withdrawn": pushed.withdrawn,
        "seconds": round(pushed.seconds, 3),
    }


def arrival_check(
    document_type: DocumentType, partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    """Return the check that points can be read back: carbon acknowledges nothing."""

    @dg.asset_check(
        asset=points_key(document_type),
        name=ARRIVED,
        description="Every point that was sent can be read back from Graphite, twice.",
        op_tags={"dagster/priority": AFTER_ALL_ASSETS},
        partitions_def=partitions if document_type.partitioned else None,
    )
    @nameless
    def points_arrived(
        context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
    ) -> dg.AssetCheckResult:
        days = run_days(context) if document_type.partitioned else None
        read_back(context, pipeline, days)
        found = check_arrival(pipeline, document_type, days)
        report_days(context, found)
        return next(results(found))

    return points_arrived


def read_back(
    context: dg.OpExecutionContext | dg.AssetCheckExecutionContext,
    pipeline: PipelineResource,
    days: Sequence[date] | None,
) -> None:
    """Read back everything that was sent to the people that the run is for, and is not confirmed.

    Raises:
        GraphiteUnavailable: carbon or graphite-web did not answer.
    """
    arrival = finish_pushes(pipeline.opened, pipeline.selected_usernames(), days)
    if warning := arrival_warning(arrival):
        context.log.warning(warning)


def check_arrival(
    pipeline: PipelineResource, document_type: DocumentType, days: Sequence[date] | None
) -> list[dg.AssetCheckEvaluation]:
    """Return whether the points of the people that the run is for arrived, as was read back."""
    ids = {person.username: person.id for person in pipeline.selected_people()}
    pushes = pipeline.opened.accounts.pushes.find(
        document_type.name,
        usernames=ids,
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
    )
    lost = {push.day for push in pushes if _is_lost(push, ids)}
    return [
        arrived(
            points_key(document_type),
            [push for push in pushes if not span or push.day in set(span)],
            why=advice(findings(pipeline.opened, pushes), names=False) if lost else "",
            ids=ids,
            site_url=pipeline.opened.settings.site.url,
            read_back=pipeline.opened.render is not None,
            span=span,
        )
        for span in (runs_alike(days, lost) if days else [[]])
    ]


def arrival_warning(report: ReadbackReport | None) -> str:
    """Return what to do about points that did not arrive; empty: nothing is to be done.

    `ReadbackReport.message` names metrics, and their names hold usernames.
    """
    if report is None or not report.missing:
        return ""
    points = sum(day.points for day in report.missing)
    return (
        f"{points} points of {len(report.missing)} days did not arrive in Graphite. "
        f"{advice(report.findings, names=False)}"
    )


def arrived(
    key: dg.AssetKey,
    pushes: Sequence[Push],
    *,
    why: str,
    ids: Mapping[str, str],
    site_url: str,
    read_back: bool,
    span: Sequence[date] = (),
) -> dg.AssetCheckEvaluation:
    """Return a failed check when points did not arrive, or were never sent.

    Args:
        key: of the asset.
        pushes: rows of the ledger.
        why: why points are missing, and what to do.
        ids: everybody's id, by username.
        site_url: where the status page is.
        read_back: whether Graphite can be asked.
        span: the days that it is about; empty: the type has none.
    """
    points = Counter[PushState]()
    for push in pushes:
        points[push.state] += push.points
    lost = [push for push in pushes if _is_lost(push, ids)]
    description = f"{points[PushState.DELIVERED]:,} points arrived."
    if points[PushState.SENT]:
        # Graphite hides points of the future; without a render URL nothing can be read back.
        why = "they lie in the future" if read_back else "GRAPHITE_RENDER_URL is not set"
        description += f" {points[PushState.SENT]:,} were sent and not read back: {why}."
    for push in lost[:MAX_LOST_LISTED]:
        link = status_link(ids[push.username], site_url)
        description += f"\n- {link}, {push.day}: not all of {push.points} points arrived."
    if any(push.state is PushState.PENDING for push in lost):
        description += "\n\nCarbon did not take all of them; the rest is sent when it does."
    if why:
        description += f"\n\n{why}"
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=ARRIVED,
        passed=not lost,
        description=description,
        metadata={f"points_{state}": points[state] for state in PushState},
        partition=span_key(span) if span else None,
    )


def _is_lost(push: Push, ids: Mapping[str, str]) -> bool:
    return push.state in (PushState.MISSING, PushState.PENDING) and push.username in ids
