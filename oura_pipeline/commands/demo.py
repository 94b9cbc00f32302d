"""`oura-pipeline demo`: the whole pipeline with synthetic people, and nothing left running.

Everything is real but the people: they sign in through the sandbox's OAuth, a Dagster run fetches
and lands, and carbon takes the points.
"""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.analysis.frames import connect
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.commands.console import console, table_with
from oura_pipeline.files import keep_private
from oura_pipeline.graphite.environment import LocalGraphiteError, graphite_python, installed
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.ledger import PushState
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.process import interrupts
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings

if TYPE_CHECKING:
    from oura_pipeline.commands.sync_run import SyncResult

PEOPLE, DAYS = 5, 90
SITE_PORT = 8000
_DEFAULTS = ("OURA_ACCOUNTS_URL", "OURA_WAREHOUSE_URL", "OURA_TOKEN_KEY", "GRAPHITE_PROTOCOL")
OPERATOR = "demo"  # the password of a page about nobody
DASHBOARD = "oura-sleep"  # the one that is drawn
QUESTIONS = {
    "Who slept longest last night?": """
        select username, day, round(total_sleep_minutes / 60, 1) as hours, hrv_average_ms
        from nights where is_finished
        qualify row_number() over (partition by username order by day desc) = 1
        order by hours desc""",
    "How do nights and readiness go together?": """
        select username, count(*) as days,
               round(corr(total_sleep_minutes, readiness_score), 2) as correlation
        from daily_summary where total_sleep_minutes is not null group by all order by username""",
    "When, on their own clock, is the heart slowest?": """
        select username, arg_min(hour, bpm) as hour, round(min(bpm)) as bpm_mean
        from (select username, hour(hour_local) as hour, avg(bpm_mean) as bpm
              from heart_rate_hourly group by all)
        group by username order by username""",
}


@click.command()
@click.option("--serve", is_flag=True, help="Keep sandbox, Dagster and site running afterwards.")
def demo(serve: bool) -> None:
    """Run the whole pipeline with synthetic people."""
    sys.exit(run_demo(console, serve=serve))


def run_demo(out: Console, *, serve: bool) -> int:
    """Run the demo; return 0 if everything landed and arrived, else 1."""
    began = time.monotonic()
    home = load_settings().storage.home / "demo"
    # Each demo begins anew: tokens of an earlier sandbox would be refused by this one.
    shutil.rmtree(home, ignore_errors=True)
    keep_private(home)
    with ExitStack() as stack:
        out.rule("A sandbox of Oura's cloud, and a Graphite")
        graphite, ready = _graphite(out, stack)
        options = SandboxOptions(people=PEOPLE, days=DAYS)
        # A process of its own: in a thread it would share the interpreter's lock with the sync.
        sandbox = stack.enter_context(running(options, process=True))
        # Dagster takes two seconds to import: those in which Graphite starts.
        importlib.import_module("oura_pipeline.commands.sync_run")
        ready.result()
        _point_settings_at(home, sandbox, graphite)
        _sign_in(out, sandbox)
        out.rule(f"Sync of {PEOPLE} people, {DAYS} days, {len(DOCUMENT_TYPES)} document types")
        synced = _sync(out)
        _answers(out)
        arrived = _arrivals(out, synced, graphite)
        picture = _picture(out, home, sandbox, graphite)
        out.print(f"Took {time.monotonic() - began:.0f} s.")
        if picture:
            out.print(f"A dashboard, drawn by graphite-web: {_short(picture)}")
        out.print(f"Ask more: duckdb -readonly {_short(load_settings().storage.analytics_path)}")
        if serve:
            _serve(out, home)
        else:
            out.print(
                "To see it in Dagster's UI and to sign in at the site, add --serve (make: SERVE=1)"
            )
    return 0 if synced.success and arrived else 1


def _graphite(out: Console, stack: ExitStack) -> tuple[LocalGraphite | None, Future[object]]:
    """Start a Graphite in a thread, where one can run; it stops with the stack."""
    starter = stack.enter_context(ThreadPoolExecutor(1))
    try:
        _install_graphite(out)
    except LocalGraphiteError as error:
        out.print(f"Without a Graphite, points go to a file. {error}", markup=False)
        return None, starter.submit(lambda: None)
    graphite = LocalGraphite()
    stack.callback(graphite.stop)
    stack.enter_context(interrupts.interruptible(abandoned=graphite.kill))
    out.print(f"A real Graphite: {graphite.render_url}")
    return graphite, starter.submit(graphite.start)


def _install_graphite(out: Console) -> None:
    if installed():
        return
    began = time.monotonic()
    with out.status("Installing Graphite, in an environment of its own"):
        graphite_python()
    out.print(
        f"Installed Graphite, in an environment of its own ({time.monotonic() - began:.0f} s)"
    )


def _point_settings_at(home: Path, sandbox: Sandbox, graphite: LocalGraphite | None) -> None:
    options = sandbox.options
    # Only for this process and its children: the demo must not touch what is real.
    os.environ |= {
        "OURA_PIPELINE_HOME": str(home),
        "OURA_API_URL": sandbox.url,
        "OURA_AUTHORIZE_URL": sandbox.url + "/oauth/authorize",
        "OURA_TOKEN_URL": sandbox.url + sandbox.token_path,
        "OURA_REVOKE_URL": sandbox.url + "/oauth/revoke",
        "OURA_CLIENT_ID": options.client_id,
        "OURA_CLIENT_SECRET": options.client_secret,
        "GRAPHITE_PREFIX": "bio",
        "GRAPHITE_HOST": "127.0.0.1" if graphite else "",
        "GRAPHITE_PORT": str(graphite.line_port) if graphite else "",
        "GRAPHITE_RENDER_URL": graphite.render_url if graphite else "",
        # Empty means the default, and also clears what `.env` says.
        **dict.fromkeys(_DEFAULTS, ""),
    }
    os.environ.pop("DAGSTER_HOME", None)


def _sign_in(out: Console, sandbox: Sandbox) -> None:
    with open_accounts(load_settings()) as accounts:
        for person in sandbox.people():
            # Through the sandbox's OAuth, so that tokens are renewed like real ones.
            answer = sandbox.sign_in(person["username"])
            accounts.people.add(
                person["username"],
                SignIn(
                    refresh_token=answer["refresh_token"],
                    access_token=answer["access_token"],
                    expires_at=datetime.now(UTC) + timedelta(seconds=answer["expires_in"]),
                ),
            )
            out.print(f"{person['username']} signed in, in {person['zone']}")


def _sync(out: Console) -> SyncResult:
    from oura_pipeline.commands import sync_run

    last_day = sync_run.last_partition()
    first_day = last_day - timedelta(days=DAYS)
    with sync_run.SyncProgressBar(out).shown(PEOPLE * len(DOCUMENT_TYPES)):
        synced = sync_run.run_sync(first_day, last_day)
    out.print(sync_run.result_table(synced))
    sync_run.print_problems(out, "red", synced.failures)
    return synced


def _answers(out: Console) -> None:
    out.rule("Three answers from the published copy")
    with connect(load_settings().storage.analytics_path) as connection:
        for question, query in QUESTIONS.items():
            result = connection.execute(query)
            headings = [column[0] for column in result.description or ()]
            table = table_with(*headings, title=question, title_justify="left")
            for row in result.fetchall():
                table.add_row(*map(str, row))
            out.print(table)


def _arrivals(out: Console, synced: SyncResult, graphite: LocalGraphite | None) -> bool:
    from oura_pipeline.commands.sync_run import print_problems

    out.rule("What arrived")
    settings = load_settings()
    with open_accounts(settings) as accounts:
        names = [document_type.name for document_type in DOCUMENT_TYPES]
        pushes = [push for name in names for push in accounts.pushes.find(name)]
    points = sum(push.points for push in pushes)
    if graphite is None:
        out.print(f"{points:,} points in {_short(settings.storage.graphite_log_path)}")
        return True
    delivered = sum(push.points for push in pushes if push.state is PushState.DELIVERED)
    failed = synced.failed_checks.items()
    missing = {check: text for check, text in failed if check.endswith(" points_arrived")}
    out.print(f"{delivered:,} of {points:,} points were read back from Graphite, twice")
    if points > delivered and not missing:
        out.print(
            f"{points - delivered:,} belong to a day that has begun where a person lives but not "
            "yet in UTC; Graphite shows them once it has"
        )
    print_problems(out, "red", missing)
    return not missing


def _picture(
    out: Console, home: Path, sandbox: Sandbox, graphite: LocalGraphite | None
) -> Path | None:
    """Draw a dashboard of the first person's last month; None where nothing can draw it."""
    if graphite is None:
        return None
    try:
        from oura_pipeline.graphite.dashboard_image import draw
    except OSError:  # the Python package is there, the system's library is not
        out.print("No picture of a dashboard without cairo: install libcairo2")
        return None
    path, last = home / f"{DASHBOARD}.png", datetime.now(UTC).date()
    draw(
        graphite.render_url,
        DASHBOARD,
        path,
        person=sandbox.people()[0]["username"],
        first=last - timedelta(days=30),
        last=last,
    )
    return path


def _serve(out: Console, home: Path) -> None:
    from oura_pipeline.commands.dev import run_dagster_and_site

    site = f"http://127.0.0.1:{SITE_PORT}"
    os.environ |= {
        "OURA_PUBLIC_URL": site,  # the sandbox reaches it: webhooks work
        "OURA_SIGNUP": "open",
        "OURA_OPERATOR_TOKEN": OPERATOR,
        "OURA_OPERATED_BY": "nobody: this is a demo",
    }
    out.print("The sandbox, Dagster's UI and the site stay up until Ctrl-C.")
    out.print(f"Sign in as anybody: {site}")
    out.print(f"The operator's page: {site}/status (password: {OPERATOR})")
    # In a folder without a `.env`, which would point the daemon and the site at the real Oura.
    run_dagster_and_site(3000, SITE_PORT, home)
    out.print("Stopping.")


def _short(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
