"""Everything that a run works with, opened from the settings and closed together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.tokens import PersonTokens
from oura_pipeline.catalog.document_types import DocumentType
from oura_pipeline.files import keep_private
from oura_pipeline.graphite.carbon import (
    FileSender,
    PickleSender,
    PlaintextSender,
    Sender,
    UntilItFails,
)
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.graphite.readback.victoria import VictoriaClient
from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.budget_file import BudgetFile
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.http import http_client, tls
from oura_pipeline.oura.oauth import OAuth
from oura_pipeline.process.telemetry import Telemetry, open_telemetry
from oura_pipeline.settings import LAKE, Protocol, Settings, SettingsError, Store, load_settings
from oura_pipeline.warehouse.lake.address import LakeAddress, ObjectStorage
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse
from oura_pipeline.warehouse.warehouse import Warehouse

_LONGEST_PUSH_SECONDS = 3600.0  # years of everybody; one that hangs ends with its time-out
logger = logging.getLogger(__name__)

RENDER_SECONDS = 120.0
_ANSWER_SECONDS = 0.5  # that an answer of Oura's takes
_FEWEST_AT_ONCE = 8
MOST_AT_ONCE = 48  # threads; the accounts database has 50 connections


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """The application context: what fetching, landing and pushing need.

    Many processes can hold one at once: the accounts database is opened when it is first used, and
    DuckDB for as long as nobody else waits for it.

    Attributes:
        settings: the settings it was opened from.
        accounts: people, tokens, ledgers.
        http: the one connection pool to Oura.
        oauth: renews and revokes tokens.
        budget: the requests to Oura that the whole application may send.
        warehouse: the DuckDB file, or the lake.
        sender: sends points to Graphite, or to the file.
        render: reads points back; None: no render URL is set.
        share: the part of the budget that anybody may have used before our requests wait.
        turns: held by every thread that fetches somebody, whatever the document type.
        telemetry: traces and metrics of what is done.
    """

    settings: Settings
    accounts: Accounts
    http: httpx.Client
    oauth: OAuth
    budget: Budget
    warehouse: Warehouse
    sender: Sender
    render: RenderClient | None
    share: float = 1.0
    turns: threading.Semaphore
    telemetry: Telemetry = field(default_factory=Telemetry)

    @property
    def people_at_once(self) -> int:
        """How many people are fetched at once: as many as can use up the budget."""
        limit = self.settings.oura.rate_limit
        in_time_of_an_answer = limit.requests * self.share / limit.seconds * _ANSWER_SECONDS
        return int(min(max(in_time_of_an_answer, _FEWEST_AT_ONCE), MOST_AT_ONCE))

    def client(self, username: str, *, known: bool = False) -> OuraClient:
        """Return Oura's API as that person sees it; for `known` see the accounts' `Tokens.get`."""
        return OuraClient(
            self.http,
            api_url=self.settings.oura.api_url,
            tokens=self.accounts.tokens.get(username, self.oauth.renew, known=known),
            budget=self.budget,
            share=self.share,
        )

    def landing(self, document_type: DocumentType) -> AbstractContextManager[None]:
        """Hold the lock under which documents of a type land and are recorded.

        Raises:
            AccountsBusy: somebody else held it for too long.
        """
        return self.accounts.lock(f"land {document_type.name}")

    def pushing(self, document_type: DocumentType) -> AbstractContextManager[None]:
        """Hold the lock under which points of a type are sent.

        Raises:
            AccountsBusy: somebody else held it for too long.
        """
        return self.accounts.lock(f"push {document_type.name}", seconds=_LONGEST_PUSH_SECONDS)

    def exporting(self) -> AbstractContextManager[None]:
        """Hold the lock under which files of people are written into `OURA_EXPORTS`, or deleted.

        Raises:
            AccountsBusy: somebody else held it for too long.
        """
        return self.accounts.lock("exports")

    def tokens(self, username: str) -> PersonTokens:
        """Return that person's tokens, renewed where they expire.

        Raises:
            UnknownPerson: nobody has this username.
        """
        return self.accounts.tokens.get(username, self.oauth.renew)


@contextmanager
def open_pipeline(settings: Settings | None = None, share: float = 1.0) -> Iterator[Pipeline]:
    """Open a pipeline, and close it after the block.

    Args:
        settings: None: those of this process.
        share: the part of the budget that anybody may have used before its requests wait.

    Raises:
        SettingsError: a setting cannot be used.
    """
    settings = settings or load_settings()
    # By default stamina prints its warnings into the output of commands, as Dagster brings
    # structlog.
    set_on_retry_hooks([_log_retry])
    with ExitStack() as stack:
        telemetry = open_telemetry(settings.logs.otlp_endpoint)
        stack.callback(telemetry.close)
        accounts = open_accounts(settings)
        stack.callback(accounts.close)
        http = stack.enter_context(http_client(connections=MOST_AT_ONCE))
        render = None
        if settings.graphite.render_url:
            web = stack.enter_context(httpx.Client(verify=tls(), timeout=RENDER_SECONDS))
            kinds = {Store.GRAPHITE: RenderClient, Store.VICTORIA: VictoriaClient}
            render = kinds[settings.graphite.store](web, settings.graphite.render_url)
        budget = open_budget(settings, accounts)
        stack.callback(budget.close)
        yield Pipeline(
            settings=settings,
            accounts=accounts,
            http=http,
            oauth=OAuth(
                http,
                token_urls=settings.oura.token_urls,
                revoke_urls=settings.oura.revoke_urls,
                working=accounts.people.token_url,
                client_id=settings.oura.client_id,
                client_secret=settings.oura.client_secret.get_secret_value(),
            ),
            budget=budget,
            warehouse=open_warehouse(settings),
            sender=UntilItFails(graphite_sender(settings)),
            render=render,
            share=share,
            turns=threading.Semaphore(MOST_AT_ONCE),
            telemetry=telemetry,
        )


def _log_retry(details: RetryDetails) -> None:
    logger.info("trying again in %.1f s: %s", details.wait_for, details.caused_by)


def graphite_sender(settings: Settings) -> Sender:
    """Return the sender of the protocol that is set."""
    match settings.graphite.protocol:
        case Protocol.FILE:
            return FileSender(settings.storage.graphite_log_path)
        case Protocol.PICKLE:
            return PickleSender(settings.graphite.host, settings.graphite.port)
        case Protocol.PLAINTEXT:
            return PlaintextSender(settings.graphite.host, settings.graphite.port)


def open_budget(settings: Settings, accounts: Accounts, **options: Any) -> Budget:
    """Open the budget, which all processes share; the caller closes it. Options: see `Budget`."""
    requests, seconds = settings.oura.rate_limit
    if settings.storage.accounts_on_postgres:
        return Budget(accounts.requests(requests, seconds), **options)
    path = settings.storage.home / "budget.sqlite"
    return Budget(BudgetFile(path, requests=requests, seconds=seconds), **options)


def open_warehouse(settings: Settings) -> Warehouse:
    """Return the warehouse that is set."""
    path = settings.storage.warehouse_path
    return Warehouse(path) if path else open_lake(settings)


def open_lake(settings: Settings) -> LakeWarehouse:
    """Return the lake that is set.

    Raises:
        SettingsError: the warehouse is a DuckDB file.
    """
    storage = settings.storage
    if storage.warehouse_path:
        raise SettingsError(
            "OURA_WAREHOUSE_URL names a DuckDB file, which needs no preparation; that of a "
            f"DuckLake begins with {LAKE}"
        )
    objects = ObjectStorage(
        endpoint=storage.s3_endpoint,
        region=storage.s3_region,
        key_id=storage.s3_key_id,
        secret=storage.s3_secret.get_secret_value(),
    )
    address = LakeAddress(
        catalog=storage.warehouse_url.removeprefix(LAKE),
        data=storage.warehouse_data,
        storage=objects if "://" in storage.warehouse_data else None,
    )
    return LakeWarehouse(address, spools=storage.spool_path)


def open_accounts(settings: Settings) -> Accounts:
    """Open the accounts database; the caller closes it."""
    _prepare_home(settings)
    return Accounts.open(
        settings.storage.accounts_url,
        keys=token_keys(settings),
        key_path=settings.storage.token_key_path,
    )


def _prepare_home(settings: Settings) -> None:
    home = settings.storage.home
    try:
        keep_private(home)
    except OSError as error:
        reason = f"{home} cannot be created: {error.strerror}"
        raise SettingsError(f"OURA_PIPELINE_HOME cannot be used: {reason}") from None


def token_keys(settings: Settings) -> list[str]:
    """Return the keys that encrypt tokens, the newest first; empty: they are in a file."""
    keys = settings.storage.token_key.get_secret_value().split(",")
    return [key.strip() for key in keys if key.strip()]
