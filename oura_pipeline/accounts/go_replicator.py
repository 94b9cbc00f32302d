"""The import of people from the Go replicator's file `user_creds.json`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import EncryptedStore
from oura_pipeline.accounts.errors import ImportRefused
from oura_pipeline.accounts.people import SignIn, insert_person
from oura_pipeline.accounts.usernames import suggested_username

_MAX_BYTES = 10_000_000
_LONGEST_TEXT = 10_000  # characters
_UNKNOWN_YEAR = 1  # Go writes a time that is not set as 0001-01-01T00:00:00Z


@dataclass(frozen=True, kw_only=True)
class Import:
    """What became of the people in the file; the keys are their names in it.

    Attributes:
        imported: the usernames of the new people, not always their names in the file.
        existing: the usernames of those who were here already and were left alone.
        skipped: why the others were not imported and what to do.
    """

    imported: Mapping[str, str] = field(default_factory=dict)
    existing: Mapping[str, str] = field(default_factory=dict)
    skipped: Mapping[str, str] = field(default_factory=dict)


class GoReplicator(EncryptedStore):
    """The import of the Go replicator's people."""

    def load(self, path: Path) -> Import:
        """Add everybody in the file who is not here yet; their scopes are not known.

        Raises:
            ImportRefused: the file cannot be read or has bad entries; nobody was added.
        """
        # A file with one bad entry is refused as a whole: half an import is hard to undo.
        entries = read_user_creds(path)
        with self._database.writing(schema.people, schema.tokens) as connection:
            plan = _plan(entries, _here(connection))
            for name, username in plan.imported.items():
                insert_person(connection, self._cipher, username, entries[name])
        return plan


def read_user_creds(path: Path) -> dict[str, SignIn]:
    """Return the people in a `user_creds.json`, by their names in it.

    Raises:
        ImportRefused: it cannot be read or has bad entries; the message names the first ones.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        document = json.loads(content) if len(content) <= _MAX_BYTES else None
    except OSError as error:
        raise ImportRefused(path, [f"it cannot be read: {error.strerror}"]) from None
    except (ValueError, RecursionError):
        raise ImportRefused(path, ["it is not JSON"]) from None
    if not isinstance(document, dict):
        raise ImportRefused(path, ["it is not an object with one entry per person"])
    entries, problems = {}, []
    for name, entry in document.items():
        try:
            entries[name] = _sign_in(entry)
        except _BadEntry as problem:
            problems.append(f"{_shown(name)}: {problem}")
    problems += _shared_ids(entries)
    if problems:
        raise ImportRefused(path, problems)
    return entries


class _BadEntry(Exception):
    """What is wrong with one entry, without what it says."""


def _sign_in(entry: Any) -> SignIn:
    token = _object(entry, "OauthToken")
    if token is None:
        raise _BadEntry("OauthToken is missing")
    refresh_token = _text(token, "refresh_token")
    if refresh_token is None:
        raise _BadEntry("OauthToken.refresh_token is missing; this person must sign in again")
    info = _object(entry, "PI") or {}
    return SignIn(
        refresh_token=refresh_token,
        access_token=_text(token, "access_token"),
        expires_at=_expiry(_text(token, "expiry")),
        oura_id=_text(info, "id"),
        name=_text(entry, "Name"),
    )


def _object(entry: Any, key: str) -> dict[str, Any] | None:
    if not isinstance(entry, dict):
        raise _BadEntry("it is not an object")
    value = entry.get(key)
    if value is not None and not isinstance(value, dict):
        raise _BadEntry(f"{key} is not an object")
    return value


def _text(values: dict[str, Any], key: str) -> str | None:
    text = values.get(key)
    if text is not None and not isinstance(text, str):
        raise _BadEntry(f"{key} is not a text")
    # No header takes a token with a line break, and no database a zero.
    if text and (len(text) > _LONGEST_TEXT or not text.isprintable()):
        raise _BadEntry(f"{key} is too long, or has characters that cannot be printed")
    return text or None


def _shown(name: str) -> str:
    """Return a name from the file on one line, whatever it consists of."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:40])


def _expiry(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        expiry = datetime.fromisoformat(text)
    except ValueError:
        raise _BadEntry("OauthToken.expiry is not a time like 2026-01-31T12:00:00Z") from None
    if expiry.tzinfo is None:
        raise _BadEntry("OauthToken.expiry has no zone; it ends in Z or +00:00")
    try:
        return None if expiry.year == _UNKNOWN_YEAR else expiry.astimezone(UTC)
    except OverflowError:  # in the last hours of the year 9999
        raise _BadEntry("OauthToken.expiry is not a time like 2026-01-31T12:00:00Z") from None


def _shared_ids(entries: Mapping[str, SignIn]) -> list[str]:
    ids = Counter(entry.oura_id for entry in entries.values() if entry.oura_id)
    return [
        f"{_shown(name)}: PI.id is the same as another person's; keep one of them"
        for name, entry in entries.items()
        if entry.oura_id and ids[entry.oura_id] > 1
    ]


def _here(connection: Connection) -> dict[str, str | None]:
    """Return the Oura ids of everybody, by username."""
    people = schema.people.c
    found = connection.execute(select(people.username, people.oura_id))
    return {row.username: row.oura_id for row in found}


def _plan(entries: Mapping[str, SignIn], here: Mapping[str, str | None]) -> Import:
    """Decide who is imported, and under which username."""
    # A name that has to be changed gives way to everybody who can keep theirs.
    owners = {oura_id: username for username, oura_id in here.items() if oura_id}
    wanted = {name: suggested_username(name) for name in entries}
    claims = Counter(wanted.values())
    imported, existing, skipped = {}, {}, {}
    for name, entry in entries.items():
        username = wanted[name]
        if entry.oura_id in owners:
            existing[name] = owners[entry.oura_id]
        elif name in here and None in (here[name], entry.oura_id):
            existing[name] = name
        elif name in here:
            skipped[name] = f"{name} is here with another Oura account; rename one of them"
        elif username is None:
            skipped[name] = "no username can be made of it; give it another name in the file"
        elif username != name and (username in here or claims[username] > 1):
            skipped[name] = (
                f"{username} would fit but is not free; give it another name in the file"
            )
        else:
            imported[name] = username
    return Import(imported=imported, existing=existing, skipped=skipped)
