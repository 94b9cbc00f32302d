"""Who a browser is: a signed cookie that names a person or the operator."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import shlex
from pathlib import Path
from time import time

from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request

from oura_pipeline.accounts.errors import UnknownPerson
from oura_pipeline.accounts.people import Person, PersonState
from oura_pipeline.accounts.store import Accounts
from oura_pipeline.files import create_private, is_private
from oura_pipeline.settings import Settings, SettingsError

COOKIE_SECONDS = 30 * 24 * 3600
OPERATOR_SECONDS = 12 * 3600  # of the cookie's 30 days: everybody's data is behind it


def middleware(settings: Settings, key: str) -> Middleware:
    """Return the middleware that reads and writes the cookie."""
    return Middleware(
        SessionMiddleware,
        secret_key=key,
        session_cookie="oura_pipeline",
        max_age=COOKIE_SECONDS,
        same_site="lax",  # not "strict": the redirect from Oura must bring the cookie along
        https_only=settings.site.url.startswith("https://"),
    )


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


def sign_in(request: Request, person: Person) -> None:
    """Sign a person in, in a new session."""
    request.session.clear()
    request.session["username"] = person.username
    # A username that is free again after a deletion may be somebody else's tomorrow: an old cookie
    # must not open their page.
    request.session["joined_at"] = person.joined_at.isoformat()
    # Created here because an error page contains the sign-out form but saves no session.
    csrf_token(request)


def signed_in(request: Request, accounts: Accounts) -> Person | None:
    """Return the signed-in person; None: nobody, or they have left since."""
    username = request.session.get("username")
    if username is None:
        return None
    try:
        person = accounts.people.get(username)
    except UnknownPerson:
        return None
    same = person.joined_at.isoformat() == request.session.get("joined_at")
    return person if same and person.state is not PersonState.RETIRED else None


def begin_sign_up(request: Request, key: str) -> None:
    """Start a session for a new person who is to choose a username."""
    request.session.clear()
    request.session["sign_up"] = key


def sign_up_key(request: Request) -> str | None:
    """Return the key of the sign-up under way in this browser."""
    key: str | None = request.session.get("sign_up")
    return key


def make_operator(request: Request, settings: Settings, key: str) -> None:
    """Sign the operator in, in a new session."""
    request.session.clear()
    request.session["operator"] = _password_hash(settings, key)
    request.session["operator_since"] = int(time())
    csrf_token(request)


def is_operator(request: Request, settings: Settings, key: str) -> bool:
    """Return whether the proxy or the cookie says that this is the operator."""
    if settings.site.operator_header:
        # Only if the setting says so: without a proxy that removes it, anyone can send the header.
        name = request.headers.get(settings.site.operator_header, "")
        if name in settings.site.operators:
            return True
    password_hash, since = request.session.get("operator"), request.session.get("operator_since", 0)
    if password_hash is None or not settings.site.operator_token.get_secret_value():
        return False
    fresh = time() - since < OPERATOR_SECONDS
    return fresh and hmac.compare_digest(str(password_hash), _password_hash(settings, key))


def sign_out(request: Request) -> None:
    """End the session."""
    request.session.clear()


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
