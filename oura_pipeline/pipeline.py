"""Everything that a run works with, opened from the settings and closed together.

What surprises: nothing here talks to anyone yet. The databases are opened when they are first used
and DuckDB only for the moment of a transaction, so that many processes can hold a pipeline at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx

from oura_pipeline.accounts.store import Accounts
from oura_pipeline.accounts.tokens import PersonTokens
from oura_pipeline.graphite.carbon import FileSender, PickleSender, PlaintextSender, Sender
from oura_pipeline.graphite.readback.render import RenderClient
from oura_pipeline.oura.budget import Budget
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.http import http_client
from oura_pipeline.oura.oauth import OAuth
from oura_pipeline.settings import Protocol, Settings, load_settings
from oura_pipeline.warehouse.warehouse import Warehouse

RENDER_SECONDS = 120.0


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What fetching, landing and pushing need.

    Attributes:
        settings: the settings it was opened from.
        accounts: people, tokens, ledgers.
        http: the one connection pool to Oura.
        oauth: renews and revokes tokens.
        budget: what Oura lets the whole application ask.
        warehouse: the DuckDB file.
        sender: takes points to Graphite, or to the file.
        render: reads points back; None where no render URL is set.
        share: the part of the budget that may be used before our requests wait.
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

    def client(self, username: str) -> OuraClient:
        """Oura as that person's token sees it."""
        return OuraClient(
            self.http,
            api_url=self.settings.oura.api_url,
            tokens=self.tokens(username),
            budget=self.budget,
            share=self.share,
        )

    def tokens(self, username: str) -> PersonTokens:
        """That person's tokens, renewed where they expire.

        Raises:
            UnknownPerson: nobody has this username.
        """
        return self.accounts.tokens.get(username, self.oauth.renew)


@contextmanager
def open_pipeline(settings: Settings | None = None, share: float = 1.0) -> Iterator[Pipeline]:
    """A pipeline for the settings of this process, or for those given.

    Args:
        settings: those to use; None: those of this process.
        share: the part of the budget that may be used before its requests wait.

    Raises:
        SettingsError: a setting cannot be used.
    """
    settings = settings or load_settings()
    with ExitStack() as stack:
        accounts = open_accounts(settings)
        stack.callback(accounts.close)
        http = stack.enter_context(http_client())
        render = None
        if settings.graphite.render_url:
            web = stack.enter_context(httpx.Client(timeout=RENDER_SECONDS))
            render = RenderClient(web, settings.graphite.render_url)
        budget = open_budget(settings)
        stack.callback(budget.close)
        yield Pipeline(
            settings=settings,
            accounts=accounts,
            http=http,
            oauth=OAuth(
                http,
                token_urls=settings.oura.token_urls,
                revoke_url=settings.oura.revoke_url,
                client_id=settings.oura.client_id,
                client_secret=settings.oura.client_secret.get_secret_value(),
            ),
            budget=budget,
            warehouse=Warehouse(settings.storage.warehouse_path),
            sender=graphite_sender(settings),
            render=render,
            share=share,
        )


def graphite_sender(settings: Settings) -> Sender:
    """What takes points away, by the protocol."""
    match settings.graphite.protocol:
        case Protocol.FILE:
            return FileSender(settings.storage.graphite_log_path)
        case Protocol.PICKLE:
            return PickleSender(settings.graphite.host, settings.graphite.port)
        case Protocol.PLAINTEXT:
            return PlaintextSender(settings.graphite.host, settings.graphite.port)


def open_budget(settings: Settings) -> Budget:
    """The budget of these settings, which all processes share; the caller closes it."""
    limit = settings.oura.rate_limit
    return Budget(
        settings.storage.home / "budget.sqlite", requests=limit.requests, seconds=limit.seconds
    )


def open_accounts(settings: Settings) -> Accounts:
    """The accounts database of these settings; the caller closes it."""
    return Accounts.open(
        settings.storage.accounts_url,
        keys=token_keys(settings),
        key_path=settings.storage.token_key_path,
    )


def token_keys(settings: Settings) -> list[str]:
    """The keys that encrypt tokens, the newest first; none: they are in a file."""
    keys = settings.storage.token_key.get_secret_value().split(",")
    return [key.strip() for key in keys if key.strip()]
