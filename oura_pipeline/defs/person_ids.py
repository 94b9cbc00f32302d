"""People in Dagster's records: an id that means nothing elsewhere, and never a name.

Dagster keeps runs, events, checks and ticks for ever, so nothing that a person must be able to
take back may get there. The errors of this project name nobody: whoever shows one says whom it is
about. `nameless` withholds the texts of all others, where they name somebody.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from inspect import isgeneratorfunction
from typing import ParamSpec, TypeVar, cast

from oura_pipeline.accounts.errors import AccountsError
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings

P = ParamSpec("P")
Result = TypeVar("Result")

_ID = re.compile(r"\bp-\w{6}\b")
_LINK = re.compile(r"\[(?P<id>p-\w{6})\]\([^)\s]*\)")


class NameWithheld(Exception):
    """An unexpected error whose text names a person; Dagster keeps its class and its traceback."""


def ids_by_username(accounts: Accounts) -> dict[str, str]:
    """Return everybody's id, by username."""
    return {
        username: person_id for person_id, username in accounts.people.usernames_by_id().items()
    }


def status_link(person_id: str, site_url: str) -> str:
    """Return an id as a Markdown link to the status page, which shows whose it is."""
    return f"[{person_id}]({site_url}/status#{person_id})"


def with_usernames(text: str, usernames_by_id: Mapping[str, str]) -> str:
    """Return a text out of Dagster's records as plain text with usernames, for an operator."""
    plain = _LINK.sub(lambda link: link["id"], text)
    plain = re.sub(r"^- ", "", plain, flags=re.MULTILINE)
    return _ID.sub(lambda match: usernames_by_id.get(match[0], match[0]), plain)


def nameless(body: Callable[P, Result]) -> Callable[P, Result]:
    """Withhold the text of any error of an asset, check, op or sensor that names a person.

    DuckDB quotes rows, the operating system paths, and both may hold usernames.
    """
    if isgeneratorfunction(body):

        @wraps(body)
        def generator(*args: P.args, **kwargs: P.kwargs) -> Iterator[object]:
            with _names_withheld():
                yield from cast("Iterator[object]", body(*args, **kwargs))

        return cast("Callable[P, Result]", generator)

    @wraps(body)
    def function(*args: P.args, **kwargs: P.kwargs) -> Result:
        with _names_withheld():
            return body(*args, **kwargs)

    return function


@contextmanager
def _names_withheld() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if not _names_somebody(error):
            raise
        withheld = NameWithheld(f"{type(error).__name__}, whose text names a person")
        # Without the error itself, as Dagster records the causes of an error, too.
        raise withheld.with_traceback(error.__traceback__) from None


def _names_somebody(error: BaseException) -> bool:
    try:
        with open_accounts(load_settings()) as accounts:
            usernames = list(accounts.people.usernames_by_id().values())
    except AccountsError:
        # Why the accounts cannot be opened is worth reading, and the texts of that name nobody.
        return not isinstance(error, AccountsError)
    if not usernames:
        return False
    # As a word: a part of a path, of a metric's name or of a row, but not of a longer word.
    anybody = re.compile(rf"(?<![a-z0-9])({'|'.join(map(re.escape, usernames))})(?![a-z0-9])")
    return any(anybody.search(text) for text in _texts(error))


def _texts(error: BaseException | None) -> Iterator[str]:
    """Yield what Dagster would record of an error and of those that it came from."""
    while error is not None:
        yield str(error)
        yield repr(error)
        yield from getattr(error, "__notes__", ())
        yield str(getattr(error, "description", ""))
        error = error.__cause__ or error.__context__
