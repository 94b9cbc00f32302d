"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import click

from oura_pipeline.catalog.document_types import (
    DOCUMENT_TYPES,
    DocumentType,
    get_document_type,
    get_fetched_type,
)
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings

Body = TypeVar("Body", bound=Callable[..., Any])


def day_option(
    flag: str, name: str, text: str, *, required: bool = False
) -> Callable[[Body], Body]:
    """Return an option whose value is a day."""
    # click has no type for days; without formats it would also take times of day.
    type_ = click.DateTime(formats=["%Y-%m-%d"])
    options: dict[str, Any] = {"type": type_, "callback": _date, "required": required}
    return click.option(flag, name, metavar="DAY", help=text, **options)


def check_order(first: date, last: date) -> None:
    """Raise UsageError for a first day that is after the last."""
    if first > last:
        raise click.UsageError(f"--from {first} is after --to {last}")


def last_days(count: int | None, newest: date, *given: date | None) -> date | None:
    """Return the first of the last days that --last counts; None without it.

    Args:
        count: how many.
        newest: the last one.
        given: what else says which days, and must not be there together with --last.
    """
    if count is None:
        return None
    if any(given):
        raise click.UsageError("use --last without --from and --to")
    return newest - timedelta(days=count - 1)


def json_option(text: str) -> Callable[[Body], Body]:
    """Return the option for output that programs read."""
    return click.option("--json", "as_json", is_flag=True, help=text)


def _date(_: click.Context, __: click.Parameter, value: datetime | None) -> date | None:
    return value.date() if value else None


def _types_option(find: Callable[[str], DocumentType]) -> Callable[[Body], Body]:
    """Return the option for document types, which are looked up by their names."""

    def look_up(
        _: click.Context, __: click.Parameter, names: tuple[str, ...]
    ) -> list[DocumentType]:
        try:
            return [find(name) for name in names] or list(DOCUMENT_TYPES)
        except LookupError as error:
            raise click.BadParameter(str(error.args[0])) from None

    return click.option(
        "--type",
        "document_types",
        multiple=True,
        callback=look_up,
        help="A document type; repeatable. Default: all.",
    )


def resolve_people(
    _: click.Context, __: click.Parameter, people: tuple[str, ...] | str | None
) -> tuple[str, ...] | str | None:
    """Return the usernames of people who were given by username or id."""
    if not people:
        return people
    with open_accounts(load_settings()) as accounts:
        by_id = accounts.people.usernames_by_id()  # no username can look like an id
    if isinstance(people, str):
        return by_id.get(people, people)
    return tuple(by_id.get(person, person) for person in people)


person_argument = click.argument("username", metavar="PERSON", callback=resolve_people)
people_option = click.option(
    "--person",
    "usernames",
    multiple=True,
    callback=resolve_people,
    help="A username or id; repeatable. Default: everybody.",
)
types_option = _types_option(get_document_type)
fetched_types_option = _types_option(get_fetched_type)
last_days_option = click.option("--last", "count", type=click.IntRange(1), help="The last N days.")
