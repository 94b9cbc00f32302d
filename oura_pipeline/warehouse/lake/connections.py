"""Connections to a lake: a cursor per operation, a snapshot per reading, more tries on conflict."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import duckdb

from oura_pipeline.process import interrupts
from oura_pipeline.warehouse.connection import statements_interruptible
from oura_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnreadable
from oura_pipeline.warehouse.lake import attaching, locks
from oura_pipeline.warehouse.lake.address import LakeAddress
from oura_pipeline.warehouse.lake.preparing import is_prepared
from oura_pipeline.warehouse.tables import quoted

logger = logging.getLogger(__name__)
Result = TypeVar("Result")

_TRIES = 10
_PAUSE_SECONDS = 0.2


class LakeConnections:
    """The connections of this process to a lake.

    Args:
        address: the lake.
        timeout: seconds to wait for other writers before `WarehouseBusy` is raised.
    """

    def __init__(self, address: LakeAddress, *, timeout: float) -> None:
        self.address = address
        self.timeout = timeout
        self._is_prepared = False

    @contextmanager
    def reading(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection that sees the lake as it is now; nobody waits for it.

        Raises:
            WarehouseUnreadable: the lake cannot be reached, or is not prepared for this version.
        """
        with self.opened() as connection:
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                # After an error there is nothing to end.
                with suppress(duckdb.Error):
                    connection.execute("ROLLBACK")

    def write(self, operation: Callable[[duckdb.DuckDBPyConnection], Result], lock: str) -> Result:
        """Return what an operation returns, and hold a lock; repeat it if others were faster.

        Raises:
            WarehouseBusy: others wrote for longer than `timeout`, or again and again.
            WarehouseUnreadable: the lake cannot be reached, or is not prepared for this version.
        """
        with locks.writing(self.address, lock, timeout=self.timeout):
            return self.repeated(operation)

    def repeated(self, operation: Callable[[duckdb.DuckDBPyConnection], Result]) -> Result:
        """Return what an operation returns; repeat it if others were faster."""
        # Rows of different people conflict as well: DuckLake compares tables, an insertion with a
        # deletion.
        for number in range(1, _TRIES + 1):
            try:
                with self.opened() as connection:
                    return operation(connection)
            except duckdb.TransactionException as error:
                if "conflict" not in str(error).lower():
                    raise
                logger.info("others have written at the same time: try %d", number)
                interrupts.sleep(random.uniform(0, _PAUSE_SECONDS * number))  # noqa: S311 - no secret
        raise WarehouseBusy("others write to the warehouse all the time: repeat this later")

    @contextmanager
    def opened(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection in UTC to a lake that is prepared for this version.

        Raises:
            WarehouseUnreadable: it cannot be reached, or is not prepared.
        """
        interrupts.check()
        with self.connected(attaching.attach(self.address)) as connection:
            if not self._is_prepared:
                if not is_prepared(connection):
                    raise WarehouseUnreadable(
                        "the warehouse is not prepared for this version of oura_pipeline: run "
                        "`oura-pipeline warehouse prepare`"
                    )
                self._is_prepared = True
            yield connection

    @contextmanager
    def connected(self, name: str) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open a connection in UTC to a lake that is attached under a name.

        Raises:
            WarehouseUnreadable: its catalog or its object storage cannot be reached any more.
        """
        connection = attaching.cursor()
        try:
            connection.execute(f"USE {quoted(name)}; SET TimeZone = 'UTC'")
            with statements_interruptible(connection):
                yield connection
        except duckdb.Error as error:
            # Where the catalog is away, DuckDB says its address, with the password.
            told = self.address.catalog in str(error)
            if told or isinstance(error, duckdb.HTTPException):
                raise attaching.refusal(self.address, error) from None
            raise
        finally:
            connection.close()
