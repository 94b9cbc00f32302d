"""The folder of a demo, which the next one uses again."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from oura_pipeline.doctor.growth import bytes_text
from oura_pipeline.files import keep_private


@dataclass(frozen=True)
class DemoFolder:
    """A folder with all that a demo makes; `made.json` says that it is complete, and what of."""

    path: Path

    @property
    def graphite(self) -> Path:
        """Where its Graphite keeps everything."""
        return self.path / "graphite"

    @property
    def size(self) -> str:
        """How much room it takes on the disk."""
        files = (path.stat() for path in self.path.rglob("*") if path.is_file())
        return bytes_text(sum(file.st_blocks * 512 for file in files))  # whisper's are sparse

    def first_day(self, *, days: int, graphite: bool) -> date | None:
        """Return the first day of an earlier demo; None: there was none, or another kind of one."""
        try:
            made = json.loads(self._made.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        same = made["days"] == days and made["graphite"] == graphite
        return date.fromisoformat(made["first_day"]) if same else None

    def make(self) -> None:
        """Make it, empty."""
        self.remove()
        keep_private(self.path)
        self.graphite.mkdir()

    def done(self, first_day: date, *, days: int, graphite: bool) -> None:
        """Note that the demo is complete."""
        made = {"first_day": str(first_day), "days": days, "graphite": graphite}
        self._made.write_text(json.dumps(made), encoding="utf-8")

    def remove(self) -> None:
        """Delete it."""
        shutil.rmtree(self.path, ignore_errors=True)

    @property
    def _made(self) -> Path:
        return self.path / "made.json"
