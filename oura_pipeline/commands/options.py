"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, TypeVar

import click

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType, get_document_type

Body = TypeVar("Body", bound=Callable[..., Any])


def day_option(
    flag: str, name: str, text: str, *, required: bool = False
) -> Callable[[Body], Body]:
    """Return an option whose value is a day."""
    return click.option(
        flag,
        name,
        metavar="DAY",
        type=click.DateTime(formats=["%Y-%m-%d"]),
        callback=_date,
        required=required,
        help=text,
    )


def _date(_: click.Context, __: click.Parameter, value: datetime | None) -> date | None:
    return value.date() if value else None


def _document_types(
    _: click.Context, __: click.Parameter, names: tuple[str, ...]
) -> list[DocumentType]:
    try:
        return [get_document_type(name) for name in names] or list(DOCUMENT_TYPES)
    except LookupError as error:
        raise click.BadParameter(str(error.args[0])) from None


people_option = click.option(
    "--person", "usernames", multiple=True, help="A username; repeatable. Default: everybody."
)
types_option = click.option(
    "--type",
    "document_types",
    multiple=True,
    callback=_document_types,
    help="A document type; repeatable. Default: all.",
)
last_days_option = click.option("--last", "count", type=click.IntRange(1), help="The last N days.")
