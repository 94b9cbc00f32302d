"""Imports without the work that nobody needs."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

# Alembic loads mako, and mako the highlighters of all languages, for error pages in HTML. Where
# they are missing it does without.
_HIGHLIGHTERS = "mako.ext.pygmentplugin"


@contextmanager
def lean_imports() -> Iterator[None]:
    """Import in the block without collecting garbage, and without what nobody uses.

    What was imported stays, so no later collection looks at it. That saves a quarter of Dagster's
    import.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with without(_HIGHLIGHTERS):
            yield
    finally:
        if collecting:
            gc.freeze()
            gc.enable()


@contextmanager
def without(module: str) -> Iterator[None]:
    """Let the block, in all threads, take a module for missing, unless it is there already."""
    left_out = module not in sys.modules
    if left_out:
        sys.modules[module] = None  # type: ignore[assignment]  # how Python forbids an import
    try:
        yield
    finally:
        if left_out:
            sys.modules.pop(module, None)


def without_pandas() -> AbstractContextManager[None]:
    """Let the block take pandas for missing.

    DuckDB imports it with the first parameter of a query, for 0.5 s and 60 MB, to see whether that
    is one of its null values.
    """
    return without("pandas")
