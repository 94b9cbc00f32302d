"""The one DuckDB of this process in which lakes are attached, with the extensions it needs."""

from __future__ import annotations

import threading
from functools import cache
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import duckdb

from oura_pipeline.warehouse.connection import ONE_CORE, SETTINGS
from oura_pipeline.warehouse.errors import WarehouseUnreadable
from oura_pipeline.warehouse.lake.address import LakeAddress, ObjectStorage
from oura_pipeline.warehouse.tables import literal, quoted

_EXTENSIONS = ("ducklake", "postgres_scanner")
_FOR_OBJECT_STORAGE = "httpfs"

_guard = threading.Lock()
_attached: dict[LakeAddress, str] = {}  # the name under which a lake is attached
_numbers = count(1)


def attach(address: LakeAddress, *, create: bool = False) -> str:
    """Attach a lake, if it is not yet, and return its name in this process's DuckDB.

    Loading the extensions and attaching take a second or two, so both are done once.

    Raises:
        WarehouseUnreadable: the catalog or an extension is not there.
    """
    with _guard:
        name = _attached.get(address)
        if name is None:
            name = f"lake{next(_numbers)}"
            _attach(address, name, create=create)
            _attached[address] = name
    return name


def detach(address: LakeAddress) -> None:
    """Let go of a lake; nobody may be using it."""
    with _guard:
        name = _attached.pop(address, None)
        if name is not None:
            _duckdb().execute(f"DETACH {quoted(name)}")


def cursor() -> duckdb.DuckDBPyConnection:
    """Return a connection of its own to this process's DuckDB."""
    return _duckdb().cursor()


def refusal(address: LakeAddress, error: duckdb.Error) -> WarehouseUnreadable:
    """Return the error of a lake that cannot be used, in one line and without a password."""
    # DuckDB repeats the address; what libpq says of it comes last.
    told = str(error).replace(address.catalog, "…").replace("\n", " ")
    if "is explicitly disabled" in told:
        told = "there is no lake yet"
    reason = told.rpartition("…")[2].partition("LINE ")[0].strip(' :".')
    return WarehouseUnreadable(
        f"the catalog or the files of the warehouse cannot be used: {reason}; "
        "check OURA_WAREHOUSE_URL and OURA_WAREHOUSE_DATA, or run `oura-pipeline warehouse prepare`"
    )


@cache
def _duckdb() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:", config=SETTINGS | ONE_CORE)


@cache
def _load(extension: str) -> None:
    _duckdb().execute(f"LOAD {literal(str(_extension(extension)))}")


def _extension(name: str) -> Path:
    """Return the file of an extension, from the Python package that brings it."""
    spec = find_spec(f"duckdb_extension_{name}")
    found = [
        file
        for folder in (spec.submodule_search_locations or () if spec else ())
        for file in Path(folder).glob(f"extensions/v{duckdb.__version__}/{name}.duckdb_extension")
    ]
    if not found:
        raise WarehouseUnreadable(
            f"DuckDB's extension {name} for DuckDB {duckdb.__version__} is not installed: "
            "pip install 'oura_pipeline[lake]'"
        )
    return found[0]


def _attach(address: LakeAddress, name: str, *, create: bool) -> None:
    for extension in (*_EXTENSIONS, *[_FOR_OBJECT_STORAGE] * bool(address.storage)):
        _load(extension)
    if address.storage:
        _duckdb().execute(_secret(address.data, address.storage, name))
    options = [
        f"DATA_PATH {literal(address.data)}",
        # Rows in the catalog would be health data in it; and to flush those with an instant inside
        # of a STRUCT, as every series has, ends DuckDB 1.5.5.
        "DATA_INLINING_ROW_LIMIT 0",
        f"CREATE_IF_NOT_EXISTS {str(create).lower()}",
    ]
    try:
        _duckdb().execute(
            f"ATTACH {literal(f'ducklake:postgres:{address.catalog}')} AS {quoted(name)} "
            f"({', '.join(options)})"
        )
    except duckdb.Error as error:
        # Not from it: its text holds the password.
        raise refusal(address, error) from None


def _secret(data: str, storage: ObjectStorage, name: str) -> str:
    bucket = urlsplit(data)
    options = {
        "TYPE": "s3",
        "SCOPE": f"{bucket.scheme}://{bucket.netloc}",
        "REGION": storage.region,
        "KEY_ID": storage.key_id,
        "SECRET": storage.secret,
    }
    if storage.endpoint:
        endpoint = urlsplit(storage.endpoint)
        options |= {"ENDPOINT": endpoint.netloc, "URL_STYLE": "path"}
        options |= {"USE_SSL": str(endpoint.scheme == "https").lower()}
    listed = ", ".join(f"{key} {literal(value)}" for key, value in options.items())
    return f"CREATE OR REPLACE SECRET {quoted(name)} ({listed})"
