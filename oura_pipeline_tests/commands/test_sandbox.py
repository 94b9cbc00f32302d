"""`oura-pipeline sandbox`."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import httpx
from dotenv import dotenv_values

from oura_pipeline.sandbox.__main__ import MEANINGS
from oura_pipeline.sandbox.server import SandboxOptions
from oura_pipeline.settings import read_settings
from oura_pipeline_tests.commands.shell import Shell


def test_the_sandbox_has_one_set_of_options(shell: Shell) -> None:
    ours = shell.process("sandbox", "--help")
    own = subprocess.run(
        [sys.executable, "-m", "oura_pipeline.sandbox", "--help"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        check=True,
    )
    assert (ours.returncode, ours.stdout) == (0, own.stdout)
    for option in ("--port", "--people", "--days", "--replay", "--end"):
        assert option in ours.stdout
    assert list(MEANINGS) == [option.name for option in fields(SandboxOptions)]
    for meaning in MEANINGS.values():
        assert " ".join(meaning.split()) in " ".join(ours.stdout.split())


def test_the_sandbox_refuses_bad_options(shell: Shell) -> None:
    done = shell.process("sandbox", "--people", "0", "--port", "0")
    assert done.returncode == 2
    assert "at least one person and one day" in done.stderr.splitlines()[-1]


def test_the_sandbox_serves(shell: Shell) -> None:
    command = [sys.executable, "-m", "oura_pipeline.cli", "sandbox"]
    options = ["--port", "0", "--people", "1", "--days", "2"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout is not None
            url = child.stdout.readline().split(" on ")[1].split(": ")[0]
            answer = httpx.get(f"{url}/v2/usercollection/personal_info")
            assert child.stdout.readline() == "\n"
            lines = [*iter(child.stdout.readline, "\n")]
        finally:
            child.terminate()
    assert answer.status_code in (400, 401)
    settings = read_settings(dotenv_values(stream=StringIO("".join(lines))))
    oura = settings.oura
    assert (oura.api_url, oura.client_id, oura.client_secret.get_secret_value()) == (
        *(url, "sandbox", "sandbox-secret"),
    )
    assert {*oura.token_urls, oura.authorize_url, *oura.revoke_urls} == {
        f"{url}/oauth/{name}" for name in ("token", "authorize", "revoke")
    }
    assert settings.storage.home == Path("data/sandbox").absolute()
    assert oura.history_start == datetime.now(UTC).date() - timedelta(days=2)
