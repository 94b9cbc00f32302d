"""`oura-pipeline people …`: add, list, import, disconnect, export and remove people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path

import click
from rich.table import Table

from oura_pipeline.accounts.errors import AccountsError, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.exports.person import README, ExportRefused, export_person
from oura_pipeline.people import leave
from oura_pipeline.pipeline import open_accounts, open_pipeline
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
    sign_in = SignIn(refresh_token=refresh_token, access_token=access_token, expires_at=expires_at)
    try:
        accounts.people.get(username)
    except UnknownPerson:
        accounts.people.add(username, sign_in)
        return f"Added {username}. `oura-pipeline sync --person {username}` fetches the last week."
    accounts.people.reconnect(username, sign_in)
    return f"{username} was here already and has new tokens now."


def import_file(accounts: Accounts, path: Path) -> str:
    """Import the Go replicator's people; says who came and who did not."""
    done = accounts.go_replicator.load(path)
    names = [
        username if username == name else f"{username} (there {name})"
        for name, username in done.imported.items()
    ]
    lines = [f"Imported {len(names)}: {', '.join(names) or 'nobody'}."]
    if done.existing:
        lines.append(f"Here already, left alone: {', '.join(done.existing.values())}.")
    lines += [f"Not imported: {name}: {reason}" for name, reason in done.skipped.items()]
    return "\n".join(lines)


def export(username: str, folder: Path) -> list[str]:
    """Write everything there is of a person into a new folder; says what."""
    try:
        with open_pipeline() as pipeline:
            exported = export_person(pipeline, username, folder)
    except ExportRefused as error:
        raise click.ClickException(str(error)) from None
    documents = sum(exported.documents.values())
    return [
        f"Wrote {documents} documents of {len(exported.documents)} types to {exported.path}. "
        f"{README} says what each file is."
    ]


def disconnect(username: str) -> list[str]:
    """Fetch nothing of a person any more; says whether Oura knows."""
    with open_pipeline() as pipeline:
        revocation = leave.disconnect(pipeline, username)
    return [f"Nothing of {username} is fetched any more; their data stays.", *_told(revocation)]


def what_goes(username: str, *, keep_data: bool) -> list[str]:
    """What removing a person means, before anything is done.

    Raises:
        UnknownPerson: nobody has this username.
    """
    if keep_data:
        with accounts() as known:
            known.people.get(username)
        return ["Their tokens and ledgers go; documents and points stay."]
    with open_pipeline() as pipeline:
        pipeline.accounts.people.get(username)
        rows = pipeline.warehouse.rows_of(username)
        graphite = leave.whisper_paths(pipeline, username)
    counted = ", ".join(f"{many} {name}" for name, many in rows.items()) or "none"
    return [
        f"Everything of {username} goes, for good:",
        f"documents: {counted};",
        "the published copy is replaced, but whoever has the old one open keeps reading it;",
        "their points in the file of points, their files in OURA_EXPORTS, their name in Dagster's "
        "records;",
        "their consent at Oura, tokens, ledgers and events.",
        f"`oura-pipeline people export {username}` writes a copy first.",
        f"What stays: {graphite.lines[0]}",
    ]


def remove(username: str, *, keep_data: bool) -> Iterator[str]:
    """Remove a person, step by step; says what was done and what Graphite holds still."""
    if keep_data:
        with open_pipeline() as pipeline:
            # Not `leave`: a daemon would delete the data of who left.
            revocation = leave.disconnect(pipeline, username)
            pipeline.accounts.removal.delete(username)
        yield f"Removed {username}; documents and points are still there."
        yield from _told(revocation)
        return
    # Dagster takes two seconds to import, and the other commands of this module do without.
    from oura_pipeline.defs.scrub_names import forget_in, runs_under_way
    from oura_pipeline.defs.storage import project_instance

    with open_pipeline() as pipeline, project_instance() as instance:
        yield from _told(leave.leave(pipeline, username))
        left = pipeline.accounts.people.get(username).state_since
        if busy := runs_under_way(instance, left):
            raise click.ClickException(
                f"{busy} runs that began before may still land documents of {username}, of whom "
                "nothing is fetched any more: type this again when the runs are over, or leave "
                "the rest to the daemon"
            )
        try:
            deleted = leave.delete_everything(pipeline, username, partial(forget_in, instance))
        except OSError as error:
            raise click.ClickException(
                f"{error}. Type this again when that is put right."
            ) from None
    yield (
        f"Deleted everything of {username}: {deleted.rows} documents, {deleted.lines} points of "
        f"the file, {deleted.files} exported files, {deleted.elsewhere} places in Dagster's "
        "records, tokens and ledgers."
    )
    yield from deleted.graphite.lines


def _told(revocation: leave.Revocation) -> list[str]:
    """Whether Oura knows, in a line."""
    if revocation.done:
        return ["Their consent is given back at Oura."]
    return [f"Their consent is not given back at Oura yet: {revocation.reason}"]


def table(accounts: Accounts) -> Table:
    """Everybody, a row each."""
    drawn = Table(header_style="bold")
    for heading in ("id", "username", "state", "since", "token renewed", "scopes"):
        drawn.add_column(heading)
    for person in accounts.people.all():
        drawn.add_row(
            person.id,
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
