"""Commands run in a world of a test, and checked for secrets in what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from click.testing import CliRunner, Result

from oura_pipeline.commands.group import cli
from oura_pipeline.pipeline import open_pipeline
from oura_pipeline_tests.testing.terminal import terminal
from oura_pipeline_tests.testing.world import World

ONE_DAY = timedelta(days=1)


@dataclass(kw_only=True)
class Shell:
    """Types commands in a world; every secret of that world is looked for in what they print."""

    world: World
    secrets: set[str] = field(default_factory=set)

    def sign_in(self, username: str, **options: str) -> Result:
        """`people add`, with the tokens of a real sign-in."""
        answer = self.world.sandbox.sign_in(username)
        tokens = {"access": answer["access_token"], "refresh": answer["refresh_token"]}
        self.secrets |= set(tokens.values())
        return self("people", "add", username, stdin=tokens["refresh"])

    def __call__(self, *arguments: str, stdin: str | None = None, **settings: str) -> Result:
        """Run one command in this process."""
        result = CliRunner().invoke(cli, arguments, input=stdin, env=settings)
        assert isinstance(result.exception, SystemExit | None), result.exception
        self._is_clean(result.output)
        return result

    def process(
        self, *arguments: str, folder: Path | None = None, **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one command in a process of its own, with a wide terminal."""
        done = subprocess.run(
            [sys.executable, "-m", "oura_pipeline.cli", *arguments],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200", **settings},
            cwd=folder,
            timeout=60,
            check=False,
        )
        self._is_clean(done.stdout + done.stderr)
        return done

    def terminal(self, *arguments: str) -> list[str]:
        """The lines that one command shows on a terminal of 80 columns, one after the other."""
        narrow = {"COLUMNS": "80", "LINES": "24"}
        with terminal(*arguments, folder=self.world.home, environment=narrow) as shown:
            status, _ = shown.ended(60)
        assert status == 0, shown.shown
        text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.shown.decode())
        self._is_clean(text)
        return re.split(r"[\r\n]+", text)

    def refused(self, *arguments: str) -> str:
        """The one line on stderr of a command that refuses, with a status of 1."""
        result = self(*arguments)
        [line] = result.stderr.splitlines()
        assert (result.exit_code, result.stdout) == (1, "")
        return line

    def _is_clean(self, output: str) -> None:
        assert "Traceback" not in output
        key = self.world.home / "token.key"
        kept = set(key.read_text(encoding="utf-8").split()) if key.exists() else set()
        for secret in self.secrets | kept | {self.world.sandbox.options.client_secret}:
            assert secret not in output


def access_token(username: str) -> str:
    """Return the access token that is stored for a person."""
    with open_pipeline() as pipeline:
        return pipeline.accounts.tokens.get(username, pipeline.oauth.renew).access_token()


def words(table: str) -> list[list[str]]:
    """The words of every line of a table, without its lines."""
    return [line.replace("│", " ").split() for line in table.splitlines()]
