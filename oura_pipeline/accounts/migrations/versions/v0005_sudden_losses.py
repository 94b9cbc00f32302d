"""Add what a day had before an answer of Oura lost it, and when that was."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from oura_pipeline.accounts.schema import Instant

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Add the columns, empty: nothing was lost that is known of."""
    op.add_column("fetches", sa.Column("lost_from", sa.Integer))
    op.add_column("fetches", sa.Column("lost_at", Instant))
