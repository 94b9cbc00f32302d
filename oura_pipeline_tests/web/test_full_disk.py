"""What the site says when nothing can be saved, because there is no room for it."""

from __future__ import annotations

import logging
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite

SAID = "a limit of file sizes (`ulimit -f`), is reached. What was there before is kept"


@contextmanager
def no_room() -> Iterator[None]:
    """No file may grow beyond a page or two, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    writes_byte_code, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        sys.dont_write_bytecode = writes_byte_code


def test_a_page_says_what_commands_say(
    open_site: OpenSite, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a path and a stack trace, in the log as well. Once there is room it works."""
    site = open_site()
    runa, new = site.browser(), site.browser()
    runa.join("runa")
    new.go("/")
    for browser, path in ((runa, "/me/sync"), (runa, "/me/disconnect"), (new, "/signin")):
        with no_room():
            page = browser.send(path)
        assert (page.status, page.title) == (
            507,
            "Nothing can be saved at the moment · Oura pipeline",
        )
        assert "Accounts.sqlite could not be written (disk I/O error)" in page.text
        assert SAID in page.text
        assert str(site.settings.storage.home) not in page.text
        runa.go("/me")
    logged = [
        r for r in caplog.records if r.name == "oura_pipeline.web" and r.levelno > logging.INFO
    ]
    assert [SAID in record.message for record in logged] == [True] * 3
    assert [record.exc_info for record in logged] == [None] * 3
    assert "disconnected" not in runa.page.text
    assert runa.send("/me/disconnect").status == 200


def test_the_api_says_it_too(open_site: OpenSite) -> None:
    http = open_site().browser().http
    with no_room():
        answer = http.post("/api/connect", headers={"Authorization": f"Bearer {OPERATOR}"})
    assert answer.status_code == 507
    assert SAID in answer.json()["detail"]
