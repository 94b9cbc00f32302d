"""What Alembic imports, and so runs, to bring a database up to date."""

from __future__ import annotations

from alembic import context

# Alembic is handed the connection by `migrate`, which has begun the transaction.
context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
