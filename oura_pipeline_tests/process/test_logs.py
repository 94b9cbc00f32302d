"""Lines of JSON in a log."""

from __future__ import annotations

import json
import logging
import sys
from concurrent.futures import ThreadPoolExecutor

from oura_pipeline.process.logs import JsonFormatter, about, inheriting


def line(message: str, **more: object) -> dict[str, object]:
    """A record as it is written now, without its time."""
    record = logging.LogRecord("oura", logging.WARNING, "x.py", 1, message, ("ten",), None)
    vars(record).update(more)
    written = JsonFormatter().format(record)
    assert "\n" not in written
    said = json.loads(written)
    assert said.pop("at").endswith("+00:00")
    return dict(said)


def test_a_line_says_what_it_is_about() -> None:
    """As long as the block lasts, and within an inner one both."""
    plain = {"level": "warning", "logger": "oura", "message": "waiting ten s"}
    with about(run="r-1"):
        with about(person="p-7f3k2m"):
            both = line("waiting %s s")
        one = line("waiting %s s", ids={"person": "p-other0"})
    assert both == plain | {"run": "r-1", "person": "p-7f3k2m"}
    assert one == plain | {"run": "r-1", "person": "p-other0"}
    assert line("waiting %s s") == plain


def test_threads_inherit_it() -> None:
    """Each on its own: what one adds, another does not have."""

    def work(person: str) -> dict[str, object]:
        with about(person=person):
            return line("%s")

    with about(run="r-1"), ThreadPoolExecutor(4) as pool:
        lines = list(pool.map(inheriting(work), ["a", "b", "c", "d"]))
    assert [(said["run"], said["person"]) for said in lines] == [("r-1", one) for one in "abcd"]


def test_a_traceback_is_part_of_its_line() -> None:
    try:
        raise ValueError("of several\nlines")
    except ValueError:
        said = line("%s", exc_info=sys.exc_info())
    assert str(said["traceback"]).endswith("ValueError: of several\nlines")
