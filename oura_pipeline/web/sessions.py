"""Who a browser is: the id of a session in a signed cookie, and the session in the accounts.

Before anybody has signed in, the cookie alone says what is needed, so strangers fill no table.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.sessions import Session
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.files import create_private, is_private
from oura_pipeline.settings import Settings, SettingsError

COOKIE = "oura_pipeline"
SESSION_LASTS = timedelta(days=30)
OPERATOR_LASTS = timedelta(hours=12)  # everybody's data is behind it
RECENT = timedelta(minutes=10)  # what deletes or gives away everything asks for such a sign-in
SKEW = timedelta(seconds=10)  # by which clocks are corrected all the time
_LOOKED_UP = "oura_pipeline.session"  # of a request


def middleware(settings: Settings, key: str) -> Middleware:
    """Return the middleware that reads and writes the cookie."""
    https = settings.site.url.startswith("https://")
    return Middleware(
        SessionMiddleware,
        secret_key=key,
        # With this name browsers take it from this very host and over https only: no neighbour
        # under the same domain can plant one.
        session_cookie=f"__Host-{COOKIE}" if https else COOKIE,
        max_age=int(SESSION_LASTS.total_seconds()),
        same_site="lax",  # not "strict": the redirect from Oura must bring the cookie along
        https_only=https,
    )


def current(request: Request, accounts: Accounts) -> Session | None:
    """Return the session of this browser; None: nobody has signed in, or it was ended."""
    if _LOOKED_UP not in request.scope:
        session_id = request.scope.get("session", {}).get("id")
        request.scope[_LOOKED_UP] = accounts.sessions.get(session_id) if session_id else None
    session: Session | None = request.scope[_LOOKED_UP]
    return session


def look_up_no_more(request: Request) -> None:
    """Take a request for one of nobody unless its session is known: the accounts may be broken."""
    request.scope.setdefault(_LOOKED_UP, None)


def browser_id(request: Request) -> str:
    """Return the id of this browser, created when it starts to sign in."""
    return str(request.session.setdefault("browser", secrets.token_urlsafe(16)))


def csrf_token(request: Request) -> str:
    """Return the token that every form of this session contains."""
    return str(request.session.setdefault("csrf", secrets.token_urlsafe(24)))


def csrf_matches(request: Request, given: str) -> bool:
    """Return whether a form contains the token of its session."""
    expected = str(request.session.get("csrf", ""))
    return bool(expected) and hmac.compare_digest(expected.encode(), given.encode())


def sign_in(
    request: Request, accounts: Accounts, person: Person, *, signed_in_at: datetime | None = None
) -> None:
    """Sign a person in, in a new session; the one that this browser had ends.

    Args:
        request: of their browser.
        accounts: the site's.
        person: who signed in.
        signed_in_at: when they were last at Oura; None: they come from there.
    """
    sign_out(request, accounts)
    request.session["id"] = accounts.sessions.begin(
        SESSION_LASTS, username=person.username, signed_in_at=signed_in_at
    )
    # Created here because an error page contains the sign-out form but saves no session.
    csrf_token(request)


def signed_in(request: Request, accounts: Accounts) -> Person | None:
    """Return the signed-in person; None: nobody, or they have left since."""
    session = current(request, accounts)
    if session is None or session.username is None:
        return None
    try:
        person = accounts.people.get(session.username)
    except UnknownPerson:
        return None
    request.state.person_id = person.id  # for the log
    return person if person.state is not PersonState.RETIRED else None


def is_recent(request: Request, accounts: Accounts) -> bool:
    """Return whether this browser signed in with Oura within the last ten minutes."""
    session = current(request, accounts)
    # Not in the future either: the clock was set back, and nobody knows for how long.
    return session is not None and -SKEW < datetime.now(UTC) - session.signed_in_at < RECENT


def begin_sign_up(request: Request, accounts: Accounts, key: str, username: str | None) -> None:
    """Start a session for somebody who is to choose a username, or to confirm this one."""
    sign_out(request, accounts)
    request.session["sign_up"] = key
    request.session["sent_as"] = username


def sent_as(request: Request) -> str | None:
    """Return the username for which the operator sent this browser to Oura."""
    username: str | None = request.session.get("sent_as")
    return username


def sign_up_key(request: Request) -> str | None:
    """Return the key of the sign-up under way in this browser."""
    key: str | None = request.session.get("sign_up")
    return key


def make_operator(request: Request, accounts: Accounts, settings: Settings, key: str) -> None:
    """Sign the operator in, in a new session."""
    sign_out(request, accounts)
    password = _password_hash(settings, key)
    request.session["id"] = accounts.sessions.begin(OPERATOR_LASTS, password=password)
    csrf_token(request)


def is_operator(request: Request, accounts: Accounts, settings: Settings, key: str) -> bool:
    """Return whether the proxy or the session says that this is the operator."""
    if _named_by_proxy(request, settings):
        return True
    session = current(request, accounts)
    if session is None or session.password is None:
        return False
    password = settings.site.operator_token.get_secret_value()
    same = hmac.compare_digest(session.password, _password_hash(settings, key))
    return bool(password) and same


def _named_by_proxy(request: Request, settings: Settings) -> bool:
    """Return whether the proxy names an operator; who reaches the site past it is not believed."""
    site = settings.site
    if not site.operator_header:
        return False
    given = request.headers.get("x-proxy-secret", "").encode()
    if not hmac.compare_digest(given, site.proxy_secret.get_secret_value().encode()):
        return False
    return request.headers.get(site.operator_header, "") in site.operators


def sign_out(request: Request, accounts: Accounts) -> None:
    """End the session, for whoever has a copy of the cookie as well."""
    if session_id := request.session.get("id"):
        accounts.sessions.end(session_id)
    request.session.clear()
    request.scope.pop(_LOOKED_UP, None)


def session_key(settings: Settings) -> str:
    """Return the key that signs cookies: the setting, or a file in the data folder.

    Raises:
        SettingsError: the file cannot be used.
    """
    return settings.site.session_key.get_secret_value() or _read_key(
        settings.storage.session_key_path
    )


def _password_hash(settings: Settings, key: str) -> str:
    """Return a hash for the cookie, so that a new password ends old sessions."""
    password = settings.site.operator_token.get_secret_value()
    return hmac.new(key.encode(), password.encode(), hashlib.sha256).hexdigest()


def _read_key(path: Path) -> str:
    if not path.exists():
        create_private(path, secrets.token_urlsafe(48) + "\n")
    if not is_private(path):
        raise SettingsError(
            f"the session key is readable by others: chmod 600 {shlex.quote(str(path))}"
        )
    key = path.read_text(encoding="utf-8").strip()
    if not key:
        raise SettingsError(f"the session key {path} is empty: delete the file to create a new one")
    return key
