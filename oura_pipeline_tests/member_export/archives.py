"""Exports that tests make up, and the made-up example of one."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

EXAMPLE = Path(__file__).parent / "example"
VARIATIONS = Path(__file__).parent / "variations"
MAY = datetime(2026, 5, 4)


def write_zip(path: Path, files: Mapping[str, str | bytes], *, made_at: datetime = MAY) -> Path:
    """Write an archive whose files have one time."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, made_at.timetuple()[:6])
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    """Return the files in a folder and in those inside, by their paths in it."""
    found = {file.relative_to(folder).as_posix(): file for file in sorted(folder.rglob("*"))}
    return {name: file.read_bytes() for name, file in found.items() if file.is_file()}
