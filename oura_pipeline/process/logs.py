"""Logs as text or as lines of JSON, with the run and the person that each line is about."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
Result = TypeVar("Result")

_TEXT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
_QUIET = ("alembic", "httpx")
_about: ContextVar[Mapping[str, object]] = ContextVar("about", default={})  # noqa: B039  (frozen)


def set_up(*, as_json: bool) -> None:
    """Log on stderr from now on, in this process."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if as_json else logging.Formatter(_TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


@contextmanager
def about(**ids: object) -> Iterator[None]:
    """Say in every line of the block what it is about: ids, never a name."""
    token = _about.set({**_about.get(), **ids})
    try:
        yield
    finally:
        _about.reset(token)


def current(name: str) -> object:
    """Return an id of what the lines are about now; empty: there is none of this name."""
    return _about.get().get(name, "")


def inheriting(function: Callable[P, Result]) -> Callable[P, Result]:
    """Return a function that threads of a pool call as if they were this one."""
    context = copy_context()
    # A copy for each call: two threads cannot be in one context.
    return lambda *args, **kwargs: context.copy().run(function, *args, **kwargs)


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; `extra={"ids": {…}}` adds to what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_about.get(),
            **getattr(record, "ids", {}),
        }
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)
