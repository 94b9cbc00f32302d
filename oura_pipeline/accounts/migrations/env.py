"""What Alembic runs to bring a database up to date, on the connection that it is handed.

What surprises: this runs when it is imported, because Alembic imports it to run it.
"""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
