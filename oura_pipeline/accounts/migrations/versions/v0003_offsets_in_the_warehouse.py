"""Drop the offsets from UTC: the warehouse learns them from the documents that it holds."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Drop the table."""
    op.drop_table("offsets")
