"""`oura-pipeline …`: what an operator types.

What surprises: Dagster takes two seconds to import, so every command imports what it needs itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.markup import escape

from oura_pipeline.accounts.errors import AccountsError
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType, get_document_type
from oura_pipeline.settings import SettingsError, load_settings
from oura_pipeline.warehouse.errors import WarehouseError

if TYPE_CHECKING:
    from oura_pipeline.sync.subscriptions import MaintainResult

DAY = click.DateTime(formats=["%Y-%m-%d"])
out = Console()


class Failed(click.ClickException):
    """A failure that is told in one line."""

    def show(self, file: Any = None) -> None:
        """Print it, without a traceback."""
        line = f"[red]oura-pipeline:[/red] {escape(self.message)}"
        Console(stderr=True).print(line, highlight=False, soft_wrap=True)


class Unusable(Failed):
    """A setting has to be corrected first."""

    exit_code = 2


class OneLine(click.Group):
    """What is known to go wrong, in whatever command, ends in one line.

    The status is 1, or 2 when a setting or an option cannot be used.
    """

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            raise Unusable(str(error)) from None
        except (AccountsError, OuraError, WarehouseError) as error:
            raise Failed(str(error)) from None


def main() -> None:
    """Run the command line."""
    cli(standalone_mode=True)


@click.group(cls=OneLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="oura_pipeline")
def cli() -> None:
    """Every Oura document of every person, through Dagster, into DuckDB and Graphite."""


def _tell(lines: Iterable[str]) -> None:
    for line in lines:
        out.print(escape(line), highlight=False, soft_wrap=True)


def _type(_: click.Context, __: click.Parameter, names: tuple[str, ...]) -> list[DocumentType]:
    try:
        return [get_document_type(name) for name in names] or list(DOCUMENT_TYPES)
    except LookupError as error:
        raise click.BadParameter(str(error.args[0])) from None


types_option = click.option(
    "--type", "document_types", multiple=True, callback=_type, help="A document type; repeatable."
)
people_option = click.option(
    "--person", "usernames", multiple=True, help="A username; repeatable. Default: everybody."
)


@cli.command()
@click.option("--from", "first", type=DAY, help="First day, YYYY-MM-DD.")
@click.option("--to", "last", type=DAY, help="Last day, included; default: today.")
@click.option("--last", "count", type=click.IntRange(1), help="The last so many days [7].")
@people_option
@types_option
def sync(
    first: datetime | None,
    last: datetime | None,
    count: int | None,
    usernames: tuple[str, ...],
    document_types: list[DocumentType],
) -> None:
    """Fetch, land and push now, in this process."""
    if count and (first or last):
        raise click.UsageError("--last goes without --from and --to")
    from oura_pipeline.commands import sync as command
    from oura_pipeline.pipeline import open_pipeline
    from oura_pipeline.sync.fetch import people_to_fetch

    settings = load_settings()
    last_day = last.date() if last else command.last_partition()
    first_day = first.date() if first else last_day - timedelta(days=(count or 7) - 1)
    try:
        command.check_range(first_day, last_day)
    except ValueError as error:
        raise Failed(str(error)) from None
    with open_pipeline(settings) as pipeline:
        try:
            people = people_to_fetch(pipeline, usernames)
        except LookupError as error:
            raise Failed(str(error.args[0])) from None
    if not people:
        raise Failed("nobody has signed in yet; `oura-pipeline people add` adds the first person")
    bar = command.Bar(out)
    with bar.shown(len(people) * len(document_types)):
        synced = command.sync(
            first_day, last_day, usernames=usernames, document_types=document_types
        )
    out.print(command.table(synced))
    for check in synced.red:
        out.print(
            f"[yellow]{check.asset_key.to_user_string()} {check.check_name}[/yellow]: "
            f"{escape(check.description or '')}",
            highlight=False,
            soft_wrap=True,
        )
    for step, reason in synced.failures.items():
        out.print(f"[red]{step}[/red]: {escape(reason)}", highlight=False, soft_wrap=True)
    sys.exit(0 if synced.success else 1)


@cli.group()
def people() -> None:
    """Who signed in."""


@people.command("add")
@click.argument("username")
@click.option("--refresh-token", required=True, help="From Oura's OAuth; used once, then renewed.")
@click.option("--access-token", help="If there is a fresh one.")
@click.option("--expires-in", type=click.IntRange(1), help="Seconds for which it is valid.")
def people_add(
    username: str, refresh_token: str, access_token: str | None, expires_in: int | None
) -> None:
    """Add a person by their refresh token, or give a known person a new one."""
    from oura_pipeline.commands import people as command

    expires_at = datetime.now(UTC) + timedelta(seconds=expires_in) if expires_in else None
    with command.accounts() as accounts:
        said = command.add(
            accounts,
            username,
            refresh_token=refresh_token,
            access_token=access_token,
            expires_at=expires_at,
        )
    out.print(said, highlight=False, soft_wrap=True)


@people.command("list")
def people_list() -> None:
    """Everybody, and whether their data can be fetched."""
    from oura_pipeline.commands import people as command

    with command.accounts() as accounts:
        out.print(command.table(accounts))


@people.command("export")
@click.argument("username")
@click.option(
    "--into",
    type=click.Path(path_type=Path),
    help="A new folder; default: oura-USERNAME, here.",
)
def people_export(username: str, into: Path | None) -> None:
    """Write everything there is of a person: Parquet, JSON lines and a README."""
    from oura_pipeline.commands import people as command

    _tell(command.export(username, into or Path(f"oura-{username}")))


@people.command("disconnect")
@click.argument("username")
def people_disconnect(username: str) -> None:
    """Fetch nothing of a person any more; what was landed stays."""
    from oura_pipeline.commands import people as command

    _tell(command.disconnect(username))


@people.command("remove")
@click.argument("username")
@click.option("--keep-data", is_flag=True, help="Documents and points stay.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def people_remove(username: str, keep_data: bool, yes: bool) -> None:
    """Remove a person and, unless told otherwise, everything of theirs."""
    from oura_pipeline.commands import people as command

    if not yes:
        _tell(command.what_goes(username, keep_data=keep_data))
        click.confirm("Remove?", abort=True)
    _tell(command.remove(username, keep_data=keep_data))


@people.command("invite")
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 365), help="Good for.")
def people_invite(days: int) -> None:
    """Make an invite: a code that lets one person in, and the link that fills it in."""
    from oura_pipeline.commands import people as command

    with command.accounts() as accounts:
        code = accounts.invites.create(timedelta(days=days))
    click.echo(f"{code}\n{load_settings().site.url}/?invite={code}")


@people.command("import")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def people_import(path: Path) -> None:
    """Import the user_creds.json of the Go replicator."""
    from oura_pipeline.commands import people as command

    with command.accounts() as accounts:
        out.print(escape(command.import_file(accounts, path)), highlight=False, soft_wrap=True)


@cli.group()
def subscriptions() -> None:
    """Webhook subscriptions of this application at Oura; Dagster keeps them by itself."""


@subscriptions.command("list")
def subscriptions_list() -> None:
    """What Oura has now, where it points and when it ends."""
    from oura_pipeline.commands import subscriptions as command
    from oura_pipeline.pipeline import open_pipeline

    with open_pipeline() as pipeline:
        out.print(command.table(pipeline))


@subscriptions.command("renew")
@types_option
def subscriptions_renew(document_types: list[DocumentType]) -> None:
    """Let all of them, or those of some document types, live for another 90 days."""
    from oura_pipeline.commands import subscriptions as command
    from oura_pipeline.pipeline import open_pipeline

    with open_pipeline() as pipeline:
        _tell_maintained(command.renew(pipeline, document_types))


@subscriptions.command("create")
def subscriptions_create() -> None:
    """Make those that are missing; the site must be up, Oura calls it meanwhile."""
    from oura_pipeline.commands import subscriptions as command
    from oura_pipeline.pipeline import open_pipeline
    from oura_pipeline.sync.subscriptions import not_ready

    if reason := not_ready(load_settings()):
        raise Failed(reason)
    with open_pipeline() as pipeline:
        _tell_maintained(command.create(pipeline))


@subscriptions.command("delete")
@click.option("--elsewhere", is_flag=True, help="Only those that do not point here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def subscriptions_delete(elsewhere: bool, yes: bool) -> None:
    """End them. Dagster's sensor subscription_expiry, if on, makes what is wanted anew."""
    from oura_pipeline.commands import subscriptions as command
    from oura_pipeline.pipeline import open_pipeline

    if elsewhere and not load_settings().site.webhook_url:
        raise Failed("without OURA_PUBLIC_URL every webhook subscription points elsewhere; set it")
    if not (elsewhere or yes):
        click.confirm("All webhook subscriptions of this application end. Go on?", abort=True)
    with open_pipeline() as pipeline:
        _tell_maintained(command.delete(pipeline, elsewhere=elsewhere))


def _tell_maintained(done: MaintainResult) -> None:
    from oura_pipeline.commands.subscriptions import told

    _tell(told(done))
    sys.exit(1 if done.failed or done.skipped else 0)


def _one_file(files: dict[str, str | None]) -> tuple[str, str] | None:
    """The format and the path that were given; None: the answer is to be shown."""
    given = [(form, path) for form, path in files.items() if path]
    if len(given) > 1:
        raise click.UsageError("one of --csv, --parquet and --json at a time")
    return given[0] if given else None


@cli.command()
@click.argument("sql")
@click.option("--csv", metavar="FILE", help="Write all rows as CSV; - is stdout.")
@click.option("--parquet", metavar="FILE", help="Write all rows as Parquet.")
@click.option("--json", metavar="FILE", help="Write all rows as a JSON array; - is stdout.")
@click.option("--limit", default=100, show_default=True, type=click.IntRange(1), help="Rows shown.")
def query(sql: str, limit: int, **files: str | None) -> None:
    """Ask the published copy a question in DuckDB's SQL; with - it is read from stdin.

    `oura-pipeline query "FROM readme"` says what there is.
    """
    from oura_pipeline.analysis.frames import AnalysisError
    from oura_pipeline.commands import query as command

    file = _one_file(files)
    try:
        with command.asked(sys.stdin.read() if sql == "-" else sql) as answer:
            if file is None:
                answer.show(limit, out)
            elif file == ("parquet", "-"):
                raise AnalysisError("Parquet goes to a file; CSV and JSON go to stdout too")
            elif file[1] == "-":
                answer.write_to(sys.stdout.buffer, file[0])
            else:
                answer.write(Path(file[1]), file[0])
                _tell([f"Wrote {command.counted(answer.rows)} to {file[1]}."])
    except AnalysisError as error:
        raise Failed(str(error)) from None


@cli.command()
def budget() -> None:
    """What Oura lets the whole application ask, and what of it is used."""
    from oura_pipeline.pipeline import open_pipeline

    with open_pipeline() as pipeline:
        state = pipeline.budget.state()
    out.print(
        f"{state.used} of {state.limit} requests used; "
        f"the first becomes free again at {state.resets_at.astimezone():%H:%M:%S}"
        if state.resets_at
        else f"{state.used} of {state.limit} requests used"
    )


@cli.command()
def key() -> None:
    """Make a key for OURA_TOKEN_KEY. Put it first; older keys behind it still open old tokens."""
    from cryptography.fernet import Fernet

    click.echo(Fernet.generate_key().decode())


@cli.command()
def doctor() -> None:
    """Check settings, databases, key, Oura and Graphite, and say what to do."""
    from oura_pipeline.commands.doctor import examine

    findings = examine()
    for finding in findings:
        mark = "[green]ok[/green]" if finding.good else "[red]no[/red]"
        line = f"{mark} {finding.subject:12} {escape(finding.text)}"
        out.print(line, highlight=False, soft_wrap=True)
    sys.exit(0 if all(finding.good for finding in findings) else 1)


@cli.group()
def graphite() -> None:
    """Points: send them later, send them again, prepare carbon."""


@graphite.command("ingest")
@click.argument("path", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def graphite_ingest(path: Path) -> None:
    """Send a file of points, as written without a Graphite, to GRAPHITE_HOST."""
    from oura_pipeline.commands import graphite as command

    out.print(escape(command.ingest_file(path)), highlight=False, soft_wrap=True)


@graphite.command("replay")
@click.option("--from", "first", type=DAY, required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "last", type=DAY, required=True, help="Last day, included.")
@people_option
@types_option
def graphite_replay(
    first: datetime,
    last: datetime,
    usernames: tuple[str, ...],
    document_types: list[DocumentType],
) -> None:
    """Push again what DuckDB holds, whatever was pushed before."""
    from oura_pipeline.commands import graphite as command

    for line in command.replay(first.date(), last.date(), usernames, document_types):
        out.print(escape(line), highlight=False, soft_wrap=True)


@graphite.command("schemas")
@click.option(
    "--into",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="The folder to write to.",
)
def graphite_schemas(into: Path) -> None:
    """Write carbon's storage-schemas.conf and storage-aggregation.conf."""
    from oura_pipeline.commands import graphite as command

    for path in command.write_schemas(into):
        out.print(f"Wrote {escape(str(path))}", soft_wrap=True)


@graphite.command("orphans")
def graphite_orphans() -> None:
    """Say how to delete what Graphite holds of people who left: it cannot do so by itself."""
    from oura_pipeline.commands import graphite as command

    commands = command.orphans()
    for line in commands:
        click.echo(line)
    if commands:
        out.print("On the machine that stores them, with whisper's folder for <whisper>.")
    else:
        out.print("Graphite holds nothing of people who are not here.")


@graphite.command("withdrawn")
def graphite_withdrawn() -> None:
    """List points that Oura withdrew and Graphite cannot delete."""
    from oura_pipeline.commands import graphite as command

    out.print(command.withdrawn_table())


@cli.group()
def export() -> None:
    """Files for other programs, from the published copy."""


@export.command("hrv")
@people_option
@click.option("--from", "first", type=DAY, help="First day, YYYY-MM-DD; default: all days.")
@click.option("--to", "last", type=DAY, help="Last day, included.")
@click.option("--last", "count", type=click.IntRange(1), help="The last so many days.")
@click.option("--into", type=click.Path(path_type=Path), help="A folder; default: OURA_EXPORTS.")
@click.option("--schema", is_flag=True, help="Show the JSON Schema of the files, and stop.")
def export_hrv(
    usernames: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    *,
    count: int | None,
    into: Path | None,
    schema: bool,
) -> None:
    """Overnight heart rate and HRV for Apple Health: a CSV and a JSON file per person and day."""
    from oura_pipeline.commands import export as command
    from oura_pipeline.exports.apple_health import json_schema

    if count and (first or last):
        raise click.UsageError("--last goes without --from and --to")
    if schema:
        click.echo(json_schema(), nl=False)
        return
    _tell([command.hrv(usernames, command.chosen_days(first, last, count), into)])


@export.command("view")
@click.argument("name")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["parquet", "csv", "json"]),
    default="parquet",
    show_default=True,
    help="How the rows are written.",
)
@click.option("--into", required=True, type=click.Path(path_type=Path), help="A folder.")
@click.option("--person", "username", help="Only this person's rows.")
@click.option("--from", "first", type=DAY, help="First day, YYYY-MM-DD; default: all days.")
@click.option("--to", "last", type=DAY, help="Last day, included.")
def export_view(
    name: str,
    format_: str,
    into: Path,
    username: str | None,
    *,
    first: datetime | None,
    last: datetime | None,
) -> None:
    """Any view or table of the published copy, a file per day."""
    from oura_pipeline.commands import export as command
    from oura_pipeline.exports.views import Format

    days = command.chosen_days(first, last)
    _tell([command.view(name, Format(format_), into, username, days=days)])


@cli.command(add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def sandbox(options: tuple[str, ...]) -> None:
    """Serve a local stand-in of Oura's cloud; `sandbox --help` lists its options."""
    from oura_pipeline.sandbox.__main__ import main as command

    command(options)


@cli.command()
@click.option("--serve", is_flag=True, help="Leave sandbox, Dagster's UI and site up afterwards.")
def demo(serve: bool) -> None:
    """Show the whole way with made-up people."""
    from oura_pipeline.commands.demo import demo as command

    sys.exit(command(out, serve=serve))


@cli.command()
@click.option("--port", default=3000, show_default=True, help="Port of the Dagster UI.")
@click.option("--site-port", default=8000, show_default=True, help="Port of the site.")
def dev(port: int, site_port: int) -> None:
    """Run the site, Dagster's UI and daemon on 127.0.0.1."""
    from oura_pipeline.commands.dev import dev as command

    sys.exit(command(port, site_port))


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", default=8000, show_default=True, help="Port to listen at.")
def web(host: str, port: int) -> None:
    """Serve the site: sign-in, people's pages, the operator's, webhooks and API."""
    from oura_pipeline.commands.web import web as command

    try:
        command(host, port)
    except OSError as error:
        raise Failed(f"{host}:{port} cannot be listened at: {error.strerror}") from None


def today() -> date:
    """The date of this moment, UTC."""
    return datetime.now(UTC).date()


if __name__ == "__main__":
    main()
