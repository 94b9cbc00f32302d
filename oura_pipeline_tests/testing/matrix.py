"""Whether `make test-matrix` runs, which tries more of a lake, also on object storage."""

from __future__ import annotations

import os

MATRIX = bool(os.environ.get("MATRIX"))
