"""Who a browser is: a signed cookie that names a person or says that this is an operator.

What surprises: the cookie also says since when the person is here. A username that is free again
after a deletion may be somebody else's tomorrow, and an old cookie must not open their page.
"""

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

DAYS = 30 * 24 * 3600  # seconds that a cookie is good for
OPERATOR_SECONDS = 12 * 3600


def middleware(settings: Settings, key: str) -> Middleware:
    """Reads and writes the cookie; on https it is sent over nothing else."""
    return Middleware(
        SessionMiddleware,
        secret_key=key,
        session_cookie="oura_pipeline",
        max_age=DAYS,
        same_site="lax",
        https_only=settings.site.url.startswith("https://"),
    )


def browser_id(request: Request) -> str:
    """The id of this browser, made when it begins to sign in."""
    return str(request.session.setdefault("browser", secrets.token_urlsafe(16)))


def csrf_token(request: Request) -> str:
    """What every form of this session carries."""
    return str(request.session.setdefault("csrf", secrets.token_urlsafe(24)))


def csrf_matches(request: Request, given: str) -> bool:
    """Whether a form carries the token of its session."""
    wanted = str(request.session.get("csrf", ""))
    return bool(wanted) and hmac.compare_digest(wanted.encode(), given.encode())


def sign_in(request: Request, person: Person) -> None:
    """From here on this browser is that person; whatever it was before is forgotten."""
    request.session.clear()
    request.session["username"] = person.username
    request.session["joined_at"] = person.joined_at.isoformat()
    csrf_token(request)  # here, because an error page shows the form to sign out and saves nothing


def signed_in(request: Request, accounts: Accounts) -> Person | None:
    """Who this browser is, if they are still the same person and have not left."""
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
    """Somebody new is about to choose a username in this browser."""
    request.session.clear()
    request.session["sign_up"] = key


def sign_up_key(request: Request) -> str | None:
    """The key of the sign-up under way in this browser."""
    key: str | None = request.session.get("sign_up")
    return key


def make_operator(request: Request, settings: Settings, key: str) -> None:
    """From here on this browser is the operator's, for some hours."""
    request.session.clear()
    request.session["operator"] = _operator_mark(settings, key)
    request.session["operator_since"] = int(time())
    csrf_token(request)


def is_operator(request: Request, settings: Settings, key: str) -> bool:
    """Whether the proxy or the cookie says so; another password ends what the cookie says."""
    if settings.site.operator_header:
        named = request.headers.get(settings.site.operator_header, "")
        if named in settings.site.operators:
            return True
    mark, since = request.session.get("operator"), request.session.get("operator_since", 0)
    if mark is None or not settings.site.operator_token.get_secret_value():
        return False
    fresh = time() - since < OPERATOR_SECONDS
    return fresh and hmac.compare_digest(str(mark), _operator_mark(settings, key))


def session_key(settings: Settings) -> str:
    """The key that signs cookies: as set, or the one in the data folder, made when missing.

    Raises:
        SettingsError: the file cannot be used.
    """
    given = settings.site.session_key.get_secret_value()
    return given or _key_in(settings.storage.session_key_path)


def _operator_mark(settings: Settings, key: str) -> str:
    """Tells passwords apart without being one."""
    password = settings.site.operator_token.get_secret_value()
    return hmac.new(key.encode(), password.encode(), hashlib.sha256).hexdigest()


def _key_in(path: Path) -> str:
    if not path.exists():
        create_private(path, secrets.token_urlsafe(48) + "\n")
    if not is_private(path):
        raise SettingsError(
            f"others may read the session key; run: chmod 600 {shlex.quote(str(path))}"
        )
    key = path.read_text(encoding="utf-8").strip()
    if not key:
        raise SettingsError(f"the session key {path} is empty; delete the file, a new one is made")
    return key


def forget(request: Request) -> None:
    """Sign this browser out."""
    request.session.clear()
