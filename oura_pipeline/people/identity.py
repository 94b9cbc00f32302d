"""Oura's id of a person, which says whose a sign-in is."""

from __future__ import annotations

import json

from oura_pipeline.accounts.errors import AccountsBusy
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.pipeline import Pipeline

LONGEST_ID = 256  # characters; Oura's have 36, and events with longer ones are refused


def identity_in(personal_info: bytes | str) -> str | None:
    """Return the id in Oura's answer; None: there is none that can be used."""
    found = json.loads(personal_info).get("id")
    usable = isinstance(found, str) and found.isprintable() and 0 < len(found) <= LONGEST_ID
    return found if usable else None


def learn_identity(pipeline: Pipeline, username: str) -> str:
    """Ask Oura at once whose the tokens of a person are; return why nobody knows, else nothing.

    Raises:
        PersonRefused: they are those of another Oura account than before, or of somebody else here.
    """
    try:
        found = identity_in(pipeline.client(username).personal_info().raw)
    except (OuraError, AccountsBusy) as error:
        return str(error)
    if found is None:
        return "Oura did not say whose they are"
    pipeline.accounts.people.identify(username, found)
    return ""
