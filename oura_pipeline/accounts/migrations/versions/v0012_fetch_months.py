"""Add what the rows of each month in the ledger of fetches come to."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

INSTANT = sa.DateTime(timezone=True)
_SUMS = """
    INSERT INTO fetch_months (
        document_type, username, month, days, first_day, last_day, newest, seconds, documents,
        placed
    )
    SELECT document_type, username, {year} * 12 + {month}, count(*), min(day), max(day), max("at"),
        sum({seconds}), sum(documents), sum(documents * {doy} * {doy})
    FROM fetches GROUP BY document_type, username, {year} * 12 + {month}
"""
_SQLITE = {
    "year": "CAST(strftime('%Y', day) AS INTEGER)",
    "month": "CAST(strftime('%m', day) AS INTEGER)",
    "seconds": """CAST(strftime('%s', "at") AS INTEGER)""",
    "doy": "CAST(strftime('%j', day) AS INTEGER)",
}
_POSTGRES = {
    "year": "CAST(extract(year FROM day) AS INTEGER)",
    "month": "CAST(extract(month FROM day) AS INTEGER)",
    "seconds": """CAST(floor(extract(epoch FROM "at")) AS BIGINT)""",
    "doy": "CAST(extract(doy FROM day) AS INTEGER)",
}


def upgrade() -> None:
    """Add the table, with what the ledger has."""
    op.create_table(
        "fetch_months",
        sa.Column("document_type", sa.Text, nullable=False),
        sa.Column("username", sa.String(32), nullable=False),
        sa.Column("month", sa.Integer, nullable=False),
        sa.Column("days", sa.Integer, nullable=False),
        sa.Column("first_day", sa.Date, nullable=False),
        sa.Column("last_day", sa.Date, nullable=False),
        sa.Column("newest", INSTANT, nullable=False),
        sa.Column("seconds", sa.BigInteger, nullable=False),
        sa.Column("documents", sa.BigInteger, nullable=False),
        sa.Column("placed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("document_type", "username", "month", name="pk_fetch_months"),
        sa.ForeignKeyConstraint(
            ["username"], ["people.username"], "fk_fetch_months_username", ondelete="CASCADE"
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_fetch_months_newest", "fetch_months", ["newest"])
    words = _POSTGRES if op.get_bind().dialect.name == "postgresql" else _SQLITE
    op.execute(sa.text(_SUMS.format(**words)))
