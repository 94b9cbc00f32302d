"""Where the project lies, its example documents, and what may lie beside it."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Documents of every type: the shapes are Oura's, the values are made up.
EXAMPLES = ROOT / "oura_pipeline_tests" / "examples" / "oura"
# Oura's own description of its API, which is not ours to publish.
DESCRIPTION = ROOT.parent / "shared" / "oura"
