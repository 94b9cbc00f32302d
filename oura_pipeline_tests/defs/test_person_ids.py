"""What Dagster would record of errors, and texts of its records with names put in."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable, Iterator
from typing import Any

import dagster as dg
import duckdb
import pytest
from sqlalchemy.exc import OperationalError

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.definitions import defs
from oura_pipeline.defs import person_ids
from oura_pipeline.defs.person_ids import TextWithheld, nameless, status_link, with_usernames
from oura_pipeline.warehouse.errors import WarehouseBusy

NAME = "zebulon-q"


def recorded(error: Exception) -> str:
    """Raise an error, caused by one that names somebody, in a body; what Python tells of it."""

    @nameless
    def body() -> None:
        raise error from RuntimeError(NAME)

    with pytest.raises(Exception) as raised:  # noqa: PT011  which one is what is tested
        body()
    # Dagster records the same: classes, texts, notes, causes.
    return "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (KeyError(NAME), "TextWithheld: KeyError: its text may be about somebody"),
        (FileExistsError(17, "File exists", NAME), "TextWithheld: FileExistsError: File exists"),
        (
            OperationalError(
                f"UPDATE people SET x = '{NAME}'", {"x": NAME}, Exception("disk full")
            ),
            "TextWithheld: OperationalError: disk full",
        ),
        (duckdb.OutOfMemoryException("out of memory\n…"), "OutOfMemoryException: out of memory"),
        (ExceptionGroup("many", [KeyError(NAME)]), "TextWithheld: ExceptionGroup: its text"),
        # Nobody of that name is here, so no list of names would find it.
        (UnknownPerson([NAME], []), "TextWithheld: UnknownPerson: its text"),
        (WarehouseBusy("close it there"), "WarehouseBusy: close it there\n"),
        (dg.Failure("nobody landed"), "Failure"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_texts_that_may_name_somebody_are_withheld(error: Exception, kept: str) -> None:
    """The class and the place stay; of this project's errors the text, and of none the cause."""
    text = recorded(error)
    assert kept in text
    assert "in body" in text
    assert NAME not in text


def test_a_check_can_fail_between_two_results() -> None:
    @nameless
    def checks() -> Iterator[int]:
        yield 1
        raise KeyError(NAME)

    results = checks()
    assert next(results) == 1
    with pytest.raises(TextWithheld):
        next(results)


def test_every_body_that_dagster_runs_withholds_texts() -> None:
    """Those of assets, checks, ops, sensors and schedules, however they were defined."""
    bodies = dict(defined_bodies())
    assert len(bodies) > 80
    assert [name for name, body in bodies.items() if not withholds(body)] == []


def defined_bodies() -> Iterator[tuple[str, Callable[..., Any]]]:
    repository = defs.get_repository_def()
    for job in repository.get_all_jobs():
        for op in job.graph.iterate_op_defs():
            yield op.name, getattr(op.compute_fn, "decorated_fn", op.compute_fn)
    for sensor in repository.sensor_defs:
        yield f"sensor {sensor.name}", sensor._raw_fn
    for schedule in repository.schedule_defs:
        body: Any = schedule._execution_fn
        body = getattr(body, "decorated_fn", body)
        if not body.__module__.startswith("dagster."):  # its own, of a schedule without a function
            yield f"schedule {schedule.name}", body


def withholds(body: Callable[..., Any]) -> bool:
    """Whether a function, or one that it wraps, is what `nameless` returned."""

    def found(function: Callable[..., Any]) -> bool:
        return function.__code__.co_filename == person_ids.__file__

    return found(inspect.unwrap(body, stop=found))


def test_ids_in_a_text_become_names() -> None:
    """Where somebody is gone the id stays; a link to the status page becomes plain text."""
    link = status_link("p-abc234", "https://rings.example")
    text = f"- {link}: no scope\n- {status_link('p-xyz789', '')}: no answer"
    assert with_usernames(text, {"p-abc234": NAME}) == (f"{NAME}: no scope\np-xyz789: no answer")
