"""A world of one's own: a data folder, people who signed in at a sandbox, and runs in it."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import msgspec

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.commands.sync_run import failure_reasons
from oura_pipeline.definitions import definitions
from oura_pipeline.defs.asset_events import AssetEvent
from oura_pipeline.defs.run_requests import sync_config
from oura_pipeline.defs.storage import project_instance
from oura_pipeline.graphite.local import LocalGraphite
from oura_pipeline.pipeline import open_accounts, open_pipeline
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.settings import load_settings
from oura_pipeline.sync.fetch import FetchResult, fetch_and_land, people_to_fetch
from oura_pipeline.warehouse.warehouse import Warehouse


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that a run needs, in one folder."""

    home: Path
    sandbox: Sandbox
    definitions: dg.Definitions

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse of this world, which its `kept_open` spares many openings."""
        return Warehouse(self.home / "warehouse.duckdb")

    @contextmanager
    def accounts(self) -> Iterator[Accounts]:
        """The accounts of this world."""
        with open_accounts(load_settings()) as accounts:
            yield accounts

    def sign_in(self, username: str, scopes: Sequence[str] | None = None) -> None:
        """Let somebody consent at the sandbox, and add them."""
        with self.accounts() as accounts:
            accounts.people.add(username, sandbox_tokens(self.sandbox, username, scopes))

    def ids(self, *usernames: str) -> list[str]:
        """Return the ids of people."""
        with self.accounts() as accounts:
            return [accounts.people.get(username).id for username in usernames]

    def run(
        self,
        first: date,
        last: date,
        *,
        types: Sequence[str] = (),
        people: Sequence[str] = (),
    ) -> dg.ExecuteInProcessResult:
        """The job `sync` for a range of days, as the command line runs it."""
        with project_instance(captures_output=False) as instance:
            return self.definitions.resolve_job_def("sync").execute_in_process(
                instance=instance,
                run_config=sync_config(
                    first, last, people=self.ids(*people), document_types=types, publish=False
                )
                | {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )

    def fetch(
        self, first: date, last: date, *, types: Sequence[str] = (), people: Sequence[str] = ()
    ) -> dict[str, FetchResult]:
        """What the assets of documents do for a range of days, without Dagster; by type.

        A run of Dagster takes ten times as long as what it is about.
        """
        with open_pipeline() as pipeline, pipeline.warehouse.kept_open():
            return {
                document_type.name: fetch_and_land(
                    pipeline,
                    document_type,
                    people_to_fetch(pipeline, people),
                    first_day=first,
                    last_day=last,
                    run_id="a fetch",
                )
                for document_type in DOCUMENT_TYPES
                if not types or document_type.name in types
            }

    def landed(self, username: str, document_type: DocumentType) -> list[tuple[str, Any]]:
        """A person's rows as (day, document), in a comparable order."""
        rows = self.warehouse.documents(document_type, username, date.min, date.max)
        return comparable((day.isoformat(), json.loads(raw)) for day, raw in rows)

    def truth(
        self,
        username: str,
        document_type: DocumentType,
        first: date | None = None,
        last: date | None = None,
    ) -> list[tuple[str, Any]]:
        """What the sandbox holds of a person, in the same form."""
        held = self.sandbox.truth(username, document_type.name, first, last)
        return comparable((entry["day"], entry["document"]) for entry in held)


def sandbox_tokens(sandbox: Sandbox, username: str, scopes: Sequence[str] | None = None) -> SignIn:
    """The tokens of somebody who has just consented at the sandbox."""
    answer = sandbox.sign_in(username, scopes)
    return SignIn(
        refresh_token=answer["refresh_token"],
        access_token=answer["access_token"],
        expires_at=datetime.now(UTC) + timedelta(seconds=answer["expires_in"]),
    )


def comparable(entries: Any) -> list[tuple[str, Any]]:
    """Entries in an order that does not depend on where they came from."""
    encode = msgspec.json.Encoder(order="deterministic").encode
    return sorted(entries, key=lambda entry: (str(entry[0]), encode(entry[1])))


def metadata(result: dg.ExecuteInProcessResult, key: Sequence[str], name: str) -> dict[Any, Any]:
    """One number of every partition of an asset, by its key."""
    return {
        event.partition: event.metadata[name].value
        for event in reported(result)
        if isinstance(event, dg.AssetMaterialization) and event.asset_key == dg.AssetKey(key)
    }


def red_checks(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], str]:
    """The failed checks: (asset, check) and what they say."""
    return {
        (check.asset_key.to_user_string(), check.check_name): check.description or ""
        for check in reported(result)
        if isinstance(check, dg.AssetCheckEvaluation) and not check.passed
    }


def reported(result: dg.ExecuteInProcessResult) -> list[AssetEvent]:
    """The materializations and check evaluations of a run, as Dagster's records have them."""
    with project_instance(captures_output=False) as instance:
        assert instance.has_run(result.run_id), "a run of another world"
        return reported_events(instance, result.run_id)


def reported_events(instance: dg.DagsterInstance, run_id: str) -> list[AssetEvent]:
    """Return what was reported under a run, in order."""
    kinds = {dg.DagsterEventType.ASSET_MATERIALIZATION, dg.DagsterEventType.ASSET_CHECK_EVALUATION}
    events = (entry.dagster_event for entry in instance.all_logs(run_id, of_type=kinds))
    return [
        event.step_materialization_data.materialization
        if event.is_step_materialization
        else event.asset_check_evaluation_data
        for event in events
        if event
    ]


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """What failed in a sync, and why."""
    [failed] = [event for event in result.all_events if event.is_step_failure]
    return failure_reasons(failed.step_failure_data)


@contextmanager
def world(
    home: Path,
    sandbox: Sandbox,
    *,
    graphite: LocalGraphite | None = None,
    document_types: tuple[DocumentType, ...] = DOCUMENT_TYPES,
    settings: Mapping[str, str] | None = None,
    begun: Path | None = None,
) -> Iterator[World]:
    """A world in a folder, for the length of the block; `begun` is a folder to begin with."""
    # Settings come from the environment, as in production. It is restored: no other test sees it.
    home.mkdir(parents=True, exist_ok=True)
    if begun:
        shutil.copytree(begun, home, dirs_exist_ok=True)
    values = environment(home, sandbox, graphite) | dict(settings or {})
    earlier = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield World(home=home, sandbox=sandbox, definitions=_definitions(document_types))
    finally:
        for name, value in earlier.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _definitions(document_types: tuple[DocumentType, ...]) -> dg.Definitions:
    if document_types is not DOCUMENT_TYPES:
        return _new_definitions(document_types)
    settings = load_settings()
    return _usual_definitions(settings.oura.history_start, settings.storage.exports_daily)


@cache
def _usual_definitions(*_settings: date | bool) -> dg.Definitions:
    # Made once for all worlds: the definitions depend on these settings only.
    return _new_definitions(DOCUMENT_TYPES)


def _new_definitions(document_types: tuple[DocumentType, ...]) -> dg.Definitions:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        warnings.simplefilter("ignore", dg.PreviewWarning)
        return definitions(document_types)


def environment(
    home: Path, sandbox: Sandbox, graphite: LocalGraphite | None = None
) -> dict[str, str]:
    """The variables that point the project at a sandbox and a Graphite."""
    return {
        "OURA_PIPELINE_HOME": str(home),
        "OURA_CLIENT_ID": sandbox.options.client_id,
        "OURA_CLIENT_SECRET": sandbox.options.client_secret,
        "OURA_API_URL": sandbox.url,
        "OURA_AUTHORIZE_URL": f"{sandbox.url}/oauth/authorize",
        "OURA_TOKEN_URL": f"{sandbox.url}/oauth/token,{sandbox.url}/oauth/v2/ext/oauth-token",
        "OURA_REVOKE_URL": f"{sandbox.url}/oauth/revoke",
        "GRAPHITE_HOST": "127.0.0.1" if graphite else "",
        "GRAPHITE_PORT": str(graphite.line_port) if graphite else "",
        "GRAPHITE_RENDER_URL": graphite.render_url if graphite else "",
        "DAGSTER_HOME": "",
        # Dagster lists all partitions several times in each run.
        "OURA_HISTORY_START": "2025-01-01",
    }
