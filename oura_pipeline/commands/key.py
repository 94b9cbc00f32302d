"""`oura-pipeline key`: the keys that encrypt tokens."""

from __future__ import annotations

import click
from cryptography.fernet import Fernet

from oura_pipeline.commands.console import print_lines
from oura_pipeline.pipeline import open_accounts
from oura_pipeline.settings import load_settings


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


@key.command("rotate")
def rotate() -> None:
    """Encrypt all tokens with a new key.

    With keys in OURA_TOKEN_KEY, encrypt them with the first one, and say which can be removed.
    Everything goes on meanwhile, and what is interrupted can be done again.
    """
    with open_accounts(load_settings()) as accounts:
        for step in accounts.keys.rotate():
            print_lines(step)
