"""What processes do that renew one token at once.

In a module of its own: each of them imports what it stands in, and that of the test brings Dagster.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from oura_pipeline.pipeline import open_pipeline


def personal_info(settings: Mapping[str, str], _: int) -> Any:
    """What Oura says of runa, asked for in a process of its own."""
    os.environ.update(settings)
    with open_pipeline() as pipeline:
        return json.loads(pipeline.client("runa").personal_info().raw)
