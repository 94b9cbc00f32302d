"""What stands around every page: proof of where a form comes from, headers, errors, the log."""

from __future__ import annotations

import json
import logging
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from click.testing import CliRunner

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.commands.group import cli
from oura_pipeline.oura.http import tls
from oura_pipeline.process.logs import JsonFormatter
from oura_pipeline.settings import Settings, SettingsError
from oura_pipeline.web.sessions import session_key
from oura_pipeline.web.site import open_site
from oura_pipeline_tests.testing.settings import settings_with
from oura_pipeline_tests.web.conftest import OPERATOR, OpenSite


def settings_in(home: Path, **values: object) -> Settings:
    """The settings of a site in a folder."""
    return settings_with(oura_pipeline_home=home, **values)


def test_a_form_without_its_token_changes_nothing(open_site: OpenSite) -> None:
    """Whatever page of somebody else's sent it."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    before = site.accounts.people.get("runa")
    for action in ("/me/sync", "/me/disconnect", "/me/delete", "/signout", "/signin", "/operator"):
        for token in ("", "invented"):
            answer = browser.http.post(action, data={"csrf": token, "username": "runa"})
            assert (action, token, answer.status_code) == (action, token, 403)
    assert site.accounts.people.get("runa") == before
    assert browser.go("/me").title == "runa: Connected · Oura pipeline"
    stranger = site.browser()  # whose cookie has no token yet, which is not an empty one
    assert stranger.http.post("/signin", data={"csrf": ""}).status_code == 403


@pytest.mark.parametrize("charset", ["utf-8", "raw_unicode_escape", "undefined"])
def test_a_form_in_another_encoding_is_refused(open_site: OpenSite, charset: str) -> None:
    """One that names a character set could bring along what no text may hold."""
    browser = open_site().browser()
    browser.join("runa")
    field = b'--x\r\nContent-Disposition: form-data; name="csrf"\r\n\r\n\\ud800\r\n--x--\r\n'
    kind = {"content-type": f"multipart/form-data; boundary=x; charset={charset}"}
    assert browser.http.post("/me/sync", content=field, headers=kind).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
    ],
)
def test_a_form_from_elsewhere_is_refused_even_with_the_token(
    open_site: OpenSite, headers: dict[str, str]
) -> None:
    """The browser says where it was sent from."""
    browser = open_site().browser()
    browser.join("runa")
    form = dict(browser.page.form("/me/disconnect").fields)
    answer = browser.http.post("/me/disconnect", data=form, headers=headers)
    assert answer.status_code == 403
    assert browser.go("/me").title == "runa: Connected · Oura pipeline"


def test_a_form_from_here_passes_with_what_browsers_send(open_site: OpenSite) -> None:
    """Their own origin; programs send none."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    form = dict(browser.page.form("/me/sync").fields)
    for headers in ({}, {"Origin": site.url, "Sec-Fetch-Site": "same-origin"}):
        answer = browser.http.post("/me/sync", data=form, headers=headers)
        assert answer.headers["location"] == "/me"


def test_the_token_of_another_session_is_refused(open_site: OpenSite) -> None:
    """A form of one's own does not work in somebody else's browser."""
    site = open_site()
    runa, koa = site.browser(), site.browser()
    runa.join("runa")
    koa.join("koa")
    form = dict(koa.page.form("/me/disconnect").fields)
    assert runa.http.post("/me/disconnect", data=form).status_code == 403


def test_a_form_that_is_too_long_is_refused(open_site: OpenSite) -> None:
    """Before it fills the memory."""
    browser = open_site().browser()
    answer = browser.http.post("/signin", data={"csrf": "x" * 100_000})
    assert answer.status_code == 413


def test_every_page_has_its_headers(open_site: OpenSite) -> None:
    """Nothing inline, nothing framed, nothing kept, nothing told."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    for address in ("/", "/me", "/operator", "/nothing-here", "/health"):
        headers = browser.http.get(address).headers
        assert headers["content-security-policy"] == (
            "default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self' "
            f"{site.sandbox.url}; frame-ancestors 'none'; base-uri 'none'"
        )
        assert headers["referrer-policy"] == "same-origin"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert "camera=()" in headers["permissions-policy"]
        assert "strict-transport-security" not in headers


def test_no_page_needs_a_script_or_an_inline_style(open_site: OpenSite) -> None:
    """The policy would stop them."""
    browser = open_site().browser()
    browser.join("runa")
    for address in ("/", "/me", "/me/delete", "/operator", "/nothing-here"):
        assert not re.search(r"<script|<style|\sstyle=|\son[a-z]+=", browser.go(address).html)


def test_with_https_the_cookie_and_the_browser_stay_on_it(open_site: OpenSite) -> None:
    """Secure cookies, HSTS, and Oura's own hosts, between which its sign-in hops."""
    browser = open_site(
        oura_public_url="https://ring.example",
        oura_authorize_url="https://cloud.ouraring.com/oauth/authorize",
    ).browser()
    headers = browser.http.get("/").headers
    assert headers["strict-transport-security"] == "max-age=31536000"
    cookie = set(re.split(r";\s*", headers["set-cookie"].lower()))
    assert {"httponly", "samesite=lax", "secure", "max-age=2592000", "path=/"} <= cookie
    assert (
        "form-action 'self' https://cloud.ouraring.com https://*.ouraring.com;"
        in headers["content-security-policy"]
    )


def test_the_host_header_is_never_used(open_site: OpenSite) -> None:
    """Neither in a page, nor in a redirect, nor in what Oura is told."""
    browser = open_site().browser()
    browser.go("/")
    form = dict(browser.page.form("/signin").fields)
    evil = {"Host": "evil.example"}
    answers = [
        browser.http.get("/", headers=evil),
        browser.http.get("/me", headers=evil),
        browser.http.get("/me/", headers=evil),
        browser.http.post("/signin", data=form, headers=evil),
    ]
    for answer in answers:
        assert "evil" not in answer.text + str(answer.headers)


@pytest.mark.parametrize(
    ("method", "address", "status", "title"),
    [
        ("GET", "/nothing-here", 404, "Page not found"),
        ("GET", "/static/nothing.css", 404, "Page not found"),
        ("DELETE", "/me", 405, "Method not allowed"),
        ("GET", "/me/disconnect", 405, "Method not allowed"),
    ],
)
def test_errors_have_a_page(
    open_site: OpenSite, method: str, address: str, status: int, title: str
) -> None:
    """In the same look, with a way back."""
    answer = open_site().browser().http.request(method, address)
    assert answer.status_code == status
    assert f"<title>{title} · Oura pipeline</title>" in answer.text
    assert 'href="/"' in answer.text


@pytest.mark.parametrize("table", ["fetches", "sessions"])
def test_an_unexpected_error_has_an_incident_id_that_is_logged(
    open_site: OpenSite, caplog: pytest.LogCaptureFixture, table: str
) -> None:
    """No trace on the page; the trace, and the same number, in the log."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    with site.accounts._database.writing() as connection:
        connection.exec_driver_sql(f"DROP TABLE {table}")
    page = browser.go("/me")
    assert (page.status, page.title) == (500, "Something went wrong · Oura pipeline")
    assert "no such table" not in page.text
    found = re.search(r"incident ([0-9a-f]{8}) ", page.text)
    assert found
    assert f"incident {found[1]}" in caplog.text
    assert f"no such table: {table}" in caplog.text
    assert page.response.headers["x-content-type-options"] == "nosniff"


def test_the_log_has_a_line_per_request_without_its_query(
    open_site: OpenSite, caplog: pytest.LogCaptureFixture
) -> None:
    """And a path cannot break the line."""
    caplog.set_level(logging.INFO, "oura_pipeline.web")
    browser = open_site().browser()
    browser.http.get("/nothing%0Ahere?code=secret")
    browser.http.post("/webhook", content=b"a body")
    lines = [record.message for record in caplog.records if record.name == "oura_pipeline.web"]
    assert [re.sub(r"\d+ ms$", "- ms", line) for line in lines] == [
        "GET /nothing%0Ahere 404 - ms",
        "POST /webhook 401 - ms",
    ]


def test_a_line_about_somebody_has_their_id(
    open_site: OpenSite, caplog: pytest.LogCaptureFixture
) -> None:
    """Their own pages; a line of JSON has it beside the message."""
    site = open_site()
    browser = site.browser()
    browser.join("runa")
    caplog.clear()
    caplog.set_level(logging.INFO, "oura_pipeline.web")
    browser.go("/me")
    browser.go("/privacy")
    lines = [json.loads(JsonFormatter().format(record)) for record in caplog.records]
    runa = site.accounts.people.get("runa").id
    assert [(line["message"].split()[1], line.get("person")) for line in lines] == [
        ("/me", runa),
        ("/privacy", None),
    ]


def test_the_log_names_people_by_id(open_site: OpenSite, caplog: pytest.LogCaptureFixture) -> None:
    """In the paths of the API; who is not here, or not asked for by the operator, has no id."""
    caplog.set_level(logging.INFO, "oura_pipeline.web")
    site = open_site()
    browser = site.browser()
    for username in ("runa", "people"):
        site.accounts.people.add(username, SignIn(refresh_token="x", oura_id=username))
    operator = {"Authorization": f"Bearer {OPERATOR}"}
    for username in ("runa", "people", "nobody"):
        browser.http.get(f"/api/people/{username}/status", headers=operator)
    browser.http.post("/api/people/runa/sync")
    browser.http.get("/api/people/runa/mistyped", headers=operator)
    browser.http.get("/api/people/runa", headers=operator)
    runa, people = (site.accounts.people.get(username).id for username in ("runa", "people"))
    lines = [record.message for record in caplog.records if record.name == "oura_pipeline.web"]
    assert [re.sub(r" \d+ ms$", "", line) for line in lines] == [
        f"GET /api/people/{runa}/status 200",
        f"GET /api/people/{people}/status 200",
        "GET /api/people/-/status 404",
        "POST /api/people/-/sync 401",
        "GET /api/people/-/mistyped 404",
        "GET /api/people/- 404",
    ]


def test_the_style_sheet_is_kept_for_ever_under_an_address_of_its_own(open_site: OpenSite) -> None:
    """Its address changes with its content."""
    browser = open_site().browser()
    (address,) = re.findall(r'rel="stylesheet" href="([^"]+)"', browser.go("/").html)
    answer = browser.http.get(address)
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    # What a page says itself is not said once more by the site.
    [caching] = answer.headers.get_list("cache-control")
    assert "immutable" in caching
    assert "set-cookie" not in answer.headers


def test_a_forged_cookie_is_ignored(open_site: OpenSite) -> None:
    """Its signature does not fit."""
    browser = open_site().browser()
    browser.join("runa")
    value = browser.http.cookies["oura_pipeline"]
    cookies = {"oura_pipeline": value[:-2] + ("aa" if value[-2:] != "aa" else "bb")}
    answer = httpx.get(f"{browser.site}/me", cookies=cookies, trust_env=False, verify=tls())
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_machines_get_no_cookie(open_site: OpenSite) -> None:
    """Their addresses stand before the sessions."""
    browser = open_site().browser()
    for address in ("/health", "/webhook", "/metrics", "/api/openapi.json"):
        assert "set-cookie" not in browser.http.get(address).headers


def test_the_key_of_the_cookies_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    """The same one at every start; a key that is set wins."""
    home = tmp_path / "data"
    key = session_key(settings_in(home))
    path = home / "session.key"
    assert len(key) >= 43
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert session_key(settings_in(home)) == key
    assert list(home.iterdir()) == [path]
    assert session_key(settings_in(home, oura_session_key="mine")) == "mine"


@pytest.mark.parametrize(("text", "mode", "said"), [("", 0o600, "empty"), ("x", 0o644, "chmod")])
def test_an_unusable_key_file_is_reported(tmp_path: Path, text: str, mode: int, said: str) -> None:
    """In one line, before anybody signs in with it."""
    path = tmp_path / "session.key"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    with pytest.raises(SettingsError, match=said):
        session_key(settings_in(tmp_path))


def test_the_operator_can_invite_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The code, and the link that fills it in."""
    monkeypatch.setenv("OURA_PIPELINE_HOME", str(tmp_path))
    monkeypatch.setenv("OURA_PUBLIC_URL", "https://ring.example")
    result = CliRunner().invoke(cli, ["people", "invite", "--days", "3"])
    code, link = result.output.splitlines()
    assert link == f"https://ring.example/?invite={code}"
    with open_site(settings_in(tmp_path)) as site:
        (invite,) = site.pipeline.accounts.invites.all()
        assert site.pipeline.accounts.invites.is_valid(code)
    assert (invite.expires_at - invite.created_at).days == 3


def test_a_port_in_use_is_reported_in_one_line(open_site: OpenSite, tmp_path: Path) -> None:
    """Not with a traceback."""
    port = open_site().url.rpartition(":")[2]
    result = subprocess.run(
        [sys.executable, "-m", "oura_pipeline.cli", "web", "--port", port],
        env={**os.environ, "OURA_PIPELINE_HOME": str(tmp_path / "other")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (1, "")
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"Error: cannot listen on 127.0.0.1:{port}: Address already in use")


@pytest.mark.parametrize(
    ("address", "other"), [("localhost", "127.0.0.1"), ("127.0.0.1", "localhost")]
)
def test_one_name_of_this_machine_leads_to_the_other(
    open_site: OpenSite, address: str, other: str
) -> None:
    """Pages only, with their query, and to the site's own address whatever the Host header says."""
    port = urlsplit(open_site(oura_public_url=f"http://{address}:1").url).port
    with httpx.Client(base_url=f"http://{other}:{port}", trust_env=False, verify=tls()) as http:
        for method in ("GET", "HEAD"):
            led = http.request(method, "/oauth/callback?code=a%20b&state=c")
            assert (led.status_code, led.headers["location"]) == (
                307,
                f"http://{address}:1/oauth/callback?code=a%20b&state=c",
            )
        assert http.get(f"http://{other}:{port}//evil.example").headers["location"] == (
            f"http://{address}:1//evil.example"
        )
        assert http.get("/health").status_code == 200
        assert http.post("/signin").status_code == 403
        claimed = http.get("/", headers={"Host": f"{other}:666"})
        assert claimed.headers["location"] == f"http://{address}:1/"
