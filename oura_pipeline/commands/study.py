"""`oura-pipeline study`: who takes part in a study, how it goes, and what leaves it."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import click

from oura_pipeline.accounts.studies import Enrolment, Participant
from oura_pipeline.analysis.frames import connect
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.commands.console import console, counted, print_lines, table_with
from oura_pipeline.commands.options import day_option, person_argument, types_option
from oura_pipeline.exports.study import SUMS, Dates, export_study
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings

study_argument = click.argument("name", metavar="STUDY")


@click.group()
def study() -> None:
    """Enroll people in studies and export them.

    A STUDY is a name; a PERSON is a username or an id, as `people list` shows them.
    """


@study.command("create")
@study_argument
def create(name: str) -> None:
    """Begin a study."""
    with open_accounts(load_settings()) as accounts:
        accounts.studies.create(name)
    print_lines(f"There is a study {name} now. `study enroll` adds people.")


@study.command("list")
def list_studies() -> None:
    """List studies and how many take part."""
    table = table_with("study", "taking part", "consent withdrawn")
    with open_accounts(load_settings()) as accounts:
        everybody = accounts.studies.everybody()
        for name in accounts.studies.names():
            withdrawn = [one.withdrawn_on is not None for one in everybody if one.study == name]
            table.add_row(name, str(withdrawn.count(False)), str(withdrawn.count(True)))
    console.print(table)


@study.command("enroll")
@study_argument
@person_argument
@click.option("--consent", required=True, help="The version of the consent they agreed to.")
@day_option("--consented", "consented", "When they did. Default: today.")
@click.option("--code", help="Their pseudonym. Default: a random one, or the one they have.")
@click.option("--arm", help="The group that they are in.")
@day_option("--from", "first", "First day of the study. Default: today.")
@day_option("--to", "last", "Last day, included. Default: it goes on.")
@types_option
def enroll(
    name: str,
    username: str,
    *,
    consent: str,
    consented: date | None,
    code: str | None,
    arm: str | None,
    first: date | None,
    last: date | None,
    document_types: list[DocumentType],
) -> None:
    """Let somebody take part, or consent anew."""
    chosen = click.get_current_context().get_parameter_source("document_types")
    everything = chosen is click.core.ParameterSource.DEFAULT
    enrolment = Enrolment(
        code=code,
        arm=arm,
        first_day=first or _today(),
        last_day=last,
        consent_version=consent,
        consented_on=consented or _today(),
        document_types=None if everything else [one.name for one in document_types],
    )
    with open_accounts(load_settings()) as accounts:
        joined = accounts.studies.enroll(name, username, enrolment)
    print_lines(f"{username} takes part in {name} as {joined.code}, {_days(joined)}.")


@study.command("withdraw")
@study_argument
@person_argument
@day_option("--on", "on", "When they did. Default: today.")
def withdraw(name: str, username: str, on: date | None) -> None:
    """Note that somebody took their consent back."""
    with open_accounts(load_settings()) as accounts:
        gone = accounts.studies.withdraw(name, username, on or _today())
    print_lines(
        f"{gone.code} is in no export of {name} from now on. Exports made before still have their "
        "data: tell whoever has one. Their data here stays; `people remove` deletes it."
    )


@study.command("participants")
@study_argument
def participants(name: str) -> None:
    """List who takes part in a study."""
    table = table_with("code", "id", "username", "arm", "days", "consent", "agreed to")
    with open_accounts(load_settings()) as accounts:
        for one in accounts.studies.participants(name):
            table.add_row(
                *(one.code, one.person_id, one.username, one.arm or "", _days(one)),
                f"{one.consent_version} of {one.consented_on}",
                _agreed_to(one),
            )
    console.print(table)


@study.command("compliance")
@study_argument
def compliance(name: str) -> None:
    """Show who wears the ring and whom to call.

    From the newest published copy.
    """
    with open_accounts(load_settings()) as accounts:
        everybody = accounts.studies.participants(name)
    table = table_with("code", "arm", "expected", "nights", "longest gap", "last night", "call")
    with connect() as connection:
        rows = connection.execute(
            "SELECT code, coalesce(arm, ''), expected_days, nights, longest_gap_days, last_night, "
            "coalesce(call, '') FROM oura.compliance WHERE study = ? ORDER BY code",
            [name],
        ).fetchall()
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console.print(table)
    if missing := {one.code for one in everybody} - {code for code, *_ in rows}:
        print_lines(
            f"Enrolled since the copy was published: {', '.join(sorted(missing))}. The next sync "
            "publishes one with them."
        )


@study.command("export")
@study_argument
@click.option("--into", type=click.Path(path_type=Path), help="A new folder; default: STUDY, here.")
@click.option(
    "--dates",
    type=click.Choice([one.value for one in Dates]),
    default=Dates.RELATIVE.value,
    show_default=True,
    help="Count days from each first day, shift dates by whole weeks, or keep them.",
)
@click.option("--fhir", is_flag=True, help="Add a FHIR R4 bundle of each participant.")
def export(name: str, into: Path | None, dates: str, fhir: bool) -> None:
    """Export a study under codes.

    As CSV and Parquet with a data dictionary, from the newest published copy: what participants
    agreed to, on their days of the study.
    """
    with open_accounts(load_settings()) as accounts:
        everybody = accounts.studies.participants(name)
    with connect() as connection:
        exported = export_study(
            connection, name, everybody, into or Path(name), dates=Dates(dates), fhir=fhir
        )
    rows = sum(exported.rows.values())
    print_lines(
        f"Wrote {counted(rows, 'row')} of {counted(exported.participants, 'participant')} to "
        f"{exported.folder}. The digest of {SUMS} is {exported.digest}."
    )
    if exported.withdrawn:
        print_lines(f"Not in it, consent withdrawn: {', '.join(exported.withdrawn)}.")


@study.command("delete")
@study_argument
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def delete(name: str, yes: bool) -> None:
    """End a study and forget its codes.

    Nobody's data is touched.
    """
    with open_accounts(load_settings()) as accounts:
        count = len(accounts.studies.participants(name))
        if not yes:
            print_lines(f"Who is behind {counted(count, 'code')} of {name} will not be known.")
            click.confirm("Delete?", abort=True)
        accounts.studies.delete(name)
    print_lines(f"{name} is deleted.")


def _today() -> date:
    return datetime.now().astimezone().date()


def _days(participant: Participant) -> str:
    last = participant.last_day
    return f"{participant.first_day} to {last}" if last else f"from {participant.first_day} on"


def _agreed_to(participant: Participant) -> str:
    if participant.withdrawn_on:
        return f"withdrawn on {participant.withdrawn_on}"
    types = participant.document_types
    return "everything" if types is None else " ".join(types)
