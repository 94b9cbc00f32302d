"""A small data folder, made by whatever version of the project runs this, for later ones to open.

By hand, in a checkout of that version: PYTHONPATH=. python data_folder.py ARCHIVE.tar.xz
"""

from __future__ import annotations

import os
import sys
import tarfile
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from oura_pipeline.pipeline import open_pipeline
from oura_pipeline.sandbox.running import running
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline_tests.testing.world import world

FIRST, LAST = date(2026, 6, 8), date(2026, 6, 10)
PEOPLE = ("runa", "koa")
TYPES = ("daily_sleep", "sleep", "heartrate", "personal_info")


def make(archive: Path) -> None:
    """Sync the people's days, publish them, and pack the folder."""
    with TemporaryDirectory() as folder, running(SandboxOptions(days=10, end=LAST)) as sandbox:
        home = Path(folder) / "data"
        os.environ["OURA_TOKEN_KEY"] = ""
        with world(home, sandbox) as made:
            for username in PEOPLE:
                made.sign_in(username)
            assert made.run(FIRST, LAST, types=TYPES).success
            with open_pipeline() as pipeline:
                pipeline.warehouse.publish(pipeline.settings.storage.analytics_path)
        with tarfile.open(archive, "w:xz", preset=9) as packed:
            packed.add(home, home.name, filter=_nobody)


def _nobody(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Return a file without who made it and when; None for locks, which hold nothing."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mtime = 0
    return None if member.name.endswith(".lock") else member


if __name__ == "__main__":
    make(Path(sys.argv[1]))
