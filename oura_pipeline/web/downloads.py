"""How many exports may be made or sent at once, so that a few people do not stop the site.

What surprises: a download counts until its last byte is sent, because its file takes up the disk
until then, although the folder does not show it any more.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

MOST = 4  # of the threads that answer requests; making an export may wait for the warehouse


@dataclass(frozen=True)
class Downloads:
    """Whose data is on its way to them; one download for each of them."""

    most: int = MOST
    _busy: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, username: str) -> bool:
        """Whether they may have theirs now; if so, `end` comes at its end."""
        with self._lock:
            if username in self._busy or len(self._busy) >= self.most:
                return False
            self._busy.add(username)
            return True

    def end(self, username: str) -> None:
        """It was sent, or it failed."""
        with self._lock:
            self._busy.discard(username)
