"""What must be true of what was landed and pushed, per document type.

What surprises: none of these checks stops anything. Data that could be had is landed and pushed; a
red check names who is missing and why, or what Oura started to send.
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.defs.oura_assets import document_key
from oura_pipeline.defs.partitions import asked_days
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.warehouse.drift.checks import out_of_range, unknown_fields

EVERY_PERSON = "every_person_landed"
FIELDS_KNOWN = "fields_known"
IN_RANGE = "values_in_range"


def document_checks(document_type: DocumentType) -> dg.AssetChecksDefinition:
    """The checks of what was landed of one document type."""
    key = document_key(document_type)

    @dg.multi_asset_check(
        name=f"checks_{document_type.table}",
        specs=[
            dg.AssetCheckSpec(
                EVERY_PERSON, asset=key, description="Everybody's documents could be landed."
            ),
            dg.AssetCheckSpec(
                FIELDS_KNOWN, asset=key, description="Oura sends no field that we do not know."
            ),
            dg.AssetCheckSpec(IN_RANGE, asset=key, description="Numbers are where they can be."),
        ],
        can_subset=True,
    )
    def checks(
        context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
    ) -> dg.AssetCheckResult:
        days = asked_days(context) if document_type.partitioned else None
        wanted = {check.name for check in context.selected_asset_check_keys}
        usernames = [person.username for person in pipeline.chosen()]
        warehouse = pipeline.opened.warehouse
        if EVERY_PERSON in wanted:
            fetches = pipeline.opened.accounts.fetches.find(
                document_type=document_type.name,
                usernames=usernames,
                first_day=days[0] if days else None,
                last_day=days[-1] if days else None,
            )
            yield every_person_landed(key, newest_only(fetches) if not days else fetches)
        if FIELDS_KNOWN in wanted:
            unknown = unknown_fields(warehouse, document_type, usernames, days)
            yield fields_known(key, unknown)
        if IN_RANGE in wanted:
            outside = out_of_range(warehouse, document_type, usernames, days)
            yield values_in_range(key, outside)

    return checks


def newest_only(fetches: Sequence[Fetch]) -> list[Fetch]:
    """Each person's newest row: what counts for a document type without days."""
    newest = {fetch.username: fetch for fetch in sorted(fetches, key=lambda fetch: fetch.day)}
    return list(newest.values())


def every_person_landed(key: dg.AssetKey, fetches: Sequence[Fetch]) -> dg.AssetCheckResult:
    """Red when somebody's documents could not be had; names who, why and for which days."""
    missing = [
        fetch for fetch in fetches if fetch.status in (FetchStatus.FAILED, FetchStatus.NOT_GRANTED)
    ]
    failed = any(fetch.status is FetchStatus.FAILED for fetch in missing)
    reasons: dict[str, list[date]] = {}
    for fetch in missing:
        reasons.setdefault(f"{fetch.username}: {fetch.error}", []).append(fetch.day)
    lines = [f"{reason} ({_span(days)})" for reason, days in sorted(reasons.items())]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=EVERY_PERSON,
        passed=not missing,
        # That somebody did not grant a scope is their choice, and nobody's failure.
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description="\n".join(lines) or "Everybody landed.",
        metadata={
            "people_missing": sorted({fetch.username for fetch in missing}),
            "people_days_missing": len(missing),
        },
    )


def fields_known(key: dg.AssetKey, unknown: Sequence[str]) -> dg.AssetCheckResult:
    """Red when documents hold fields that the table of document types does not know."""
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=FIELDS_KNOWN,
        passed=not unknown,
        severity=dg.AssetCheckSeverity.WARN,
        description="Oura sends fields that are not in documents.py; they are kept in `document`: "
        + ", ".join(unknown)
        if unknown
        else "All fields are known.",
        metadata={"unknown_fields": list(unknown)},
    )


def values_in_range(key: dg.AssetKey, outside: dict[str, int]) -> dg.AssetCheckResult:
    """Red when numbers lie where they cannot be; says which fields and how often, no values."""
    lines = [f"{field}: {count} documents" for field, count in sorted(outside.items())]
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=IN_RANGE,
        passed=not outside,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(lines) or "All numbers are where they can be.",
        metadata={field.replace(".", "_"): count for field, count in outside.items()},
    )


def _span(days: Sequence[date]) -> str:
    return f"{min(days)} to {max(days)}" if len(days) > 1 else str(days[0])
