"""`oura-pipeline people`: who signed in."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TextIO

import click

from oura_pipeline.accounts.errors import PersonRefused, UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState, SignIn
from oura_pipeline.accounts.removal import Unrevoked
from oura_pipeline.commands.console import console, counted, print_lines, table_with
from oura_pipeline.commands.import_export import run_import
from oura_pipeline.commands.options import json_option, person_argument, resolve_people
from oura_pipeline.exports.person import README, export_person
from oura_pipeline.member_export.errors import ExportRefused
from oura_pipeline.people import leave
from oura_pipeline.people.identity import learn_identity
from oura_pipeline.pipeline import Pipeline, open_accounts, open_pipeline
from oura_pipeline.settings import load_settings


@click.group()
def people() -> None:
    """Add, list, export and remove people.

    A PERSON is a username or an id; `people list` shows both.
    """


@people.command("add")
@click.argument("username")
@click.option("--token-file", type=click.File(), help="A file with the token; - is stdin.")
def add(username: str, token_file: TextIO | None) -> None:
    """Add a person, or give them a new token.

    Their refresh token, from Oura's OAuth, is asked for, or read from stdin or a file: other
    programs can read what stands on a command line. It is used once, then renewed.
    """
    if token_file is None and sys.stdin.isatty():
        token = click.prompt("Refresh token", hide_input=True)
    else:
        token = (token_file or sys.stdin).read()
    if len(token.split()) != 1:
        raise click.UsageError("there must be one refresh token, and nothing else")
    sign_in = SignIn(refresh_token=token.strip())
    with open_pipeline() as pipeline:
        people, removal = pipeline.accounts.people, pipeline.accounts.removal
        try:
            people.get(username)
        except UnknownPerson:
            people.add(username, sign_in)
            _learn_identity(pipeline, username, otherwise=removal.delete)
            print_lines(
                f"Added {username}. `oura-pipeline sync --person {username}` fetches the last week."
            )
        else:
            people.reconnect(username, sign_in)
            _learn_identity(pipeline, username, otherwise=removal.disconnect)
            print_lines(f"{username} is already here and has a new token now.")


@people.command("list")
@json_option("Print people as a JSON array.")
def list_people(*, as_json: bool) -> None:
    """List people and the state of their sign-in."""
    if as_json:
        with open_accounts(load_settings()) as accounts:
            click.echo(json.dumps([_described(person) for person in accounts.people.all()]))
        return
    table = table_with("id", "username", "state", "since", "token renewed", "scopes")
    with open_accounts(load_settings()) as accounts:
        unrevoked = accounts.removal.unrevoked()
        for person in accounts.people.all():
            table.add_row(
                person.id,
                person.username,
                _state(person),
                f"{person.connected_since:%Y-%m-%d}",
                f"{person.renewed_at:%Y-%m-%d %H:%M} UTC" if person.renewed_at else "never",
                "not known" if person.scopes is None else " ".join(sorted(person.scopes)),
            )
    console.print(table)
    # Not in the table, whose cells are narrow.
    print_lines(*map(_not_given_back, unrevoked))


@people.command("export")
@person_argument
@click.option(
    "--into", type=click.Path(path_type=Path), help="A new folder; default: oura-USERNAME, here."
)
def export(username: str, into: Path | None) -> None:
    """Export all of a person's data.

    As Parquet and JSON lines, most views as CSV, with a README that describes the files.
    """
    with open_pipeline() as pipeline:
        exported = export_person(pipeline, username, into or Path(f"oura-{username}"))
    documents = sum(exported.documents.values())
    print_lines(
        f"Wrote {documents} documents of {len(exported.documents)} types to {exported.path}. "
        f"{README} describes each file."
    )


@people.command("disconnect")
@person_argument
def disconnect(username: str) -> None:
    """Stop fetching a person's data.

    What was fetched stays.
    """
    with open_pipeline() as pipeline:
        revocation = leave.disconnect(pipeline, username)
    print_lines(f"{username} is disconnected; their data stays.", _consent(revocation))


@people.command("sign-out")
@click.argument("username", metavar="PERSON", required=False, callback=resolve_people)
@click.option("--everybody", is_flag=True, help="Everybody, and the operator.")
def sign_out(username: str | None, everybody: bool) -> None:
    """Sign a person out in every browser.

    Their data is fetched as before.
    """
    if bool(username) == everybody:
        raise click.UsageError("name a PERSON, or use --everybody")
    with open_accounts(load_settings()) as accounts:
        if username:
            accounts.people.get(username)  # raises where nobody has it
            ended = accounts.sessions.end_all_of(username)
        else:
            ended = accounts.sessions.end_all()
    print_lines(f"Ended {counted(ended, 'session')} of {username or 'everybody and the operator'}.")


@people.command("remove")
@person_argument
@click.option("--keep-data", is_flag=True, help="Keep documents and points.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def remove(username: str, keep_data: bool, yes: bool) -> None:
    """Remove a person and all their data."""
    if not yes:
        print_lines(*_consequences(username, keep_data=keep_data))
        click.confirm("Remove?", abort=True)
    for line in _remove_person(username) if keep_data else _delete_everything(username):
        print_lines(line)


@people.command("invite")
@click.option(
    "--days", default=7, show_default=True, type=click.IntRange(1, 365), help="Days it is valid."
)
def invite(days: int) -> None:
    """Create an invite code and its link.

    It lets one person sign in for the first time.
    """
    settings = load_settings()
    with open_accounts(settings) as accounts:
        code = accounts.invites.create(timedelta(days=days))
    # The code is shown this once: the database has only its digest.
    click.echo(f"{code}\n{settings.site.url}/?invite={code}")


@people.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_people(path: Path) -> None:
    """Import people from the Go replicator.

    PATH is its user_creds.json.
    """
    with open_pipeline() as pipeline:
        done = pipeline.accounts.go_replicator.load(path)
        for username in done.imported.values():
            if pipeline.accounts.people.get(username).oura_id is None:
                _learn_identity(pipeline, username, otherwise=pipeline.accounts.removal.delete)
    names = [
        username if username == name else f"{username} (there {name})"
        for name, username in done.imported.items()
    ]
    print_lines(f"Imported {len(names)}: {', '.join(names) or 'nobody'}.")
    if done.existing:
        print_lines(f"Already here, unchanged: {', '.join(done.existing.values())}.")
    print_lines(*(f"Not imported: {name}: {reason}" for name, reason in done.skipped.items()))


@people.command("import-export")
@person_argument
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--new", is_flag=True, help="Add the person, without an account at Oura's API.")
def import_own_export(username: str, path: Path, new: bool) -> None:
    """Import what a person downloaded from Oura.

    PATH is the data.zip of "Export data" in Oura's Membership Hub, or its folder. It fills the days
    of which the API has given nothing, and changes no other.
    """
    with open_pipeline() as pipeline:
        if new:
            _add_without_sign_in(pipeline, username)
        try:
            run_import(pipeline, username, path)
        except UnknownPerson as error:
            raise click.ClickException(f"{error}; --new adds somebody") from None
        except ExportRefused as error:
            if new:
                pipeline.accounts.removal.delete(username)
            raise click.ClickException(f"{path} was not imported: {error}.") from None


def _add_without_sign_in(pipeline: Pipeline, username: str) -> None:
    people = pipeline.accounts.people
    try:
        people.get(username)
    except UnknownPerson:
        people.add_without_sign_in(username)
    else:
        raise click.ClickException(
            f"{username} is here already: leave --new out to add this to what is theirs, or choose "
            "another username for somebody else"
        )


def _learn_identity(
    pipeline: Pipeline, username: str, *, otherwise: Callable[[str], object]
) -> None:
    """Learn whose the tokens are, before anybody else can be taken for them."""
    try:
        unknown = learn_identity(pipeline, username)
    except PersonRefused:
        otherwise(username)  # nothing of another account is to be fetched under this username
        raise
    if unknown:
        click.echo(f"Who {username} is at Oura is not known yet: {unknown}", err=True)


def _state(person: Person) -> str:
    if person.state is PersonState.SIGN_IN_REQUIRED:
        return f"[red]must sign in again[/red]: {person.error}"
    return person.state.value


def _not_given_back(somebody: Unrevoked) -> str:
    name = somebody.username or f"{somebody.id} (not here any more)"
    return f"{name}: access not given back yet: {somebody.reason or 'not tried yet'}"


def _consequences(username: str, *, keep_data: bool) -> list[str]:
    """Return what removing a person would delete."""
    with open_pipeline() as pipeline:
        pipeline.accounts.people.get(username)  # raises before anybody is asked to confirm
        if keep_data:
            return ["Their tokens and ledgers are deleted; documents and points stay."]
        rows = pipeline.warehouse.rows_of(username)
        # Over the network Graphite deletes nothing, so this is the one thing that may stay.
        graphite = leave.whisper_paths(pipeline, username)
        stays = graphite.lines[0]
        if leave.deletes_points(pipeline):
            stays = "nothing; VictoriaMetrics deletes their series"
    counts = ", ".join(f"{count} {name}" for name, count in rows.items()) or "none"
    return [
        f"This deletes everything of {username}, for good:",
        f"documents: {counts};",
        "the published copy is replaced, but whoever has the old one open keeps reading it;",
        "their points in graphite.log, their files in OURA_EXPORTS;",
        "their consent at Oura, tokens, ledgers and webhook events.",
        f"To keep a copy, run `oura-pipeline people export {username}` first.",
        f"What stays: {stays}",
    ]


def _described(person: Person) -> dict[str, object]:
    return {
        "id": person.id,
        "username": person.username,
        "state": person.state,
        "since": person.connected_since.isoformat(),
        "renewed_at": person.renewed_at.isoformat() if person.renewed_at else None,
        "scopes": None if person.scopes is None else sorted(person.scopes),
    }


def _remove_person(username: str) -> Iterator[str]:
    """Remove a person and keep their data; yield what was done."""
    with open_pipeline() as pipeline:
        # Not `leave`, after which a daemon would delete their data.
        revocation = leave.disconnect(pipeline, username)
        pipeline.accounts.removal.delete(username)
    yield f"Removed {username}; documents and points are still there."
    yield _consent(revocation)


def _delete_everything(username: str) -> Iterator[str]:
    """Delete a person and their data; yield what was done, step by step."""
    with open_pipeline() as pipeline:
        # First of all, so that nothing new is fetched of them.
        yield _consent(leave.leave(pipeline, username))
        try:
            deleted = leave.delete_everything(pipeline, username)
        except OSError as error:
            raise click.ClickException(f"{error}. Then run this again.") from None
    yield (
        f"Deleted everything of {username}: {deleted.rows} documents, {deleted.lines} points in "
        f"graphite.log, {deleted.files} exported files, tokens and ledgers."
    )
    yield from deleted.graphite.lines


def _consent(revocation: leave.Revocation) -> str:
    if revocation.done:
        return "Their consent at Oura is revoked."
    return (
        f"Their consent at Oura is not given back yet: {revocation.reason}. Dagster's daemon tries "
        "again until it is, and their encrypted tokens are kept until then."
    )
