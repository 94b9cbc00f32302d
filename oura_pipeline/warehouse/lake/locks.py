"""Locks between all processes that write to a lake, wherever they run: Postgres's own."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from oura_pipeline.process import interrupts
from oura_pipeline.warehouse.connection import LOG_EVERY_SECONDS
from oura_pipeline.warehouse.errors import WarehouseBusy, WarehouseUnreadable
from oura_pipeline.warehouse.lake.address import LakeAddress

if TYPE_CHECKING:
    import psycopg

logger = logging.getLogger(__name__)

_EVERYTHING = "everything"
_PIECE = 1.0  # seconds that Postgres waits before we look whether the process is to end


@contextmanager
def writing(address: LakeAddress, name: str, *, timeout: float) -> Iterator[None]:
    """Hold a lock among writers; those of other names go on.

    Raises:
        WarehouseBusy: somebody else held it, or everything, for longer than `timeout` seconds.
    """
    with _connected(address) as connection:
        _take(connection, _EVERYTHING, "pg_advisory_lock_shared", timeout)
        _take(connection, name, "pg_advisory_lock", timeout)
        yield


@contextmanager
def alone(address: LakeAddress, *, timeout: float) -> Iterator[None]:
    """Be the only one who writes.

    Raises:
        WarehouseBusy: somebody else wrote for longer than `timeout` seconds.
    """
    with _connected(address) as connection:
        _take(connection, _EVERYTHING, "pg_advisory_lock", timeout)
        yield


def last_change(address: LakeAddress) -> int:
    """Return when something was last written, in ns since 1970.

    Raises:
        WarehouseUnreadable: the catalog cannot be reached, or there is no lake.
    """
    import psycopg

    with _connected(address) as connection:
        try:
            row = connection.execute(
                "SELECT (extract(epoch FROM max(snapshot_time)) * 1000000)::bigint * 1000 "
                "FROM ducklake_snapshot"
            ).fetchone()
        except psycopg.errors.UndefinedTable:
            raise WarehouseUnreadable(
                "there is no warehouse yet: run `oura-pipeline warehouse prepare`"
            ) from None
    return int(row[0]) if row else 0


@contextmanager
def _connected(address: LakeAddress) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the catalog; with the connection, its locks end, also when the process dies."""
    connection = connect(address)
    try:
        yield connection
    finally:
        connection.close()


def connect(address: LakeAddress) -> psycopg.Connection[Any]:
    """Return a connection to the catalog's database; every statement is a transaction.

    Raises:
        WarehouseUnreadable: it cannot be reached.
    """
    try:
        import psycopg
    except ImportError:
        raise WarehouseUnreadable(
            "a DuckLake needs the driver of Postgres: pip install 'oura_pipeline[lake]'"
        ) from None
    try:
        return psycopg.connect(address.catalog, autocommit=True)
    except psycopg.Error as error:
        reason = " ".join(str(error).split())
        raise WarehouseUnreadable(
            f"the catalog of the warehouse cannot be reached: {reason}; check OURA_WAREHOUSE_URL"
        ) from None


def _take(connection: psycopg.Connection[Any], name: str, function: str, timeout: float) -> None:
    from psycopg.errors import LockNotAvailable

    number = int.from_bytes(sha256(f"warehouse {name}".encode()).digest()[:8], "big", signed=True)
    began = logged = time.monotonic()
    while True:
        interrupts.check()
        left = timeout - (time.monotonic() - began)
        # 0 would mean: without an end.
        piece = max(1, int(min(_PIECE, left) * 1000))
        connection.execute(f"SET lock_timeout = '{piece}ms'")
        try:
            connection.execute(f"SELECT {function}(%s)", [number])
        except LockNotAvailable:
            pass
        else:
            return
        now = time.monotonic()
        if now - began >= timeout:
            raise WarehouseBusy(
                f"the warehouse: other runs have written {name} for {now - began:.0f} s; "
                "look for a run that hangs, then repeat this one"
            )
        if now - logged >= LOG_EVERY_SECONDS:
            logged = now
            logger.info("waiting for the warehouse: %s, %.0f s", name, now - began)
