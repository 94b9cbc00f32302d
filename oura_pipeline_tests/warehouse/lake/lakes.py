"""Lakes of tests: one is prepared, others in folders are copies of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg

from oura_pipeline.warehouse.lake import attaching
from oura_pipeline.warehouse.lake.address import LakeAddress, ObjectStorage
from oura_pipeline.warehouse.lake.warehouse import LakeWarehouse
from oura_pipeline_tests.testing.object_storage import BUCKET
from oura_pipeline_tests.testing.postgres import dump, new_database


@dataclass(frozen=True)
class Lake:
    """A lake of one test."""

    warehouse: LakeWarehouse
    address: LakeAddress

    def files(self) -> list[str]:
        """The addresses of all of its files."""
        with attaching.cursor() as connection:
            rows = connection.execute("FROM glob(?)", [f"{self.address.data}/**"]).fetchall()
        return sorted(name for (name,) in rows)

    def content(self, file: str) -> bytes:
        """The bytes of a Parquet file, and what they say: they are compressed."""
        with attaching.cursor() as connection:
            rows = connection.execute("FROM read_parquet(?)", [file]).fetchall()
            footer = connection.execute("FROM parquet_metadata(?)", [file]).fetchall()
        return self.raw(file) + repr((file.rpartition("/")[2], rows, footer)).encode()

    def raw(self, file: str) -> bytes:
        """The bytes of a file."""
        with attaching.cursor() as connection:
            [(raw,)] = connection.execute("SELECT content FROM read_blob(?)", [file]).fetchall()
        return bytes(raw)

    def catalog(self, sql: str) -> list[tuple[object, ...]]:
        """The rows of a query to the catalog."""
        with psycopg.connect(self.address.catalog, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def settings(self) -> dict[str, str]:
        """The variables that name it."""
        storage = self.address.storage
        return {
            "OURA_WAREHOUSE_URL": f"ducklake:postgres:{self.address.catalog}",
            "OURA_WAREHOUSE_DATA": self.address.data,
            "AWS_ENDPOINT_URL": storage.endpoint if storage else "",
            "AWS_ACCESS_KEY_ID": storage.key_id if storage else "",
            "AWS_SECRET_ACCESS_KEY": storage.secret if storage else "",
        }

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """What its catalog holds, and each of its files, by the name of its folder."""
        yield "catalog", dump(self.address.catalog)
        for file in self.files():
            yield file.split("/")[-2], self.content(file)


def address(database: str, data: Path | str, storage: ObjectStorage | None = None) -> LakeAddress:
    return LakeAddress(catalog=f"postgresql://{database}", data=str(data), storage=storage)


@contextmanager
def in_folder(server: str, folder: Path) -> Iterator[Lake]:
    """A prepared lake whose files are in a folder."""
    lake = _lake(address(new_database(server), folder / "lake"), folder)
    with _detached_at_last(lake):
        assert lake.warehouse.prepare()
        yield lake


def prepared(server: str, folder: Path) -> Lake:
    """A lake without documents, which nobody uses: others are made of it."""
    with in_folder(server, folder) as lake:
        return lake


@contextmanager
def copied(template: Lake, server: str, folder: Path) -> Iterator[Lake]:
    """A copy of a prepared lake in a folder."""
    source, name = template.address.catalog.rpartition("/")[2], f"test_{uuid4().hex}"
    with psycopg.connect(f"postgresql://{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {source}".encode())
    lake = _lake(address(f"{server}/{name}", folder / "lake"), folder)
    shutil.copytree(template.address.data, lake.address.data)
    with psycopg.connect(lake.address.catalog) as connection:
        connection.execute(
            "UPDATE ducklake_metadata SET value = %s WHERE key = 'data_path'",
            [f"{lake.address.data}/"],
        )
    with _detached_at_last(lake):
        yield lake


@contextmanager
def in_object_storage(storage: ObjectStorage, server: str, folder: Path) -> Iterator[Lake]:
    """A prepared lake whose files are in object storage."""
    data = f"s3://{BUCKET}/{uuid4().hex}"
    lake = _lake(address(new_database(server), data, storage), folder)
    with _detached_at_last(lake):
        assert lake.warehouse.prepare()
        yield lake


@contextmanager
def _detached_at_last(lake: Lake) -> Iterator[None]:
    try:
        yield
    finally:
        attaching.detach(lake.address)


def _lake(address: LakeAddress, folder: Path) -> Lake:
    return Lake(LakeWarehouse(address, spools=folder / "spool", timeout=60), address)
