"""Add indexes of the rows in the ledger of fetches that failed or have a loss."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

_KEY = ["document_type", "username", "day"]
_INDEXES = {"failed": sa.text("status = 'failed'"), "lost": sa.text("lost_at IS NOT NULL")}


def upgrade() -> None:
    """Create them."""
    for name, those in _INDEXES.items():
        op.create_index(
            f"ix_fetches_{name}", "fetches", _KEY, sqlite_where=those, postgresql_where=those
        )
