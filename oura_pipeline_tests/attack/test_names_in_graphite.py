"""Names that somebody else has put into Graphite, shown to the operator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from oura_pipeline.commands.group import cli
from oura_pipeline_tests.testing.http_server import QuietHandler, serving

HOSTILE = ("..", "$(id)", "a;id", "a\nid", "\x1b[2J", "a b", "-rf", "é", "a/../..", "`id`", "")


class GraphiteWeb(QuietHandler):
    """One that holds metrics of somebody who left, and whatever others sent to carbon."""

    def do_GET(self) -> None:
        text = json.dumps([{"text": name} for name in ("ada", *HOSTILE)]).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


def test_a_command_to_delete_is_of_a_plain_name_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever types the lines of `graphite orphans` into a shell deletes nothing else."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path / "data"))
    with serving(GraphiteWeb) as url:
        monkeypatch.setenv("GRAPHITE_RENDER_URL", url)
        result = CliRunner().invoke(cli, ["graphite", "orphans"], catch_exceptions=False)
    lines = result.stdout.splitlines()
    commands = [line for line in lines if line.startswith("rm ")]
    assert commands == ["rm -r <whisper>/bio/-rf", "rm -r <whisper>/bio/ada"]
    assert sum(line.startswith("# ") for line in lines) == len(HOSTILE) - 1
    assert all(line.isprintable() and line.isascii() for line in lines)
