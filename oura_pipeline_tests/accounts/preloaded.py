"""What every process that a test starts needs, loaded once."""

from __future__ import annotations

import alembic.command

import oura_pipeline.pipeline
import oura_pipeline_tests.accounts.homes

__all__ = ["alembic", "oura_pipeline", "oura_pipeline_tests"]
