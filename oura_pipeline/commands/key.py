"""`oura-pipeline key`: the keys that encrypt tokens."""

from __future__ import annotations

import click
from cryptography.fernet import Fernet


@click.group()
def key() -> None:
    """Manage the keys that encrypt tokens."""


@key.command("new")
def new() -> None:
    """Generate a key for OURA_TOKEN_KEY.

    Put it before the keys that are there: new tokens are encrypted with the first one, and those
    behind it still decrypt older tokens.
    """
    click.echo(Fernet.generate_key().decode())
