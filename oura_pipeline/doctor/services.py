"""Checks of what runs elsewhere: Dagster, Oura, Graphite."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import dagster as dg
import httpx

from oura_pipeline.accounts.people import PersonState
from oura_pipeline.catalog.credentials import OuraError, SignInRequired
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.doctor.findings import TIMEOUT_SECONDS, Finding, bad, good, reason
from oura_pipeline.oura.http import tls
from oura_pipeline.pipeline import Pipeline
from oura_pipeline.settings import Protocol, Settings
from oura_pipeline.web.automation import State, automation
from oura_pipeline.web.site import dagster_client

_LATELY = timedelta(days=1)
_SILENCE = timedelta(minutes=10)  # a daemon is heard of every half minute
_MAX_SKEW = timedelta(minutes=1)


def dagster(settings: Settings) -> Finding:
    """Look whether sensors and schedules run, as Dagster's UI says."""
    url = settings.site.dagster_url
    with dagster_client(settings) as http:
        found = automation(http, url)
    if found is None:
        return good("Dagster", f"no UI at {url}, which knows whether sensors run; see dev")
    if idle := [f"{one.name} is {one.state}" for one in found if not one.works]:
        advice = f"switch it on at {url}/automation; if all are late, start the daemon"
        return bad("Dagster", f"{', '.join(idle)}: {advice}")
    running = sum(one.state is State.RUNNING for one in found)
    return good("Dagster", f"{running} sensors and schedules run, seen by {url}")


def runs(settings: Settings) -> Iterator[Finding]:
    """Look in Dagster's records for a daemon that is silent, and for runs that failed."""
    now = datetime.now(UTC)
    lately = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - _LATELY)
    with project_instance(captures_output=False) as instance:
        beats = [beat.timestamp for beat in instance.get_daemon_heartbeats().values()]
        failed = instance.get_run_records(lately)
        is_over = bool(failed) and _worked_since(instance, failed[0])
    yield daemon(max(beats, default=None), now)
    if not failed:
        yield good("runs", "none failed in the last 24 hours")
        return
    newest = failed[0].dagster_run
    if is_over:
        yield good("runs", f"`{newest.job_name}` failed, and has worked since")
        return
    yield bad(
        "runs",
        f"{len(failed)} failed in the last 24 hours, at last `{newest.job_name}`: "
        f"{settings.site.dagster_url}/runs/{newest.run_id} says why; what it fetched is kept, and "
        "the rest is asked for again",
    )


def _worked_since(instance: dg.DagsterInstance, failed: dg.RunRecord) -> bool:
    later = dg.RunsFilter(
        job_name=failed.dagster_run.job_name,
        statuses=[dg.DagsterRunStatus.SUCCESS],
        created_after=failed.create_timestamp,
    )
    return bool(instance.get_run_records(later, limit=1))


def daemon(beat: float | None, now: datetime) -> Finding:
    """Judge when a daemon was last heard of, in seconds since 1970."""
    if beat is None:
        text = "none has run yet: nothing is fetched by itself; `oura-pipeline dev` starts it"
        return good("daemon", text)
    last = datetime.fromtimestamp(beat, UTC)
    if now - last < _SILENCE:
        return good("daemon", "runs")
    return bad(
        "daemon",
        f"silent since {last:%Y-%m-%d %H:%M} UTC, so nothing is fetched by itself: start "
        "`oura-pipeline dev`, or `oura-pipeline daemon`",
    )


def webhooks(pipeline: Pipeline) -> Finding:
    """Look whether webhooks are subscribed to."""
    url = pipeline.settings.site.webhook_url
    if not url:
        return good("webhooks", f"off, because {pipeline.settings.site.unreachable}")
    ours = [row for row in pipeline.accounts.subscriptions.all() if row.callback_url == url]
    ends = min((row.expires_at for row in ours if row.expires_at), default=None)
    if not ours:
        return bad("webhooks", "no subscriptions yet: run `oura-pipeline subscriptions create`")
    if ends and ends - datetime.now(UTC) < timedelta(days=3):
        return bad(
            "webhooks", f"one ends on {ends:%Y-%m-%d}: run `oura-pipeline subscriptions renew`"
        )
    return good("webhooks", f"{len(ours)} subscriptions to {url}")


def oura(pipeline: Pipeline) -> Iterator[Finding]:
    """Look whether Oura answers, whether it knows our application, a token and the time."""
    url = pipeline.settings.oura.api_url
    try:
        # Without a token, a healthy API answers 400 or 401.
        answer = pipeline.http.get(
            f"{url}/v2/usercollection/personal_info", timeout=TIMEOUT_SECONDS
        )
    except httpx.HTTPError as error:
        yield bad("Oura", f"{url} cannot be reached: {reason(error)}; see OURA_API_URL")
        return
    state = pipeline.budget.state()
    used = f"{state.used} of {state.limit} requests used"
    yield Finding("Oura", answer.status_code < 500, f"{url} answers {answer.status_code}; {used}")
    if "date" in answer.headers:
        yield clock(answer.headers["date"], datetime.now(UTC))
    if answer.status_code < 500:  # else the client would retry for minutes
        yield from _credentials(pipeline)


def clock(date: str, now: datetime) -> Finding:
    """Judge this machine's clock by the Date header of an answer."""
    try:
        ahead = now - parsedate_to_datetime(date)
    except (TypeError, ValueError):
        return good("clock", "Oura's answer says no time to compare it with")
    if abs(ahead) <= _MAX_SKEW:
        return good("clock", "as Oura's")
    seconds = int(abs(ahead).total_seconds())
    which = "ahead of" if ahead > timedelta(0) else "behind"
    return bad(
        "clock",
        f"{seconds} s {which} Oura's: tokens would be renewed at the wrong time and days fetched "
        "too early or late; let it be set over the network (`timedatectl set-ntp true`)",
    )


def _credentials(pipeline: Pipeline) -> Iterator[Finding]:
    oura = pipeline.settings.oura
    if oura.client_id and oura.client_secret.get_secret_value():
        yield _secret(pipeline)
    connected = pipeline.accounts.people.all([PersonState.CONNECTED])
    for person in connected[:1]:  # one valid token shows that client, key and database fit
        try:
            pipeline.client(person.username).personal_info()
            yield good("token", f"Oura accepts that of {person.username}")
        except OuraError as error:
            yield bad("token", f"{person.username}: {error}")


def _secret(pipeline: Pipeline) -> Finding:
    """Ask for a token with a made-up one: Oura looks at the application's secret first."""
    made_up = secrets.token_urlsafe(24)
    try:
        pipeline.oauth.renew(made_up, seconds=TIMEOUT_SECONDS)
    except SignInRequired:  # it is only the token that is wrong
        return good("secret", "Oura accepts OURA_CLIENT_SECRET")
    except OuraError as error:
        return bad("secret", f"{error}; see OURA_CLIENT_ID and OURA_CLIENT_SECRET")
    return bad("secret", "a made-up token was accepted: is OURA_TOKEN_URL Oura's?")


def graphite(pipeline: Pipeline) -> Iterator[Finding]:
    """Look whether carbon and graphite-web answer."""
    settings = pipeline.settings
    if settings.graphite.protocol is Protocol.FILE:
        yield good("Graphite", f"none set; points go to {settings.storage.graphite_log_path}")
        return
    address = (settings.graphite.host, settings.graphite.port)
    try:
        socket.create_connection(address, timeout=TIMEOUT_SECONDS).close()
        yield good("carbon", f"{address[0]}:{address[1]}, {settings.graphite.protocol}")
    except OSError as error:
        yield bad(
            "carbon", f"{address[0]}:{address[1]} cannot be reached: {error}; see GRAPHITE_HOST"
        )
    if not settings.graphite.render_url:
        yield bad("graphite-web", "set GRAPHITE_RENDER_URL: without it points cannot be read back")
        return
    try:
        answer = httpx.get(
            f"{settings.graphite.render_url}/metrics/find?query=*",
            timeout=TIMEOUT_SECONDS,
            verify=tls(),
        )
        is_good, seen = answer.status_code == 200, f"answers {answer.status_code}"
    except httpx.HTTPError as error:
        is_good, seen = False, f"cannot be reached: {reason(error)}; see GRAPHITE_RENDER_URL"
    yield Finding("graphite-web", is_good, f"{settings.graphite.render_url} {seen}")
