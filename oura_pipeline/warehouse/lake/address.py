"""Where a DuckLake is: its catalog in Postgres, its Parquet files in a folder or object storage."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class ObjectStorage:
    """How object storage is reached.

    Attributes:
        endpoint: its address; empty: Amazon's.
        region: its region.
        key_id: of the access key; empty: none is needed.
        secret: of the access key.
    """

    endpoint: str
    region: str
    key_id: str
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LakeAddress:
    """A DuckLake.

    Attributes:
        catalog: of the Postgres database, as libpq takes it; may hold a password.
        data: a folder, or an address such as `s3://bucket/folder`.
        storage: how the object storage is reached; None: the files are in a folder.
    """

    catalog: str = field(repr=False)
    data: str
    storage: ObjectStorage | None = None
