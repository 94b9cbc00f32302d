"""The API does what its own OpenAPI says, whoever asks and whatever they send."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from oura_pipeline_tests.attack.callers import Arena
from oura_pipeline_tests.attack.effort import LONG, TRIED
from oura_pipeline_tests.attack.rights import Caller

EXAMPLES, SECONDS = 4, 30
# An operation has more than its own answers where somebody has no right to it.
WITHOUT_RIGHT = ("negative_data_rejection", "positive_data_acceptance", "ignored_auth")
# Usernames are texts in the schema, and which of them are somebody's nobody else knows.
NEVER = ("positive_data_acceptance",)


def schemathesis(made: Arena, headers: dict[str, str], *left_out: str, folder: Path) -> str:
    """Run it against the site with these headers; return what it printed."""
    command = [
        *(Path(sys.executable).with_name("schemathesis"), "--no-color", "run"),
        *(f"{made.site.url}/api/openapi.json", "--checks", "all", "--seed", "1"),
        *("--max-examples", str(EXAMPLES), "--generation-database", "none", "--warnings", "off"),
        *("--exclude-checks", ",".join((*left_out, *NEVER)), "--continue-on-failure"),
        # A machine with other work may take its time.
        *("--request-timeout", "60"),
        *(word for name, text in headers.items() for word in ("--header", f"{name}: {text}")),
        *(("--max-time", str(SECONDS)) if LONG else ("--phases", "coverage")),
    ]
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, cwd=folder, timeout=300, check=False
    )
    TRIED["requests"] += sum(map(int, re.findall(r"(\d+) generated", done.stdout)))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    "caller", [Caller.TOKEN, Caller.OWN, Caller.NOBODY] if LONG else [Caller.TOKEN], ids=str
)
def test_the_api_answers_as_its_schema_says(made: Arena, caller: Caller, tmp_path: Path) -> None:
    """No status, type or body that is not in there, and no way around the token."""
    left_out = () if caller is Caller.TOKEN else WITHOUT_RIGHT
    said = schemathesis(made, made.headers(caller), *left_out, folder=tmp_path)
    assert "Tested: 10" in said


def test_every_status_is_in_the_schema(made: Arena) -> None:
    """Also those that come before the API is asked."""
    json = {"Content-Type": "application/json"}
    token = made.headers(Caller.TOKEN)
    asked = [
        (400, "POST", "/api/connect", token | json, b'{"username": "\xff"}'),
        (401, "POST", "/api/connect", json, b"{}"),
        (404, "GET", "/api/people/nobody-here/status", token, b""),
        (405, "DELETE", "/api/people", token, b""),
        (413, "POST", "/api/connect", token | json, b'"' * 20_000),
        (421, "GET", "/api/people", token | {"Host": "evil.example"}, b""),
        (404, "GET", "/api/people/a%0Ab/status", token, b""),  # leads nowhere
        (422, "POST", "/api/connect", token | json, b"[]"),
    ]
    schema = made.http.get("/api/openapi.json").json()
    for status, method, path, headers, body in asked:
        response = made.http.request(method, path, headers=headers, content=body)
        assert response.status_code == status, path
        for way in schema["paths"].values():
            for operation in way.values():
                described = operation["responses"].get(str(status))
                if described is None:
                    assert status == 404
                    continue
                media_type = response.headers["content-type"].partition(";")[0]
                assert media_type in described["content"], status
