"""Tokens of people who are not here, kept under an id alone until Oura has taken them back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, delete, insert

from oura_pipeline.accounts import schema
from oura_pipeline.accounts.base import GONE, now
from oura_pipeline.days import digest


def forget_gone(connection: Connection, oura_id: str | None) -> None:
    """Delete what is left of an earlier time, if anything, of somebody who has come back."""
    # They have consented anew, and revoking the old consent might end the new one.
    if oura_id is not None:
        people = schema.people.c
        theirs = (people.state == GONE, people.oura_id == digest(oura_id))
        connection.execute(delete(schema.people).where(*theirs))


def keep_tokens(
    connection: Connection,
    tokens: Mapping[str, Any],
    *,
    person_id: str,
    oura_id: str | None,
    reason: str | None,
) -> None:
    """Keep tokens that are to be revoked, under nothing but an id.

    Args:
        connection: a transaction that has locked people and tokens.
        tokens: the columns of the table of tokens, but for the username.
        person_id: of a person who was just deleted, or that nobody has.
        oura_id: Oura's id of them.
        reason: why the tokens are not revoked yet.
    """
    forget_gone(connection, oura_id)  # the newest tokens of an account are the ones that count
    person = {
        "username": person_id,
        "id": person_id,
        "state": GONE,
        "error": reason,
        # So that it is noticed when they come back.
        "oura_id": oura_id and digest(oura_id),
        "connected_since": (moment := now()),
        "joined_at": moment,
        "state_since": moment,
    }
    connection.execute(insert(schema.people).values(person))
    connection.execute(insert(schema.tokens).values(dict(tokens) | {"username": person_id}))
