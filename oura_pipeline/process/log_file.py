"""What children write, in a file, from which their errors are shown."""

from __future__ import annotations

import re
from pathlib import Path

LARGEST = 20_000_000  # bytes; then it begins anew
_COLOUR = re.compile(r"\x1b\[[\d;]*m")  # Dagster's, also in a file
_ERROR = re.compile(r'\b(ERROR|CRITICAL)\b|^Error: |"level": "(error|critical)"')


class LogFile:
    """A file to which children append; it begins anew with each of these."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0
        self._clear()

    def new_errors(self) -> list[str]:
        """Return the lines of errors that were written since this was asked last."""
        with self.path.open("rb") as log:
            log.seek(self._read)
            new = log.read()
        whole = new[: new.rfind(b"\n") + 1]
        self._read += len(whole)
        if self._read > LARGEST:
            self._clear()
        lines = _COLOUR.sub("", whole.decode(errors="replace")).splitlines()
        return [line for line in lines if _ERROR.search(line)]

    def _clear(self) -> None:
        # Who appends goes on at the new end.
        self.path.write_bytes(b"")
        self._read = 0
