"""Add how many days of each month have which status, and the last that has documents."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"

_STATUSES = ("landed", "empty", "not_granted", "failed")
_COUNTS = ", ".join(
    f"sum(CASE WHEN status = '{status}' THEN 1 ELSE 0 END) AS {status}" for status in _STATUSES
)
_CHANGES = ", ".join(f"{name} = sums.{name}" for name in (*_STATUSES, "last_landed"))
_SUM_UP = """
    UPDATE fetch_months SET {changes}
    FROM (
        SELECT document_type, username, {month} AS month, {counts},
            max(CASE WHEN documents > 0 THEN day END) AS last_landed
        FROM fetches GROUP BY 1, 2, 3
    ) AS sums
    WHERE sums.document_type = fetch_months.document_type
        AND sums.username = fetch_months.username AND sums.month = fetch_months.month
"""
_SQLITE = "CAST(strftime('%Y', day) AS INTEGER) * 12 + CAST(strftime('%m', day) AS INTEGER)"
_POSTGRES = "CAST(extract(year FROM day) * 12 + extract(month FROM day) AS INTEGER)"


def upgrade() -> None:
    """Add the columns, with what the ledger has."""
    for status in _STATUSES:
        count = sa.Column(status, sa.Integer, nullable=False, server_default="0")
        op.add_column("fetch_months", count)
    op.add_column("fetch_months", sa.Column("last_landed", sa.Date))
    month = _POSTGRES if op.get_bind().dialect.name == "postgresql" else _SQLITE
    op.execute(sa.text(_SUM_UP.format(month=month, counts=_COUNTS, changes=_CHANGES)))
