"""A limit on concurrent downloads, so that a few people cannot block the site."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

# Each takes one of the threads that answer requests, and may wait for the warehouse.
MAX_DOWNLOADS = 4


@dataclass(frozen=True)
class Downloads:
    """Downloads under way, at most one per person."""

    limit: int = MAX_DOWNLOADS
    _active: set[str] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin(self, username: str) -> bool:
        """Return whether the download may start; if so, call `end` once its last byte is sent."""
        with self._lock:
            if username in self._active or len(self._active) >= self.limit:
                return False
            self._active.add(username)
            return True

    def end(self, username: str) -> None:
        """Let the next download start."""
        with self._lock:
            self._active.discard(username)
