"""`oura-pipeline demo`: the whole pipeline with synthetic people, and nothing left running.

Everything is real but the people: they sign in through the sandbox's OAuth, a Dagster run fetches
and lands, and carbon takes the points.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES
from oura_pipeline.commands import demo_grafana
from oura_pipeline.commands.console import console, print_lines
from oura_pipeline.commands.demo_answers import print_answers
from oura_pipeline.commands.demo_folder import DemoFolder
from oura_pipeline.commands.dev import PORT, check_ports, local, run_dagster_and_site, short
from oura_pipeline.graphite.environment import LocalGraphiteError, graphite_python, installed
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.ledger import PushState
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.process import interrupts
from oura_pipeline.process.children import children
from oura_pipeline.sandbox.running import Sandbox, running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import load_settings

if TYPE_CHECKING:
    from oura_pipeline.commands.sync_run import SyncResult

PEOPLE = 5  # the last of them has not signed in yet
DAYS = 30  # as many as a dashboard shows first; the views look back at most 28
_DEFAULTS = ("OURA_ACCOUNTS_URL", "OURA_WAREHOUSE_URL", "OURA_TOKEN_KEY", "GRAPHITE_PROTOCOL")
OPERATOR = "demo"  # the password of a page about nobody
DASHBOARD = "oura-sleep"  # the one that is drawn


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What stays up after the demo.

    Attributes:
        port: of Dagster's UI.
        site_port: of the site.
        grafana: the program or folder of a Grafana; None: there is none.
    """

    port: int
    site_port: int
    grafana: Path | None

    @property
    def ports(self) -> dict[str, int]:
        """Its ports, by the option that chooses them."""
        of_grafana = {"GRAFANA_PORT": demo_grafana.PORT} if self.grafana else {}
        return {"--port": self.port, "--site-port": self.site_port, **of_grafana}


@click.command()
@click.option("--serve", is_flag=True, help="Keep sandbox, Dagster and site running afterwards.")
@click.option("--port", default=3000, type=PORT, show_default=True, help="Port of Dagster's UI.")
@click.option("--site-port", default=8000, type=PORT, show_default=True, help="Port of the site.")
@click.option(
    "--grafana",
    type=click.Path(exists=True, path_type=Path),
    help="A Grafana's program or folder: it serves the dashboards, too.",
)
@click.option("--days", default=DAYS, type=click.IntRange(1), show_default=True, help="How many.")
@click.option("--reset", is_flag=True, help="Delete what an earlier demo made, and do no more.")
def demo(
    *, serve: bool, port: int, site_port: int, grafana: Path | None, days: int, reset: bool
) -> None:
    """Run the whole pipeline with synthetic people.

    What an earlier demo made is used again.
    """
    folder = DemoFolder(load_settings().storage.home / "demo")
    if reset:
        folder.remove()
        print_lines(f"{folder.path} is gone; the next demo begins anew.")
        return
    stays = Serving(port=port, site_port=site_port, grafana=grafana) if serve or grafana else None
    sys.exit(run_demo(console, folder, days=days, serving=stays))


def run_demo(out: Console, folder: DemoFolder, *, days: int, serving: Serving | None) -> int:
    """Run the demo; return 0 if everything landed and arrived, else 1."""
    began = time.monotonic()
    if serving:
        check_ports(serving.ports)  # now, not after a minute's work
    with ExitStack() as stack:
        starter = stack.enter_context(ThreadPoolExecutor(1))
        graphite, start = _graphite(out, stack, folder)
        # Of another Graphite, or of none, or of other days: not what is asked for.
        first = folder.first_day(days=days, graphite=graphite is not None)
        is_new = first is None
        if first is None:
            folder.make()
            first = datetime.now(UTC).date() - timedelta(days=days - 1)
            out.print(f"Takes about a minute on two cores, and 60 MB in {short(folder.path)}.")
        else:
            out.print(f"Using what {short(folder.path)} has; `make reset` begins anew.")
        started = starter.submit(start)
        options = SandboxOptions(people=PEOPLE, days=(datetime.now(UTC).date() - first).days + 1)
        # A process of its own: in a thread it would share the interpreter's lock with the sync.
        sandbox = stack.enter_context(running(options, process=True))
        # Dagster takes two seconds to import: those in which Graphite starts.
        importlib.import_module("oura_pipeline.commands.sync_run")
        started.result()
        _point_settings_at(folder.path, sandbox, graphite, first)
        _sign_in(out, sandbox, is_new=is_new)
        is_good = not is_new or _show_everything(out, folder.path, sandbox, graphite, first)
        if not is_new:
            print_answers(out)
        elif is_good:
            folder.done(first, days=days, graphite=graphite is not None)
        out.print(f"Took {time.monotonic() - began:.0f} s; {folder.size} in {short(folder.path)}.")
        out.print(f"Ask more: duckdb -readonly {short(load_settings().storage.analytics_path)}")
        if serving:
            _serve(folder.path, serving, sandbox, graphite)
        else:
            out.print("To see it in Dagster's UI and at the site: make demo SERVE=1 (--serve)")
    return 0 if is_good else 1


def _show_everything(
    out: Console, home: Path, sandbox: Sandbox, graphite: LocalGraphite | None, first: date
) -> bool:
    """Sync, and show what landed and arrived; return whether everything did."""
    synced = _sync(out, first)
    print_answers(out)
    arrived = _arrivals(out, synced, graphite)
    if picture := _picture(out, home, sandbox, graphite):
        out.print(f"A dashboard, drawn by graphite-web: {short(picture)}")
    return synced.success and arrived


def _graphite(
    out: Console, stack: ExitStack, folder: DemoFolder
) -> tuple[LocalGraphite | None, Callable[[], object]]:
    """Return a Graphite, where one can run, and what starts it; it stops with the stack."""
    try:
        _install_graphite(out)
    except LocalGraphiteError as error:
        out.print(f"Without a Graphite, points go to a file. {error}", markup=False)
        return None, lambda: None
    graphite = LocalGraphite(folder.graphite)
    stack.callback(graphite.stop)
    stack.enter_context(interrupts.interruptible(abandoned=graphite.kill))
    return graphite, graphite.start


def _install_graphite(out: Console) -> None:
    if installed():
        return
    began = time.monotonic()
    with out.status("Installing Graphite, in an environment of its own"):
        graphite_python()
    out.print(
        f"Installed Graphite, in an environment of its own ({time.monotonic() - began:.0f} s)"
    )


def _point_settings_at(
    home: Path, sandbox: Sandbox, graphite: LocalGraphite | None, first: date
) -> None:
    # Only for this process and its children: the demo must not touch what is real.
    os.environ |= {
        "OURA_PIPELINE_HOME": str(home),
        **sandbox.variables(),
        # Nobody has anything before: history ends there, instead of ten years of nothing.
        "OURA_HISTORY_START": str(first),
        "GRAPHITE_PREFIX": "bio",
        "GRAPHITE_HOST": "127.0.0.1" if graphite else "",
        "GRAPHITE_PORT": str(graphite.line_port) if graphite else "",
        "GRAPHITE_RENDER_URL": graphite.render_url if graphite else "",
        # Empty means the default, and also clears what `.env` says.
        **dict.fromkeys(_DEFAULTS, ""),
    }
    os.environ.pop("DAGSTER_HOME", None)


def _sign_in(out: Console, sandbox: Sandbox, *, is_new: bool) -> None:
    """Sign in everybody but one; in a demo that is used again, everybody who is there."""
    people = sandbox.people()
    with open_accounts(load_settings()) as accounts:
        here = accounts.people.all()
        known = {one.oura_id or one.username: one.username for one in here}
        for person in people[:-1] if is_new else people:
            name = known.get(person["id"]) or known.get(person["username"])
            if name is None and not is_new:
                continue
            # Through the sandbox's OAuth, so that tokens are renewed like real ones.
            answer = sandbox.sign_in(person["username"])
            tokens = SignIn(
                refresh_token=answer["refresh_token"],
                access_token=answer["access_token"],
                expires_at=datetime.now(UTC) + timedelta(seconds=answer["expires_in"]),
            )
            if name is None:
                accounts.people.add(person["username"], tokens)
                out.print(f"{person['username']} signed in, in {person['zone']}")
            else:
                accounts.people.reconnect(name, tokens)
    if is_new:
        out.print(f"{people[-1]['username']} is left for you to sign in with.")


def _sync(out: Console, first_day: date) -> SyncResult:
    from oura_pipeline.commands import sync_run

    last_day = sync_run.last_partition()
    out.rule(f"Sync of {PEOPLE - 1} people, {len(DOCUMENT_TYPES)} document types, from {first_day}")
    with sync_run.SyncProgressBar(out).shown((PEOPLE - 1) * len(DOCUMENT_TYPES)):
        synced = sync_run.run_sync(first_day, last_day)
    out.print(sync_run.result_table(synced))
    sync_run.print_problems(out, "red", synced.failures)
    return synced


def _arrivals(out: Console, synced: SyncResult, graphite: LocalGraphite | None) -> bool:
    from oura_pipeline.commands.sync_run import print_problems

    out.rule("What arrived")
    settings = load_settings()
    with open_accounts(settings) as accounts:
        names = [document_type.name for document_type in DOCUMENT_TYPES]
        pushes = [push for name in names for push in accounts.pushes.find(name)]
    points = sum(push.points for push in pushes)
    if graphite is None:
        out.print(f"{points:,} points in {short(settings.storage.graphite_log_path)}")
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


def _serve(home: Path, serving: Serving, sandbox: Sandbox, graphite: LocalGraphite | None) -> None:
    site = local(serving.site_port)
    os.environ |= {
        "OURA_PUBLIC_URL": site,  # the sandbox reaches it: webhooks work
        "OURA_SIGNUP": "open",
        "OURA_OPERATOR_TOKEN": OPERATOR,
        "OURA_OPERATED_BY": "nobody: this is a demo",
        "OURA_DAGSTER_URL": local(serving.port),
    }
    lines = [
        f"Site: {site}, where you sign in as {sandbox.people()[-1]['username']}, or as anybody",
        f"The operator's page: {site}/status (password: {OPERATOR})",
        f"Everybody's dashboards: {site}/dashboards (the same password)",
        f"Dagster's UI: {local(serving.port)}",
    ]
    with ExitStack() as stack:
        if serving.grafana and graphite:
            command, variables = demo_grafana.prepare(
                serving.grafana, home / "grafana", graphite.render_url
            )
            stack.enter_context(
                children(
                    {"Grafana": command},
                    folder=home,
                    environment={**os.environ, **variables},
                    log=home / "grafana.log",
                )
            )
            lines.append(f"Grafana, when it has started: {local(demo_grafana.PORT)}")
        # In a folder without a `.env`, which would point the daemon and the site at the real Oura.
        run_dagster_and_site(serving.port, serving.site_port, home, lines)
