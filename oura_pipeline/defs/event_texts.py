"""The texts of Dagster's events as they stand in its databases: packed, as they are much alike."""

import zlib
from pathlib import Path
from typing import Any

# What texts are likely to hold, the likeliest last, in lines of which the breaks do not count. It
# never changes: what was packed with it could not be read any more.
_LIKELY = Path(__file__).with_suffix(".txt").read_bytes().replace(b"\n", b"")
_WINDOW, _MEMORY = 13, 5  # 8 kB, which the text above fills; little to be copied for each text
# Copies of these know the text above already.
_PACKER = zlib.compressobj(3, zlib.DEFLATED, _WINDOW, _MEMORY, zlib.Z_DEFAULT_STRATEGY, _LIKELY)
_UNPACKER = zlib.decompressobj(_WINDOW, _LIKELY)


def packed(text: str) -> bytes:
    """Return a text in a tenth of its bytes or less."""
    packer = _PACKER.copy()
    return packer.compress(text.encode()) + packer.flush()


def unpacked(value: bytes) -> str:
    """Return the text that was packed."""
    return _UNPACKER.copy().decompress(value).decode()


def unpacked_row(cursor: object, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return a row of a query with the texts in it, packed or written by an older version."""
    # Dagster's own tables of events hold nothing else in bytes.
    return tuple(unpacked(value) if type(value) is bytes else value for value in row)
