"""The checks of landed documents, per document type: who is missing, and what Oura changed."""

from collections.abc import Mapping, Sequence
from datetime import date
from functools import partial

import dagster as dg

from oura_pipeline.accounts.overview import DaysToFetchAgain
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.defs.ask_again import ask_again
from oura_pipeline.defs.check_results import MAX_LINES, report_days, results, runs_alike
from oura_pipeline.defs.oura_assets import document_key
from oura_pipeline.defs.partitions import run_days, span_key
from oura_pipeline.defs.person_ids import nameless, status_link
from oura_pipeline.defs.resources import PipelineResource
from oura_pipeline.ledger import Fetch, FetchStatus
from oura_pipeline.warehouse.drift.checks import out_of_range, unknown_fields
from oura_pipeline.warehouse.quarantine import Oddity

EVERY_PERSON = "every_person_landed"
USABLE = "documents_usable"
KEPT = "no_sudden_loss"
VALUES_KNOWN = "values_known"
FIELDS_KNOWN = "fields_known"
IN_RANGE = "values_in_range"

OF_DAYS = (EVERY_PERSON, FIELDS_KNOWN, IN_RANGE)  # the others are about everything there is

# None of these checks is blocking: what could be fetched is landed and pushed all the same.
DESCRIPTIONS = {
    EVERY_PERSON: "Everybody's documents were fetched.",
    USABLE: "Every document could be landed; none is set aside in oura.quarantine.",
    KEPT: "No answer of Oura has fewer than half of the documents that were there.",
    VALUES_KNOWN: "Values are of the kind, and words among those, that Oura describes.",
    FIELDS_KNOWN: "Oura sends no fields that are unknown here.",
    IN_RANGE: "Numbers are within the range that their field allows.",
}


def document_checks(
    document_type: DocumentType, partitions: dg.PartitionsDefinition
) -> dg.AssetChecksDefinition:
    """Return the checks of what was landed of one document type."""
    key = document_key(document_type)
    days_of = {name: partitions for name in OF_DAYS if document_type.partitioned}

    @dg.multi_asset_check(
        name=f"checks_{document_type.table}",
        specs=[
            dg.AssetCheckSpec(
                name, asset=key, description=description, partitions_def=days_of.get(name)
            )
            for name, description in DESCRIPTIONS.items()
        ],
        can_subset=True,
    )
    @nameless
    def checks(  # type: ignore[misc]  # Dagster wants the type of a single result
        context: dg.AssetCheckExecutionContext, pipeline: PipelineResource
    ) -> dg.AssetCheckResult:
        days = run_days(context) if document_type.partitioned else None
        selected = {check.name for check in context.selected_asset_check_keys}
        found = check_documents(pipeline, document_type, days)
        report_days(context, [one for one in found if one.check_name in selected])
        yield from (result for result in results(found) if result.check_name in selected)

    return checks


def check_documents(
    pipeline: PipelineResource, document_type: DocumentType, days: Sequence[date] | None
) -> list[dg.AssetCheckEvaluation]:
    """Return the results of all checks of one type, those of days for each run of days alike."""
    key, opened = document_key(document_type), pipeline.opened
    usernames, site_url = pipeline.selected_usernames(), opened.settings.site.url
    fetches = _fetches(pipeline, document_type, usernames, days)
    losses = opened.accounts.overview.losses(document_type.name)
    with opened.warehouse.at_once() as warehouse:
        # Everybody's, and of all days: one that waits since last month is still not landed.
        whose = usernames if pipeline.is_of_shards else None
        aside = warehouse.quarantined(whose, document_type)
        odd = warehouse.odd_values(whose, document_type)
        unknown = unknown_fields(warehouse, document_type, usernames, days)
        outside = out_of_range(warehouse, document_type, usernames, days)
    ids = pipeline.ids(one.username for found in (fetches, losses, aside, odd) for one in found)
    return [
        *every_person_landed(key, fetches, ids, site_url, days),
        no_sudden_loss(key, losses, ids, site_url),
        oddities_check(key, USABLE, aside, ids, site_url),
        oddities_check(key, VALUES_KNOWN, odd, ids, site_url),
        fields_known(key, unknown, days),
        values_in_range(key, outside, days),
    ]


def of_everybody(
    found: Sequence[dg.AssetCheckEvaluation], *, for_some: bool
) -> list[dg.AssetCheckEvaluation]:
    """Return what can be recorded of everybody: that some people's days are all right is not."""
    if not for_some:
        return list(found)
    of_all = {USABLE, KEPT, VALUES_KNOWN}  # whoever the run is for
    return [
        one
        for one in found
        if not one.passed
        or one.check_name in of_all
        or (one.check_name == EVERY_PERSON and one.partition)
    ]


def _fetches(
    pipeline: PipelineResource,
    document_type: DocumentType,
    usernames: Sequence[str],
    days: Sequence[date] | None,
) -> list[Fetch]:
    """Return the rows of the people that the run is for, and where others' have failed."""
    find = partial(
        pipeline.opened.accounts.fetches.find,
        document_type=document_type.name,
        first_day=days[0] if days else None,
        last_day=days[-1] if days else None,
    )
    found = find(usernames=usernames)
    if days is None:
        return newest_per_person(found)
    if pipeline.is_for_some():
        theirs = set(usernames)
        failed = find(statuses=[FetchStatus.FAILED])
        found += [fetch for fetch in failed if fetch.username not in theirs]
    return found


def newest_per_person(fetches: Sequence[Fetch]) -> list[Fetch]:
    """Return each person's newest ledger row: what counts for a document type without days."""
    newest = {fetch.username: fetch for fetch in sorted(fetches, key=lambda fetch: fetch.day)}
    return list(newest.values())


def every_person_landed(
    key: dg.AssetKey,
    fetches: Sequence[Fetch],
    ids: Mapping[str, str],
    site_url: str,
    days: Sequence[date] | None,
) -> list[dg.AssetCheckEvaluation]:
    """Return a failed check for days of which somebody's documents are missing: whose, and why.

    Args:
        key: of the asset.
        fetches: rows of the ledger.
        ids: everybody's id, by username.
        site_url: where the status page is.
        days: that the run is for; None: the type has none.
    """
    missing = [
        fetch
        for fetch in fetches
        if fetch.status in (FetchStatus.FAILED, FetchStatus.NOT_GRANTED) and fetch.username in ids
    ]
    if days is None:
        return [_landed(key, missing, ids, site_url)]
    spans = runs_alike(days, {fetch.day for fetch in missing})
    return [
        _landed(key, [one for one in missing if one.day in set(span)], ids, site_url, span)
        for span in spans
    ]


def _landed(
    key: dg.AssetKey,
    missing: Sequence[Fetch],
    ids: Mapping[str, str],
    site_url: str,
    span: Sequence[date] = (),
) -> dg.AssetCheckEvaluation:
    failed = any(fetch.status is FetchStatus.FAILED for fetch in missing)
    reasons: dict[str, list[date]] = {}
    for fetch in missing:
        link = status_link(ids[fetch.username], site_url)
        reasons.setdefault(f"{link}: {fetch.error}", []).append(fetch.day)
    lines = [f"- {reason} ({_span(days)})" for reason, days in sorted(reasons.items())]
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=EVERY_PERSON,
        passed=not missing,
        # That somebody did not grant a scope is their choice, not a failure.
        severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
        description="\n".join(lines) or "Everybody's documents were fetched.",
        metadata={
            "people_missing": sorted({ids[fetch.username] for fetch in missing}),
            "people_days_missing": len(missing),
            **_ask_again(key, missing, ids),
        },
        partition=span_key(span) if span else None,
    )


def _ask_again(
    key: dg.AssetKey, missing: Sequence[Fetch], ids: Mapping[str, str]
) -> dict[str, dg.MarkdownMetadataValue]:
    failed = [fetch for fetch in missing if fetch.status is FetchStatus.FAILED]
    if not failed:
        return {}
    days, people = [fetch.day for fetch in failed], {ids[fetch.username] for fetch in failed}
    return {"ask_again": ask_again(min(days), max(days), people, key.path[-1])}


def oddities_check(
    key: dg.AssetKey,
    check_name: str,
    oddities: Sequence[Oddity],
    ids: Mapping[str, str],
    site_url: str,
) -> dg.AssetCheckEvaluation:
    """Return a check that fails where there is something odd: whose, in which document, and what.

    Args:
        key: of the asset.
        check_name: of the check.
        oddities: what is odd.
        ids: by username, of whom it is about; nothing is said of anybody else.
        site_url: where the status page is.
    """
    lines = [
        f"- {status_link(ids[one.username], site_url)}: {one.text}"
        for one in oddities
        if one.username in ids
    ]
    number = len(lines)
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"- and {number - MAX_LINES} more"]
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=check_name,
        passed=not number,
        description="\n".join(lines) or DESCRIPTIONS[check_name],
        metadata={"odd": number},
    )


def no_sudden_loss(
    key: dg.AssetKey, losses: Sequence[DaysToFetchAgain], ids: Mapping[str, str], site_url: str
) -> dg.AssetCheckEvaluation:
    """Return a check that fails until documents are back, or their loss is confirmed."""
    lines = [
        f"- {status_link(ids[days.username], site_url)}: {days.reason} "
        f"({_span([days.first_day, days.last_day])})"
        for days in losses
        if days.username in ids
    ]
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=KEPT,
        passed=not lines,
        description="\n".join(lines) or DESCRIPTIONS[KEPT],
        metadata={"people": len(lines)},
    )


def fields_known(
    key: dg.AssetKey, unknown: Sequence[str], days: Sequence[date] | None
) -> dg.AssetCheckEvaluation:
    """Return a failed check when documents hold fields that the table of types does not know."""
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=FIELDS_KNOWN,
        passed=not unknown,
        severity=dg.AssetCheckSeverity.WARN,
        description="Oura sends fields that are not in catalog/document_types.py; they are kept in "
        f"the column `document`: {', '.join(unknown)}"
        if unknown
        else "All fields are known.",
        metadata={"unknown_fields": list(unknown)},
        partition=span_key(days) if days else None,
    )


def values_in_range(
    key: dg.AssetKey, outside: dict[str, int], days: Sequence[date] | None
) -> dg.AssetCheckEvaluation:
    """Return a failed check when numbers are out of range: which fields and how often."""
    # Never the values: they are health data, and everybody who sees Dagster would see them.
    lines = [f"{field}: {count} documents" for field, count in sorted(outside.items())]
    return dg.AssetCheckEvaluation(
        asset_key=key,
        check_name=IN_RANGE,
        passed=not outside,
        severity=dg.AssetCheckSeverity.WARN,
        description="\n".join(lines) or "All numbers are within their range.",
        metadata={field.replace(".", "_"): count for field, count in outside.items()},
        partition=span_key(days) if days else None,
    )


def _span(days: Sequence[date]) -> str:
    first, last = min(days), max(days)
    return f"{first} to {last}" if first < last else str(first)
