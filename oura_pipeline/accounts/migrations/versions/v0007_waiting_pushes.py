"""Add the days whose points wait to be pushed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

INSTANT = sa.DateTime(timezone=True)
_LEFT = """
    INSERT INTO waiting_pushes (document_type, username, day, "at", due_at, attempts)
    SELECT document_type, username, day, "at", "at", 0 FROM pushes
    WHERE state IN ('pending', 'missing')
"""
_NEVER_PUSHED = """
    INSERT INTO waiting_pushes (document_type, username, day, "at", due_at, attempts)
    SELECT document_type, username, day, "at", "at", 0 FROM fetches
    WHERE documents > 0 AND NOT EXISTS (
        SELECT 1 FROM pushes WHERE pushes.document_type = fetches.document_type
        AND pushes.username = fetches.username AND pushes.day = fetches.day
    )
"""


def upgrade() -> None:
    """Add the table, with what was left half sent, and what has landed and was never pushed."""
    op.create_table(
        "waiting_pushes",
        sa.Column("document_type", sa.Text, nullable=False),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("document_type", "username", "day", name="pk_waiting_pushes"),
        sa.ForeignKeyConstraint(
            ["username"], ["people.username"], "fk_waiting_pushes_username", ondelete="CASCADE"
        ),
    )
    op.execute(_LEFT)
    op.execute(_NEVER_PUSHED)
