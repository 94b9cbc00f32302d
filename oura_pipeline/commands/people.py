"""`oura-pipeline people …`: add, list, remove and import people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from rich.table import Table

from oura_pipeline.accounts.errors import AccountsError, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings


@contextmanager
def accounts() -> Iterator[Accounts]:
    """The accounts of these settings; what they refuse becomes one line."""
    try:
        with open_accounts(load_settings()) as opened:
            yield opened
    except AccountsError as error:
        raise click.ClickException(str(error)) from None


def add(
    accounts: Accounts,
    username: str,
    *,
    refresh_token: str,
    access_token: str | None,
    expires_at: datetime | None,
) -> str:
    """Add a person, or give one who is here new tokens; says which."""
    try:
        accounts.person(username)
    except UnknownPerson:
        accounts.add(
            username,
            refresh_token=refresh_token,
            access_token=access_token,
            expires_at=expires_at,
        )
        return f"Added {username}. `oura-pipeline sync --person {username}` fetches the last week."
    accounts.reconnect(
        username, refresh_token=refresh_token, access_token=access_token, expires_at=expires_at
    )
    return f"{username} was here already and has new tokens now."


def import_file(accounts: Accounts, path: Path) -> str:
    """Import the Go replicator's people; says who came and who did not."""
    done = accounts.import_go_replicator(path)
    names = [
        username if username == name else f"{username} (there {name})"
        for name, username in done.imported.items()
    ]
    lines = [f"Imported {len(names)}: {', '.join(names) or 'nobody'}."]
    if done.existing:
        lines.append(f"Here already, left alone: {', '.join(done.existing.values())}.")
    lines += [f"Not imported: {name}: {reason}" for name, reason in done.skipped.items()]
    return "\n".join(lines)


def table(accounts: Accounts) -> Table:
    """Everybody, a row each."""
    drawn = Table(header_style="bold")
    for heading in ("username", "state", "since", "token renewed", "scopes"):
        drawn.add_column(heading)
    for person in accounts.people():
        drawn.add_row(
            person.username,
            state_in_words(person),
            f"{person.connected_since:%Y-%m-%d}",
            f"{person.renewed_at:%Y-%m-%d %H:%M} UTC" if person.renewed_at else "never",
            "not known" if person.scopes is None else " ".join(sorted(person.scopes)),
        )
    return drawn


def state_in_words(person: Person) -> str:
    """Whether a person's data can be fetched, and if not what helps."""
    if person.state is PersonState.SIGN_IN_REQUIRED:
        return f"[red]must sign in again[/red]: {person.error}"
    return person.state.value
