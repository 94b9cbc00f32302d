"""`oura-pipeline doctor`."""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import httpx
from rich.markup import escape
from sqlalchemy import make_url

from oura_pipeline.accounts.errors import AccountsError
from oura_pipeline.accounts.overview import DaysToFetchAgain
from oura_pipeline.accounts.people import PersonState
from oura_pipeline.accounts.waiting import OWN_TURN
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.commands.console import console, print_lines
from oura_pipeline.commands.growth import bytes_text, growth_lines
from oura_pipeline.defs.tidy_job import last_tidied
from oura_pipeline.files import open_to_others
from oura_pipeline.oura.http import tls
from oura_pipeline.oura.portals import portal_at
from oura_pipeline.pipeline import Pipeline, open_pipeline
from oura_pipeline.settings import (
    Protocol,
    Settings,
    SettingsError,
    dagster_home,
    is_this_machine,
    load_settings,
)
from oura_pipeline.sync.storage_failures import needed_room
from oura_pipeline.warehouse.errors import WarehouseError
from oura_pipeline.warehouse.quarantine import Oddity
from oura_pipeline.web.automation import State, automation
from oura_pipeline.web.site import dagster_client

TIMEOUT_SECONDS = 10.0
MAX_SHOWN = 5  # odd documents of a kind


@dataclass(frozen=True)
class Finding:
    """One check: what was checked, whether it passed, what was found or what to do."""

    subject: str
    good: bool
    text: str


@click.command()
def doctor() -> None:
    """Check your installation.

    Settings, databases, key, site, Oura, Graphite and the disk; what fails says what to do. Below
    stands what grows: how large it is, and what would free room.
    """
    findings = check_everything()
    for finding in findings:
        mark = "[green]ok[/green]" if finding.good else "[red]no[/red]"
        line = f"{mark} {finding.subject:12} {escape(finding.text)}"
        console.print(line, highlight=False, soft_wrap=True)
    if findings[0].good and (settings := load_settings()).storage.home.is_dir():
        print_lines("", *growth_lines(settings))
    sys.exit(0 if all(finding.good for finding in findings) else 1)


def check_everything() -> list[Finding]:
    """Return the findings, in the order in which things depend on each other."""
    try:
        settings = load_settings()
    except SettingsError as error:
        return [_bad("settings", str(error))]
    findings = [
        _good("settings", f"data folder {settings.storage.home}"),
        _modes(settings),
        _client(settings),
    ]
    try:
        with open_pipeline(settings) as pipeline:
            findings += [*_accounts(pipeline), _fetches(pipeline), _pushes(pipeline)]
            findings += [_warehouse(pipeline), _documents(pipeline)]
            findings += [_site(pipeline)]
            findings += [_dagster(settings)]
            findings += [_webhooks(pipeline), oura := _oura(pipeline)]
            # Without an answer from Oura, the client would retry for minutes.
            findings += [*(_tokens(pipeline) if oura.good else ()), *_graphite(pipeline)]
    except AccountsError as error:
        findings.append(_bad("accounts", str(error)))
    return [*findings, _disk(settings)]


def _modes(settings: Settings) -> Finding:
    storage = settings.storage
    database = make_url(storage.accounts_url)
    places = [storage.analytics_path, storage.exports_path, Path(".env")]
    places += [storage.warehouse_path] if storage.warehouse_path else []
    places += [Path(database.database or "")] if database.get_backend_name() == "sqlite" else []
    places += [home] if (home := dagster_home()) else []
    elsewhere = [path for path in places if not path.absolute().is_relative_to(storage.home)]
    if not (found := list(open_to_others(storage.home, *elsewhere))):
        return _good("modes", "data, exports and .env are their owner's alone")
    of_home = any(path.is_relative_to(storage.home) for path in found)
    names = [storage.home] * of_home + [p for p in found if not p.is_relative_to(storage.home)]
    advice = f"chmod -R go= {' '.join(shlex.quote(str(name)) for name in names[:MAX_SHOWN])}"
    return _bad("modes", f"others may use {found[0]} and {len(found) - 1} more: {advice}")


def _client(settings: Settings) -> Finding:
    if settings.oura.client_id and settings.oura.client_secret.get_secret_value():
        return _good("client", f"OURA_CLIENT_ID {settings.oura.client_id}")
    return _bad(
        "client",
        "set OURA_CLIENT_ID and OURA_CLIENT_SECRET to those of the application that you "
        "registered at Oura",
    )


def _accounts(pipeline: Pipeline) -> Iterator[Finding]:
    if not pipeline.accounts.keeps_sessions():
        yield _bad(
            "accounts",
            "a pooler in transaction mode stands before Postgres and breaks its locks: name the "
            "server itself in OURA_ACCOUNTS_URL, or set the pooler to session mode",
        )
    people = pipeline.accounts.people.all()
    again = [p.username for p in people if p.state is PersonState.SIGN_IN_REQUIRED]
    if not people:
        yield _bad("people", "nobody has signed in yet: open the site and sign in")
    elif again:
        yield _bad("people", f"must sign in again: {', '.join(again)}")
    else:
        yield _good("people", f"{len(people)} connected")
    for username, reason in pipeline.accounts.overview.lapsed().items():
        yield _bad("membership", f"{username}: {reason}")
    for somebody in pipeline.accounts.removal.unrevoked():
        name = somebody.username or f"{somebody.id} (not here any more)"
        reason = somebody.reason or "not tried yet"
        yield _bad("consent", f"{name}: access not given back yet: {reason}")
    key = pipeline.settings.storage.token_key_path
    if pipeline.settings.storage.token_key.get_secret_value():
        yield _good("key", "from OURA_TOKEN_KEY")
    else:  # opening the accounts has refused one that others may read
        yield _good("key", f"{key}; keep a copy elsewhere: without it tokens cannot be read")


def _fetches(pipeline: Pipeline) -> Finding:
    again = pipeline.accounts.overview.to_fetch_again()
    if not again:
        return _good("fetches", "no day is to be fetched again")
    shown = [_described(days) for days in again[:MAX_SHOWN]]
    more = [f"and {len(again) - MAX_SHOWN} more"] if len(again) > MAX_SHOWN else []
    return _bad("fetches", "; ".join(shown + more))


def _pushes(pipeline: Pipeline) -> Finding:
    waiting = pipeline.accounts.waiting.count()
    if waiting.oldest is None:
        return _good("pushes", "no day waits to be pushed")
    is_somebodys_turn = datetime.now(UTC) - waiting.oldest < OWN_TURN
    return Finding(
        "pushes",
        is_somebodys_turn,
        f"{waiting.text}, the first since {waiting.oldest:%Y-%m-%d %H:%M} UTC: once Graphite takes "
        "points, the daemon or the next `oura-pipeline sync` sends them",
    )


def _described(days: DaysToFetchAgain) -> str:
    names = ", ".join(days.document_types)
    return f"{names} from {days.first_day} to {days.last_day}: {days.username}: {days.reason}"


def _warehouse(pipeline: Pipeline) -> Finding:
    try:
        rows = sum(pipeline.warehouse.row_counts().values())
    except WarehouseError as error:
        return _bad("warehouse", str(error))
    storage = pipeline.settings.storage
    # Not its address, which may hold a password.
    place = storage.warehouse_path or f"a DuckLake, its files in {storage.warehouse_data}"
    return _good("warehouse", f"{rows:,} rows in {place}")


def _documents(pipeline: Pipeline) -> Finding:
    try:
        with pipeline.warehouse.at_once() as warehouse:
            aside, odd = warehouse.quarantined(), warehouse.odd_values()
    except WarehouseError as error:
        return _bad("documents", str(error))
    found = [f"{len(aside)} set aside in oura.quarantine: {_listed(aside)}"] if aside else []
    found += [f"odd values, in oura.odd_values: {_listed(odd)}"] if odd else []
    return _bad("documents", ". ".join(found)) if found else _good("documents", "none is odd")


def _listed(oddities: Sequence[Oddity]) -> str:
    shown = [f"{one.username}: {one.text}" for one in oddities[:MAX_SHOWN]]
    more = [f"and {len(oddities) - MAX_SHOWN} more"] if len(oddities) > MAX_SHOWN else []
    return "; ".join(shown + more)


def _site(pipeline: Pipeline) -> Finding:
    settings = pipeline.settings
    url = httpx.URL(settings.site.url)
    if url.scheme != "https" and not is_this_machine(settings.site.url):
        return _bad(
            "site", f"{url} does not encrypt sign-ins: set OURA_PUBLIC_URL to an https address"
        )
    issuer = portal_at(pipeline.accounts.people.token_url() or settings.oura.token_urls[-1])
    if url.host in issuer.refused_hosts:
        return _bad(
            "site",
            f"{url}: Oura refuses redirect addresses at {url.host}; unset OURA_PUBLIC_URL, and "
            f"register {url.copy_with(host='localhost')}/oauth/callback",
        )
    return _good("site", f"{url}; register {settings.site.redirect_uri} as redirect URI at Oura")


def _dagster(settings: Settings) -> Finding:
    url = settings.site.dagster_url
    with dagster_client(settings) as http:
        found = automation(http, url)
    if found is None:
        return _good("Dagster", f"no UI at {url}, which knows whether sensors run; see dev")
    if idle := [f"{one.name} is {one.state}" for one in found if not one.works]:
        advice = f"switch it on at {url}/automation; if all are late, start the daemon"
        return _bad("Dagster", f"{', '.join(idle)}: {advice}")
    running = sum(one.state is State.RUNNING for one in found)
    return _good("Dagster", f"{running} sensors and schedules run, seen by {url}")


def _webhooks(pipeline: Pipeline) -> Finding:
    url = pipeline.settings.site.webhook_url
    if not url:
        return _good("webhooks", f"off, because {pipeline.settings.site.unreachable}")
    ours = [row for row in pipeline.accounts.subscriptions.all() if row.callback_url == url]
    ends = min((row.expires_at for row in ours if row.expires_at), default=None)
    if not ours:
        return _bad("webhooks", "no subscriptions yet: run `oura-pipeline subscriptions create`")
    if ends and ends - datetime.now(UTC) < timedelta(days=3):
        return _bad(
            "webhooks", f"one ends on {ends:%Y-%m-%d}: run `oura-pipeline subscriptions renew`"
        )
    return _good("webhooks", f"{len(ours)} subscriptions to {url}")


def _oura(pipeline: Pipeline) -> Finding:
    url = pipeline.settings.oura.api_url
    try:
        # Without a token, a healthy API answers 400 or 401.
        answer = pipeline.http.get(
            f"{url}/v2/usercollection/personal_info", timeout=TIMEOUT_SECONDS
        )
    except httpx.HTTPError as error:
        return _bad("Oura", f"{url} cannot be reached: {_reason(error)}; see OURA_API_URL")
    state = pipeline.budget.state()
    good = answer.status_code < 500
    used = f"{state.used} of {state.limit} requests used"
    return Finding("Oura", good, f"{url} answers {answer.status_code}; {used}")


def _tokens(pipeline: Pipeline) -> Iterator[Finding]:
    connected = pipeline.accounts.people.all([PersonState.CONNECTED])
    for person in connected[:1]:  # one valid token shows that client, key and database fit
        try:
            pipeline.client(person.username).personal_info()
            yield _good("token", f"Oura accepts that of {person.username}")
        except OuraError as error:
            yield _bad("token", f"{person.username}: {error}")


def _graphite(pipeline: Pipeline) -> Iterator[Finding]:
    settings = pipeline.settings
    if settings.graphite.protocol is Protocol.FILE:
        yield _good("Graphite", f"none set; points go to {settings.storage.graphite_log_path}")
        return
    address = (settings.graphite.host, settings.graphite.port)
    try:
        socket.create_connection(address, timeout=TIMEOUT_SECONDS).close()
        yield _good("carbon", f"{address[0]}:{address[1]}, {settings.graphite.protocol}")
    except OSError as error:
        yield _bad(
            "carbon", f"{address[0]}:{address[1]} cannot be reached: {error}; see GRAPHITE_HOST"
        )
    if not settings.graphite.render_url:
        yield _bad("graphite-web", "set GRAPHITE_RENDER_URL: without it points cannot be read back")
        return
    try:
        answer = httpx.get(
            f"{settings.graphite.render_url}/metrics/find?query=*",
            timeout=TIMEOUT_SECONDS,
            verify=tls(),
        )
        good, seen = answer.status_code == 200, f"answers {answer.status_code}"
    except httpx.HTTPError as error:
        good, seen = False, f"cannot be reached: {_reason(error)}; see GRAPHITE_RENDER_URL"
    yield Finding("graphite-web", good, f"{settings.graphite.render_url} {seen}")


def _disk(settings: Settings) -> Finding:
    free, needed = shutil.disk_usage(settings.storage.home).free, needed_room()
    last = last_tidied(settings)
    tidied = (
        f"tidied on {last:%Y-%m-%d}" if last else "never tidied: a sync or Dagster's daemon does"
    )
    if free < needed:
        return _bad(
            "disk", f"{bytes_text(free)} free, and {bytes_text(needed)} are needed: see below"
        )
    return _good("disk", f"{bytes_text(free)} free; {tidied}")


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _good(subject: str, text: str) -> Finding:
    return Finding(subject, True, text)


def _bad(subject: str, text: str) -> Finding:
    return Finding(subject, False, text)
