"""Studies and their participants: under which code, since when, and what they consented to."""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, insert, select, update

from oura_pipeline.accounts.base import Store, now, random_text, require_known
from oura_pipeline.accounts.errors import StudyRefused
from oura_pipeline.accounts.schema import participants, people, studies

CODE_LETTERS = 5
# Whole weeks, so that weekdays stay what they are; up to half a year to either side.
SHIFT_WEEKS = 26
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")  # it is a folder
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,31}")  # ids in FHIR have no _


@dataclass(frozen=True, kw_only=True)
class Participant:
    """Somebody who takes part in a study.

    Attributes:
        study: its name.
        username: theirs.
        person_id: theirs, which says nothing.
        state: of their sign-in.
        code: their pseudonym in the study.
        arm: the group that they are in; None: the study has none.
        first_day: the first day that belongs to the study.
        last_day: the last one, included; None: it goes on.
        consent_version: of the text that they agreed to.
        consented_on: when they did.
        document_types: what they agreed to; None: all.
        shift_days: by how much their dates move in an export with shifted dates.
        withdrawn_on: when they took their consent back; None: they did not.
    """

    study: str
    username: str
    person_id: str
    state: str
    code: str
    arm: str | None = None
    first_day: date
    last_day: date | None = None
    consent_version: str
    consented_on: date
    document_types: tuple[str, ...] | None = None
    shift_days: int = field(repr=False)
    withdrawn_on: date | None = None

    def consented_to(self, document_types: Sequence[str]) -> bool:
        """Return whether they agreed to all of these and have not taken it back."""
        theirs = self.document_types
        return self.withdrawn_on is None and (theirs is None or {*document_types} <= {*theirs})


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """What is said of somebody who joins a study; see `Participant`. None as code: a new one."""

    code: str | None = None
    arm: str | None = None
    first_day: date
    last_day: date | None = None
    consent_version: str
    consented_on: date
    document_types: Sequence[str] | None = None


class Studies(Store):
    """All studies."""

    def create(self, name: str) -> None:
        """Begin a study.

        Raises:
            StudyRefused: there is one of this name, or it cannot be one.
        """
        _require_match(
            _NAME, name, "a study", "letters, digits, _ and -, beginning with neither sign"
        )
        with self._database.writing(studies) as connection:
            if name in _names(connection):
                raise StudyRefused(f"there is a study {name} already")
            connection.execute(insert(studies).values(name=name, created_at=now()))

    def names(self) -> list[str]:
        """Return the names of all studies."""
        with self._database.reading() as connection:
            return _names(connection)

    def delete(self, name: str) -> None:
        """End a study and forget who took part; nobody's data is touched.

        Raises:
            StudyRefused: there is no such study.
        """
        with self._database.writing(studies) as connection:
            _require(connection, name)
            connection.execute(delete(studies).where(studies.c.name == name))

    def enroll(self, name: str, username: str, enrolment: Enrolment) -> Participant:
        """Let somebody take part, or write down a new consent of somebody who does.

        Their code stays unless another is given, and the shift of their dates always does.

        Raises:
            StudyRefused: there is no such study, the code is taken or none, or the days are wrong.
            UnknownPerson: nobody has this username.
        """
        _check(enrolment)
        theirs = (participants.c.study == name, participants.c.username == username)
        with self._database.writing(studies, participants) as connection:
            _require(connection, name)
            require_known(connection, username)
            before = connection.execute(select(participants).where(*theirs)).one_or_none()
            code = enrolment.code or (before.code if before else _new_code(connection, name))
            _require_free(connection, name, username, code)
            types = enrolment.document_types
            row = {
                **{name: getattr(enrolment, name) for name in _ENROLMENT},
                "code": code,
                "document_types": None if types is None else " ".join(sorted({*types})),
                "withdrawn_on": None,
            }
            if before:
                connection.execute(update(participants).where(*theirs).values(**row))
            else:
                row |= {"study": name, "username": username, "shift_days": _shift()}
                connection.execute(insert(participants).values(**row))
            return _found(connection, *theirs)[0]

    def withdraw(self, name: str, username: str, on: date) -> Participant:
        """Note that somebody took their consent back: no export has them from now on.

        Raises:
            StudyRefused: they do not take part, or there is no such study.
        """
        theirs = (participants.c.study == name, participants.c.username == username)
        with self._database.writing(studies, participants) as connection:
            _require(connection, name)
            if not _found(connection, *theirs):
                raise StudyRefused(f"{username} does not take part in {name}")
            connection.execute(update(participants).where(*theirs).values(withdrawn_on=on))
            return _found(connection, *theirs)[0]

    def participants(self, name: str) -> list[Participant]:
        """Return who takes or took part in a study, by code.

        Raises:
            StudyRefused: there is no such study.
        """
        with self._database.reading() as connection:
            _require(connection, name)
            return _found(connection, participants.c.study == name)

    def of_person(self, username: str) -> list[Participant]:
        """Return in what somebody takes or took part, by study."""
        with self._database.reading() as connection:
            return _found(connection, participants.c.username == username)

    def everybody(self) -> list[Participant]:
        """Return all participants of all studies, by study and code."""
        with self._database.reading() as connection:
            return _found(connection)


_ENROLMENT = ("arm", "first_day", "last_day", "consent_version", "consented_on")


def _found(connection: Connection, *conditions: ColumnElement[bool]) -> list[Participant]:
    query = (
        select(participants, people.c.id.label("person_id"), people.c.state)
        .join_from(participants, people)
        .where(*conditions)
        .order_by(participants.c.study, participants.c.code)
    )
    return [_participant(row) for row in connection.execute(query)]


def _participant(row: Row[Any]) -> Participant:
    columns = dict(row._mapping)
    types: str | None = columns.pop("document_types")
    return Participant(**columns, document_types=None if types is None else tuple(types.split()))


def _names(connection: Connection) -> list[str]:
    return list(connection.scalars(select(studies.c.name).order_by(studies.c.name)))


def _require(connection: Connection, name: str) -> None:
    known = _names(connection)
    if name not in known:
        there_are = f"there are {', '.join(known)}" if known else "there is none yet"
        raise StudyRefused(f"there is no study {name!r}; {there_are}")


def _require_free(connection: Connection, name: str, username: str, code: str) -> None:
    _require_match(_CODE, code, "a code", "letters, digits and -, not beginning with -")
    others = (participants.c.study == name, participants.c.username != username)
    if code in set(connection.scalars(select(participants.c.code).where(*others))):
        raise StudyRefused(f"somebody else has the code {code} in {name}: choose another")


def _new_code(connection: Connection, name: str) -> str:
    taken = set(connection.scalars(select(participants.c.code).where(participants.c.study == name)))
    while (code := f"P-{random_text(CODE_LETTERS)}") in taken:
        pass
    return code


def _shift() -> int:
    weeks = secrets.randbelow(2 * SHIFT_WEEKS) - SHIFT_WEEKS
    return 7 * (weeks if weeks < 0 else weeks + 1)  # never 0


def _check(enrolment: Enrolment) -> None:
    if enrolment.last_day and enrolment.last_day < enrolment.first_day:
        raise StudyRefused(f"{enrolment.last_day} is before {enrolment.first_day}")
    for what, text in {"consent": enrolment.consent_version, "arm": enrolment.arm}.items():
        if text is not None and not (text.strip() and text.isprintable() and len(text) <= 64):
            raise StudyRefused(f"the {what} takes a text of 1 to 64 characters in one line")


def _require_match(rule: re.Pattern[str], text: str, what: str, allowed: str) -> None:
    if not rule.fullmatch(text):
        raise StudyRefused(f"{text!r} cannot be {what}: up to 32 {allowed}")
