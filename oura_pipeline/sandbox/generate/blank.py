"""Documents with everything that may be null set to null."""

from __future__ import annotations

from typing import Any

from oura_pipeline.sandbox.catalog import BY_NAME
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.generate.plan import Plan

Document = dict[str, Any]


def blank(collection: str, document: Document) -> Document:
    """Set every field of `document` to null that Oura's schema lets be null, and return it."""
    for path in BY_NAME[collection].nullable:
        *parents, leaf = path.split(".")
        inner: Any = document
        for parent in parents:
            # A parent can be null itself, and its path came first.
            inner = inner.get(parent) if isinstance(inner, dict) else None
        if isinstance(inner, dict):
            inner[leaf] = None
    return document


def blank_on_sparse_day(life: Life, plan: Plan, collection: str, document: Document) -> Document:
    """Return `document`, or its blank on the day on which the sparse person's are blank."""
    return blank(collection, document) if is_blank_day(life, plan) else document


def is_blank_day(life: Life, plan: Plan) -> bool:
    """Return whether this is the day of a fortnight on which the sparse person has no values."""
    # The rest of the fortnight is as usual: a field must be known somewhere, too.
    return "sparse" in life.person.habits and life.turn(plan.day, 14) == 3
