"""People in Dagster's records: an id that means nothing elsewhere, and never a name.

Dagster keeps runs, events, checks and ticks for ever, so nothing that a person must be able to
take back may get there. The errors of this project hold nothing of anybody: whoever shows one says
whom it is about. `nameless` withholds the texts of all others.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from inspect import isgeneratorfunction
from typing import ParamSpec, TypeVar, cast

import duckdb
from sqlalchemy.exc import OperationalError

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.exports.views import ViewExportError
from oura_pipeline.process import interrupts
from oura_pipeline.sync.storage_failures import storage_failure

P = ParamSpec("P")
Result = TypeVar("Result")

# For the command line and the site, where names belong.
_NAME_SOMEBODY = (PersonRefused, UnknownPerson, ViewExportError)
_END = object()
_WITHHELD = "its text may be about somebody; Dagster's UI shows where it was raised"
_ID = re.compile(r"\bp-\w{6}\b")
_LINK = re.compile(r"\[(?P<id>p-\w{6})\]\([^)\s]*\)")


class TextWithheld(Exception):
    """An unexpected error without its text; Dagster keeps its class and its traceback."""


def status_link(person_id: str, site_url: str) -> str:
    """Return an id as a Markdown link to the status page, which shows whose it is."""
    return f"[{person_id}]({site_url}/status#{person_id})"


def with_usernames(text: str, usernames_by_id: Mapping[str, str]) -> str:
    """Return a text out of Dagster's records as plain text with usernames, for an operator."""
    plain = _LINK.sub(lambda link: link["id"], text)
    plain = re.sub(r"^- ", "", plain, flags=re.MULTILINE)
    return _ID.sub(lambda match: usernames_by_id.get(match[0], match[0]), plain)


def nameless(body: Callable[P, Result]) -> Callable[P, Result]:
    """Withhold the text of any unexpected error of an asset, check, op or sensor.

    DuckDB quotes rows, the operating system paths: they hold names and values of somebody's health.
    """
    if isgeneratorfunction(body):

        @wraps(body)
        def generator(*args: P.args, **kwargs: P.kwargs) -> Iterator[object]:
            iterator = cast("Iterator[object]", body(*args, **kwargs))
            # Anew for each part: in between, Dagster puts its own handlers of signals in place.
            while True:
                with _texts_withheld():
                    part = next(iterator, _END)
                if part is _END:
                    return
                yield part

        return cast("Callable[P, Result]", generator)

    @wraps(body)
    def function(*args: P.args, **kwargs: P.kwargs) -> Result:
        with _texts_withheld():
            return body(*args, **kwargs)

    return function


@contextmanager
def _texts_withheld() -> Iterator[None]:
    interrupts.check()  # between steps
    try:
        # Dagster's handlers raise at any byte code, in the middle of opening DuckDB too.
        with interrupts.deferred():
            yield
    except Exception as error:
        # Without the errors that it came from: Dagster records those, too.
        raise withheld(error) from None


def withheld(error: Exception) -> Exception:
    """Return an error, or what takes the place of one whose text may be about somebody."""
    if _is_safe(error):
        return error
    text = storage_failure(error, to_operator=False)
    instead = TextWithheld(text or f"{type(error).__name__}: {_reason(error)}")
    return instead.with_traceback(error.__traceback__)


def _reason(error: Exception) -> str:
    """Return the part of an error's text that never holds anybody's data."""
    match error:
        case OSError(strerror=str(reason)):  # the path is left out
            return reason
        case OperationalError(orig=BaseException()):  # the rows of the statement are left out
            return str(error.orig).partition("\n")[0]
        case duckdb.OutOfMemoryException():
            return str(error).partition("\n")[0]
        case _:
            return _WITHHELD


def _is_safe(error: Exception) -> bool:
    package = type(error).__module__.partition(".")[0]
    return package in ("oura_pipeline", "dagster") and not isinstance(error, _NAME_SOMEBODY)
