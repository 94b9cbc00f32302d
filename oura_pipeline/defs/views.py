"""The views of the published copy: nobody materializes them, and lineage leads through them."""

import re
from collections.abc import Sequence

import dagster as dg

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.defs.described import ANALYSTS, view_metadata, where_to_read_on
from oura_pipeline.defs.oura_assets import document_key
from oura_pipeline.warehouse.tables import SCHEMA
from oura_pipeline.warehouse.views.catalogue import VIEWS, ensure_views
from oura_pipeline.warehouse.views.view import View

_READ = re.compile(rf'\b{SCHEMA}\."?(\w+)"?')
DOCUMENTS = {one.table: document_key(one) for one in DOCUMENT_TYPES}


def view_key(view: View) -> dg.AssetKey:
    """Return the key of the asset, which is named like the view."""
    return dg.AssetKey(["views", view.name])


def view_assets() -> Sequence[dg.AssetSpec]:
    """Return an asset for each view, downstream of the tables and views that it reads."""
    return [
        dg.AssetSpec(
            view_key(view),
            deps=upstream(view),
            description=f"{view.description} One row per {view.one_row_per}.",
            group_name="views",
            kinds={"duckdb", "view"},
            owners=ANALYSTS,
            metadata={**view_metadata(view), **where_to_read_on(ensure_views)},
        )
        for view in VIEWS
    ]


def upstream(view: View) -> list[dg.AssetKey]:
    """Return what a view reads; one that reads only what we know of days depends on all types."""
    known = DOCUMENTS | {one.name: view_key(one) for one in VIEWS}
    read = set(_READ.findall(view.sql)) & known.keys() - {view.name}
    return [known[name] for name in sorted(read)] or [*DOCUMENTS.values()]
