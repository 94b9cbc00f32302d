"""Settings from keyword arguments, whatever the environment says."""

from __future__ import annotations

from typing import Any

from oura_pipeline.settings import Settings, read_settings


def settings_with(**variables: Any) -> Settings:
    """Return settings; the arguments are environment variables in lower case."""
    return read_settings({name.upper(): value for name, value in variables.items()})
