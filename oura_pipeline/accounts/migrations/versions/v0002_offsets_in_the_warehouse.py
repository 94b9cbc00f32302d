"""Drop the offsets from UTC: the warehouse learns them from the documents that it holds."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Drop the table."""
    op.drop_table("offsets")
