"""Requests of sensors for runs: some people, document types and days."""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import digest
from oura_pipeline.defs.graphite_assets import points_key
from oura_pipeline.defs.oura_assets import document_key
from oura_pipeline.defs.partitions import HISTORY_TAG, range_tags


def set_digest(texts: Iterable[str]) -> str:
    """Return a short digest of a set of texts: a run key must not grow with the people."""
    return digest("\n".join(sorted(texts)))[:16]


def asset_keys(document_types: Iterable[str]) -> list[dg.AssetKey]:
    """Return the keys of documents and points of these document types, given by name."""
    names = set(document_types)
    return [
        key
        for document_type in DOCUMENT_TYPES
        if document_type.name in names
        for key in (document_key(document_type), points_key(document_type))
    ]


def sync_request(
    people: Iterable[str],
    document_types: Iterable[str],
    days: tuple[date, date],
    run_key: str,
    *,
    share: float = 1.0,
    history: str = "",
) -> dg.RunRequest:
    """Return a run of the job `sync` for some people.

    Args:
        people: their ids.
        document_types: names of the document types.
        days: the first and the last one.
        run_key: new whenever there is a reason for a new run: Dagster keeps it for ever.
        share: the part of Oura's budget that may be used before the run waits.
        history: why it is one of those runs of which one works at a time; empty: it is none.
    """
    config = {"people": sorted(people), "share": share}
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=asset_keys(document_types),
        tags=range_tags(*days) | ({HISTORY_TAG: history} if history else {}),
        run_config={"resources": {"pipeline": {"config": config}}},
    )
