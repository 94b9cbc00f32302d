"""The warehouse in a DuckLake: Parquet files that many machines write, a catalog in Postgres."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from oura_pipeline.warehouse import copying, forgetting, publishing
from oura_pipeline.warehouse.lake import attaching, locks, maintenance, server_log
from oura_pipeline.warehouse.lake.address import LakeAddress
from oura_pipeline.warehouse.lake.connections import LakeConnections
from oura_pipeline.warehouse.lake.maintenance import Compacted, Size
from oura_pipeline.warehouse.lake.preparing import keep_values_out, prepare
from oura_pipeline.warehouse.ledgers import Ledgers
from oura_pipeline.warehouse.publishing import (
    Published,
    replacing_copy,
    store_views_if_large,
    wal,
)
from oura_pipeline.warehouse.warehouse import LOCK_TIMEOUT_SECONDS, Result, Warehouse, updated

_MAINTENANCE = "maintenance"  # name of its lock: one process at a time
_SOON = timedelta(days=1)  # from now: later than everything that was written


class LakeWarehouse(Warehouse):
    """The lake at an address, made by `prepare`.

    Readers see snapshots and wait for nobody. Landings of different document types go on at the
    same time, in any number of processes.

    Args:
        address: the lake.
        spools: the folder of this machine for documents between fetch and landing.
        timeout: seconds to wait for other writers before `WarehouseBusy` is raised.
    """

    def __init__(
        self, address: LakeAddress, *, spools: Path, timeout: float = LOCK_TIMEOUT_SECONDS
    ) -> None:
        self._lake = LakeConnections(address, timeout=timeout)
        self._spools = spools

    def prepare(self) -> bool:
        """Create the lake, its tables and views; return False if all of it was there.

        Run it once per version, while nothing else runs.
        """
        address = self._lake.address
        name = attaching.attach(address, create=True)
        with self._alone(), self._lake.connected(name) as connection:
            # First: what is written afterwards leaves no value in the catalog.
            keep_values_out(address)
            return prepare(connection)

    def log_advice(self) -> str:
        """Return what is to be done so that Postgres's log keeps no value; empty: nothing."""
        return server_log.advice(self._lake.address)

    def kept_open(self) -> AbstractContextManager[None]:
        """Do nothing: the lake stays attached while the process lives."""
        return nullcontext()

    def exists(self) -> bool:
        """Return True: somebody has set its address."""
        return True

    def changed_at(self) -> float | None:
        """Return when something was last written, in seconds since 1970; None: nothing ever was."""
        return locks.last_change(self._lake.address) / 1e9

    def is_published(self, copy: Path) -> bool:
        """Return whether a published copy is of the lake as it is now."""
        return _is_of(copy, locks.last_change(self._lake.address))

    def forget(self, username: str) -> int:
        """Delete everything of a person, and return the number of documents.

        No byte of theirs stays in a file or in the catalog, nor in what crashed runs of this
        machine have spooled. All snapshots go with them; the published copy keeps them until the
        next `publish`.
        """
        self.remove_abandoned_spools()
        with self._alone():
            return self._lake.repeated(lambda connection: _forget(connection, username))

    def publish(self, target: Path, update: Callable[[Ledgers], bool] | None = None) -> Published:
        """Replace `target` by a copy of the lake for readers; see `Warehouse.publish`."""
        began = publishing.now()
        if update:
            self._write(lambda connection: updated(connection, update), "fetches")
        # Before the rows: what is written from now on makes the next copy a fresh one.
        changed = locks.last_change(self._lake.address)
        fresh = not _is_of(target, changed)
        if fresh:
            with replacing_copy(target, changed) as new:
                with self._lake.opened() as connection:
                    copying.copy_into_new_file(connection, new)
                store_views_if_large(new)
        return Published(target, target.stat().st_size, publishing.now() - began, fresh)

    @contextmanager
    def attached(self, connection: duckdb.DuckDBPyConnection) -> Iterator[str]:
        """Yield the name under which it is attached; nobody writes meanwhile."""
        # Opened, which a lake that is not prepared for this version refuses.
        with self._alone(), self._lake.opened():
            yield attaching.attach(self._lake.address)

    def size(self) -> Size:
        """Return how many files the newest snapshot has, and their bytes."""
        return self._lake.repeated(maintenance.size)

    def merge(self) -> Compacted:
        """Make few large files of the small ones that landings leave."""
        return self._write(maintenance.merge, _MAINTENANCE)

    def rewrite(self, deleted_share: float) -> Compacted:
        """Write those files anew of whose rows more than a share is deleted (0 to 1)."""
        return self._write(
            lambda connection: maintenance.rewrite(connection, deleted_share=deleted_share),
            _MAINTENANCE,
        )

    def expire(self, before: datetime) -> int:
        """Forget the snapshots of before an instant, except the newest; return how many."""
        return self._write(lambda connection: maintenance.expire(connection, before), _MAINTENANCE)

    def clean_up(self, before: datetime) -> int:
        """Delete files that nothing has needed since an instant; return how many."""
        return self._write(
            lambda connection: (
                maintenance.clean_up(connection, before)
                + maintenance.remove_orphans(connection, before)
            ),
            _MAINTENANCE,
        )

    def _write(self, operation: Callable[[duckdb.DuckDBPyConnection], Result], lock: str) -> Result:
        return self._lake.write(operation, lock)

    def _connected(self) -> AbstractContextManager[duckdb.DuckDBPyConnection | None]:
        return self._lake.reading()

    def _alone(self) -> AbstractContextManager[None]:
        return locks.alone(self._lake.address, timeout=self._lake.timeout)


def _is_of(copy: Path, changed: int) -> bool:
    """Return whether a published copy is of a lake that was last changed then."""
    return copy.exists() and not wal(copy).exists() and copy.stat().st_mtime_ns == changed


def _forget(connection: duckdb.DuckDBPyConnection, username: str) -> int:
    """Delete a person's rows, and every file and snapshot in which they ever were."""
    deleted = forgetting.delete_rows(connection, username)
    maintenance.rewrite(connection, deleted_share=0.0)
    # Nobody else writes, so whatever no snapshot needs may go now, whenever it was written.
    later = datetime.now(UTC) + _SOON
    maintenance.expire(connection, later)
    maintenance.clean_up(connection, later)
    maintenance.remove_orphans(connection, later)
    return deleted
