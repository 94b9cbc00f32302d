"""Whoever sends a request in the tests of rights, with a cookie that the site itself would give."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from itsdangerous import TimestampSigner

from oura_pipeline.accounts.people import SignIn
from oura_pipeline.sandbox.running import Sandbox
from oura_pipeline.web.sessions import COOKIE, session_key
from oura_pipeline_tests.attack.effort import TRIED
from oura_pipeline_tests.attack.rights import Answer, Caller, Right
from oura_pipeline_tests.web.conftest import RunningSite, site_in

OWN, OTHER = "adalbert", "bertilda"
OPERATOR = "a token that no program guesses in a minute"
BOSS, PROXY_SECRET = "boss@example.org", "a secret of the proxy's"
CSRF = "the token of a session's forms"
DAY = timedelta(days=1)
# Whatever a request may change; ids and times of sessions are in there as well.
MADE = ("sessions", "consents", "sign_ups", "invites", "participants", "studies")
TABLES = (*MADE, "people", "webhook_inbox", "tokens")


@dataclass(frozen=True, kw_only=True)
class Arena:
    """A site with two people, and everybody who may come by."""

    site: RunningSite
    http: httpx.Client
    signer: TimestampSigner
    password: str
    _headers: dict[Caller, dict[str, str]] = field(default_factory=dict)

    def headers(self, caller: Caller) -> dict[str, str]:
        """What the caller sends along, with a session of theirs where they have one."""
        if caller not in self._headers:
            self._headers[caller] = self._new_headers(caller)
        return self._headers[caller]

    def _new_headers(self, caller: Caller) -> dict[str, str]:
        match caller:
            case Caller.OWN | Caller.ENDED:
                session = self._begin(OWN)
            case Caller.OTHER:
                session = self._begin(OTHER)
            case Caller.STALE:
                session = self._begin(OWN, ago=timedelta(minutes=11))
            case Caller.OPERATOR:
                session = self.site.accounts.sessions.begin(DAY, password=self.password)
            case _:
                session = None
        if caller is Caller.ENDED:
            self.site.accounts.sessions.end(session or "")
        return {"Cookie": self.cookie(session), **_SAYS.get(caller, {})}

    def cookie(self, session: str | None, csrf: str = CSRF) -> str:
        """The cookie of a browser with this session; None: with none."""
        said = {"csrf": csrf} | ({"id": session} if session else {})
        data = base64.b64encode(json.dumps(said).encode())
        return f"{COOKIE}={self.signer.sign(data).decode()}"

    def send(
        self, method: str, path: str, right: Right, headers: Mapping[str, str], **changes: Any
    ) -> httpx.Response:
        """Send a request as the table says, with other headers or another body."""
        others = dict.fromkeys(("other", "username"), OTHER)
        names = {"own": _whose(headers), "name": "sleep", "study": "none", **others}
        address = path.format(**names) + (f"?{right.query}" if right.query else "")
        fields = {name: text.format(**names) for name, text in right.fields.items()}
        body = {"data": fields | {"csrf": CSRF}} if right.form else {"json": fields or None}
        given = {key: value for key, value in headers.items() if key != _WHOSE}
        if method in ("GET", "HEAD"):
            body = {}
        return self.http.request(method, address, headers=given, **(body | changes))

    def answer(self, response: httpx.Response) -> Answer:
        """The status of a response, and where it leads."""
        target = response.headers.get("location")
        if target is None:
            # After ten wrong guesses within a minute all further ones are told so.
            return 401 if response.status_code == 429 else response.status_code, None
        parts = urlsplit(target)
        here = parts.netloc in ("", urlsplit(self.site.url).netloc)
        return response.status_code, parts.path if here else "at Oura"

    def state(self) -> dict[str, list[Any]]:
        """Every row that a request may have changed."""
        with closing(sqlite3.connect(self._database)) as connection:
            return {
                table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES
            }

    def restore(self) -> None:
        """Make both people connected again, and forget what requests have left."""
        self._headers.clear()
        with closing(sqlite3.connect(self._database, timeout=30)) as connection, connection:
            connection.execute("UPDATE people SET state = 'connected', sync_asked_at = NULL")
            for table in MADE:
                connection.execute(f"DELETE FROM {table}")

    @property
    def _database(self) -> Path:
        return self.site.settings.storage.home / "accounts.sqlite"

    def _begin(self, username: str, ago: timedelta = timedelta()) -> str:
        at = datetime.now(UTC) - ago
        return self.site.accounts.sessions.begin(DAY, username=username, signed_in_at=at)


_WHOSE = "whose"
_SAYS = {
    Caller.OTHER: {_WHOSE: OTHER},
    Caller.TOKEN: {"Authorization": f"Bearer {OPERATOR}"},
    Caller.WRONG_TOKEN: {"Authorization": "Bearer of another token"},
    Caller.BY_PROXY: {"X-Auth-Request-Email": BOSS, "X-Proxy-Secret": PROXY_SECRET},
    Caller.LIAR: {"X-Auth-Request-Email": BOSS, "X-Proxy-Secret": "a guess"},
}


def _whose(headers: Mapping[str, str]) -> str:
    return headers.get(_WHOSE, OWN)


@contextmanager
def arena(home: Path, cloud: Sandbox) -> Iterator[Arena]:
    """Open a site with two people, and sign the operator in once."""
    values = {
        "oura_operator_header": "X-Auth-Request-Email",
        "oura_operators": BOSS,
        "oura_proxy_secret": PROXY_SECRET,
        # So long that no wrong guesses of others lock it out.
        "oura_operator_token": OPERATOR,
    }
    with (
        site_in(home, cloud, **values) as site,
        httpx.Client(base_url=site.url, timeout=30, trust_env=False) as http,
    ):
        for name in (OWN, OTHER):
            site.accounts.people.add(name, SignIn(refresh_token="refresh", oura_id=f"id-{name}"))
        browser = site.browser()
        browser.go("/operator")
        browser.send("/operator", token=OPERATOR)
        with closing(sqlite3.connect(home / "accounts.sqlite")) as connection:
            [(password,)] = connection.execute("SELECT password FROM sessions").fetchall()
        signer = TimestampSigner(session_key(site.settings))
        http.event_hooks["request"].append(lambda request: TRIED.update(["requests"]))
        yield Arena(site=site, http=http, signer=signer, password=password)
