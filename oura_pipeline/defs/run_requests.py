"""Runs for some people, document types and days: what sensors ask Dagster for.

What surprises: Dagster keeps a run key for ever, and a run's configuration until somebody scrubs
it. So people stand by name in the configuration only, and in the key as a digest.
"""

from collections.abc import Iterable
from datetime import date

import dagster as dg

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.days import digest
from oura_pipeline.defs.graphite_assets import points_key
from oura_pipeline.defs.oura_assets import document_key
from oura_pipeline.defs.partitions import range_tags

ONE_AT_A_TIME = "oura_pipeline/history"  # dagster.yaml lets one such run work at a time


def set_digest(texts: Iterable[str]) -> str:
    """Return what tells sets of texts apart without showing them."""
    return digest("\n".join(sorted(texts)))[:16]


def asset_keys(types: Iterable[str]) -> list[dg.AssetKey]:
    """Documents and points of these document types, by their names."""
    wanted = set(types)
    return [
        key
        for document_type in DOCUMENT_TYPES
        if document_type.name in wanted
        for key in (document_key(document_type), points_key(document_type))
    ]


def run_for(
    people: Iterable[str],
    types: Iterable[str],
    days: tuple[date, date],
    run_key: str,
    *,
    share: float = 1.0,
    history: str = "",
) -> dg.RunRequest:
    """A run of the job `sync` for some people.

    Args:
        people: their usernames.
        types: names of the document types.
        days: the first and the last one.
        run_key: new whenever there is a reason for a new run; without names.
        share: the part of Oura's budget that may be used before it waits.
        history: why it is one of those runs of which one works at a time; empty: it is none.
    """
    config = {"people": sorted(people), "share": share}
    return dg.RunRequest(
        run_key=run_key,
        asset_selection=asset_keys(types),
        tags=range_tags(*days) | ({ONE_AT_A_TIME: history} if history else {}),
        run_config={"resources": {"pipeline": {"config": config}}},
    )
