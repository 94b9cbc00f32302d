"""Add what the site and the webhook receiver remember: states, sign-ups, consents, deliveries."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INSTANT = sa.DateTime(timezone=True)
# SQLite adds no column without a value for the rows that are there, and keeps it as a default.
EPOCH = "1970-01-01 00:00:00.000000"


def upgrade() -> None:
    """Widen people and the inbox, keep every row of theirs, and make the new tables."""
    _people()
    _inbox()
    _deliveries()
    _consents()
    _sign_ups()


def _people() -> None:
    _add_filled("people", "joined_at", INSTANT, EPOCH)
    _add_filled("people", "state_since", INSTANT, EPOCH)
    op.add_column("people", sa.Column("sync_asked_at", INSTANT))
    op.add_column("people", sa.Column("notified_at", INSTANT))
    op.execute("UPDATE people SET joined_at = connected_since, state_since = connected_since")


def _inbox() -> None:
    op.add_column("webhook_inbox", sa.Column("digest", sa.Text))
    _add_filled("webhook_inbox", "attempts", sa.Integer(), "0")
    _add_filled("webhook_inbox", "next_at", INSTANT, EPOCH)
    op.execute("UPDATE webhook_inbox SET next_at = received_at")
    _fill_digests()
    op.create_index("ix_webhook_inbox_digest", "webhook_inbox", ["digest"], unique=True)


def _fill_digests() -> None:
    """Of each body once: what was received several times stays, and its first row stands for it."""
    inbox = sa.table("webhook_inbox", sa.column("id"), sa.column("body"), sa.column("digest"))
    connection = op.get_bind()
    seen = set()
    rows = connection.execute(sa.select(inbox.c.id, inbox.c.body).order_by(inbox.c.id)).all()
    for identifier, body in rows:
        digest = sha256(body).hexdigest()
        if digest not in seen:
            changed = sa.update(inbox).where(inbox.c.id == identifier)
            connection.execute(changed.values(digest=digest))
        seen.add(digest)


def _deliveries() -> None:
    op.create_table(
        "deliveries",
        sa.Column("receipt", sa.Text, nullable=False),
        sa.Column("data_type", sa.Text, nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("receipt", "data_type", name="pk_deliveries"),
    )


def _consents() -> None:
    op.create_table(
        "consents",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("verifier", sa.Text, nullable=False),
        sa.Column("browser", sa.Text),
        sa.Column("invite", sa.Text),
        sa.Column("username", sa.String(32)),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_consents"),
    )


def _sign_ups() -> None:
    op.create_table(
        "sign_ups",
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("oura_id", sa.Text),
        sa.Column("name", sa.Text),
        sa.Column("scopes", sa.Text),
        sa.Column("refresh_token", sa.Text, nullable=False),
        sa.Column("access_token", sa.Text),
        sa.Column("expires_at", INSTANT),
        sa.Column("renewed_at", INSTANT),
        sa.Column("token_url", sa.Text),
        sa.Column("invite", sa.Text),
        sa.Column("begun_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_ups"),
        sa.UniqueConstraint("oura_id", name="uq_sign_ups_oura_id"),
    )


def _add_filled(table: str, name: str, kind: sa.types.TypeEngine[Any], value: str) -> None:
    """Add a column that is never NULL; the value is a default only as long as it must be."""
    op.add_column(table, sa.Column(name, kind, nullable=False, server_default=value))
    if op.get_bind().dialect.name != "sqlite":
        op.alter_column(table, name, server_default=None)
