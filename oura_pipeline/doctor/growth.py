"""What grows, how much room it takes, and what would free it: a part of `oura-pipeline doctor`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

from oura_pipeline.defs.growth import GROWING
from oura_pipeline.settings import Settings

_UNITS = ("bytes", "kB", "MB", "GB")
_THOUSAND = 1000


def growth_lines(settings: Settings) -> Iterator[str]:
    """Yield the headings and a line per thing that grows."""
    total = shutil.disk_usage(settings.storage.home).total
    yield _line("what grows", "size", "of the disk", "what would free room")
    for growing in GROWING:
        size = growing.bytes(settings)
        share = "?" if size is None else f"{size / total:.2%}"
        yield _line(growing.name, bytes_text(size), share, growing.frees)


def bytes_text(size: float | None) -> str:
    """Return a number of bytes for people; `?` where it is not known."""
    if size is None:
        return "?"
    for unit in _UNITS[:-1]:
        if size < _THOUSAND:
            return f"{size:.0f} {unit}"
        size /= _THOUSAND
    return f"{size:.1f} {_UNITS[-1]}"


def _line(name: str, size: str, share: str, frees: str) -> str:
    return f"{name:15}  {size:>9}  {share:>11}  {frees}"
