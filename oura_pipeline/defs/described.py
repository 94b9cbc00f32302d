"""What Dagster's UI shows of an asset beside its days: columns, table, owner, code, links."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg

from oura_pipeline.catalog import document_types
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.catalog.metrics import known_metrics
from oura_pipeline.days import ONE_DAY
from oura_pipeline.defs.run_requests import JOB, LOCATION
from oura_pipeline.settings import load_settings
from oura_pipeline.warehouse.tables import SCHEMA, columns
from oura_pipeline.warehouse.views.view import View

OPERATORS, ANALYSTS = ["team:operators"], ["team:analysts"]
OURA_DOCUMENTATION = "https://cloud.ouraring.com/v2/docs"
_GUIDE = Path(__file__).parents[2] / "docs" / "dagster.md"  # in a checkout; a wheel has none
_ALWAYS = frozenset({"username", "day", "document", "fetched_at", "run_id"})

Metadata = dict[str, Any]

# Its schedules stand on its page. An asset's own lists none: the job is ops, which name no assets.
SYNCED: Metadata = {"synced_by": dg.MetadataValue.job(JOB, LOCATION)}


def table_metadata(document_type: DocumentType) -> Metadata:
    """Return what is known of the table of a document type."""
    described = (
        dg.TableColumn(
            name=column.name,
            type=column.sql_type,
            description=column.comment,
            constraints=dg.TableColumnConstraints(nullable=column.name not in _ALWAYS),
        )
        for column in columns(document_type)
    )
    return {
        "dagster/table_name": f"{SCHEMA}.{document_type.table}",
        "dagster/column_schema": dg.TableSchema(columns=list(described)),
        "oura_documentation": dg.MetadataValue.url(OURA_DOCUMENTATION),
    }


def metrics_metadata(document_type: DocumentType) -> Metadata:
    """Return the metrics that documents of a type become, as if they were columns."""
    a_day = int(ONE_DAY.total_seconds())
    described = (
        dg.TableColumn(
            name=f"{metric.series}.{metric.name}",
            type="once a day" if metric.interval >= a_day else f"every {metric.interval} s",
        )
        for metric in known_metrics(document_type)
    )
    return {"dagster/column_schema": dg.TableSchema(columns=list(described))}


def view_metadata(view: View) -> Metadata:
    """Return what is known of a view."""
    described = (
        # Its type follows from the query; only DuckDB knows it.
        dg.TableColumn(name=column.name, type="", description=column.comment)
        for column in view.columns
    )
    return {
        "dagster/table_name": f"{SCHEMA}.{view.name}",
        "dagster/column_schema": dg.TableSchema(columns=list(described)),
        "one_row_per": view.one_row_per,
        "definition": view.definition,
    }


def described(
    asset: dg.AssetsDefinition,
    *code: Callable[..., Any],
    freshness_policy: dg.FreshnessPolicy | None = None,
) -> dg.AssetsDefinition:
    """Return an asset of the operator's with its code, owner and links."""
    more = where_to_read_on(*code)
    return asset.map_asset_specs(
        lambda spec: spec.replace_attributes(
            owners=OPERATORS, metadata={**spec.metadata, **more}, freshness_policy=freshness_policy
        )
    )


def where_to_read_on(*code: Callable[..., Any], row: str = "") -> Metadata:
    """Return the places of an asset's code and guide, and the status page.

    Args:
        code: the functions that make it.
        row: the name of its row in the table of document types; empty: it has none.
    """
    references = [_of_function(one) for one in code]
    if row:
        references.append(_of_row(row))
    if _GUIDE.exists():
        references.append(dg.LocalFileCodeReference(file_path=str(_GUIDE), label="the guide"))
    return {
        "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=references),
        "status": dg.MetadataValue.url(f"{load_settings().site.url}/status"),
    }


def _of_function(function: Callable[..., Any]) -> dg.LocalFileCodeReference:
    code = function.__code__
    return dg.LocalFileCodeReference(
        file_path=code.co_filename, line_number=code.co_firstlineno, label=function.__name__
    )


def _of_row(name: str) -> dg.LocalFileCodeReference:
    return dg.LocalFileCodeReference(
        file_path=str(document_types.__file__),
        line_number=_lines_of_rows().get(name),
        label="its row",
    )


@cache
def _lines_of_rows() -> dict[str, int]:
    lines = Path(str(document_types.__file__)).read_text(encoding="utf-8").splitlines()
    return {
        line.split('"')[1]: number
        for number, line in enumerate(lines, start=1)
        if line.startswith('    name="')
    }
