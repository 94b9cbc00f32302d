"""Pages for signing in: the front page, to Oura and back, choosing a username, signing out."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.people import failures, sign_in
from oura_pipeline.settings import SignUp
from oura_pipeline.web import sessions
from oura_pipeline.web.labels import scopes, sentence
from oura_pipeline.web.pages.forms import Fields, form_route
from oura_pipeline.web.pages.templates import get_site, message_page, page, redirect

NEARLY_FULL = 0.8  # of Oura's limit of people
MAX_CODE_LENGTH = 200
MAX_USERNAME_LENGTH = 100  # more than is allowed, so that the page can repeat what was typed

# Where somebody goes on who had to sign in once more.
THEN = {"delete": "/me/delete", "download": "/me#yours", "bring": "/me/bring"}

# Title and status of the page for a failed sign-in.
FAILURES: dict[type[failures.SignInFailed], tuple[str, int]] = {
    failures.StaleLink: ("This link has expired", 400),
    failures.Declined: ("Sign-in cancelled", 200),
    failures.OuraRefused: ("Oura refused the sign-in", 400),
    failures.NothingGranted: ("You allowed nothing at Oura", 400),
    failures.OuraAway: ("Oura is unavailable", 503),
    failures.Misconfigured: ("This site is not set up correctly", 503),
    failures.NobodyKnown: ("Oura did not identify you", 502),
    failures.BeingDeleted: ("Your data is being deleted", 409),
    failures.NotAdmitted: ("You cannot join at the moment", 403),
}


@dataclass(frozen=True)
class Capacity:
    """How many people use the site, and how many Oura allows (0: no limit)."""

    people: int
    limit: int

    @property
    def full(self) -> bool:
        return 0 < self.limit <= self.people

    @property
    def nearly_full(self) -> bool:
        return self.limit > 0 and self.people >= NEARLY_FULL * self.limit


def routes() -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        Route("/", show_front_page),
        # Somebody reloads where a form was sent to.
        Route("/signin", lambda request: redirect("/")),
        form_route("/signin", begin),
        Route("/oauth/callback", finish),
        Route("/welcome", ask_username),
        form_route("/welcome", choose_username),
        form_route("/signout", sign_out),
        form_route("/signout/everywhere", sign_out_everywhere),
    ]


def show_front_page(request: Request) -> Response:
    """Show what this site is, and how to sign in."""
    return _front_page(request, invite=request.query_params.get("invite", "")[:MAX_CODE_LENGTH])


def begin(request: Request, fields: Fields) -> Response:
    """Send a browser to Oura."""
    site = get_site(request)
    invite = fields.get("invite", "").strip()[:MAX_CODE_LENGTH]
    if invite and not site.pipeline.accounts.invites.is_valid(invite):
        error = (
            "This invite is not valid: it was used, has expired or is mistyped. "
            "Ask the operator of this site for a new one."
        )
        return _front_page(request, invite=invite, invite_error=error, status=422)
    then = fields.get("then", "")
    request.session["then"] = then if then in THEN else ""  # a cookie has no room for more
    try:
        browser = sessions.browser_id(request)
        # Otherwise Oura would give the same answer again without asking.
        prompt = "consent" if _allows_too_little(request) else None
        address = sign_in.begin(
            site.pipeline, browser=browser, invite=invite or None, prompt=prompt
        )
        return redirect(address)
    except failures.SignInFailed as failure:
        return _failure_page(request, failure)


def finish(request: Request) -> Response:
    """Sign in the person whom Oura sent back."""
    site, browser = get_site(request), request.session.get("browser")
    try:
        result = sign_in.finish(site.pipeline, request.query_params, browser=browser)
    except failures.SignInFailed as failure:
        # The session stays as it was: whoever comes back with a used link is still signed in.
        return _failure_page(request, failure)
    accounts, then = site.pipeline.accounts, request.session.get("then", "")
    if isinstance(result, sign_in.SigningUp):
        sessions.begin_sign_up(request, accounts, result.key, result.username)
        return redirect("/welcome")
    sessions.sign_in(request, accounts, result)
    return redirect(THEN.get(then, "/me"))


def ask_username(request: Request) -> Response:
    """Ask a new person for a username."""
    if sessions.signed_in(request, get_site(request).pipeline.accounts):
        return redirect("/me")
    if sessions.sign_up_key(request) is None:
        return redirect("/")
    if username := sessions.sent_as(request):
        return page(request, "connect.html", username_meant=username)
    return page(request, "welcome.html", value="", error=None)


def choose_username(request: Request, fields: Fields) -> Response:
    """Finish a sign-up."""
    key = sessions.sign_up_key(request)
    username = fields.get("username", "").strip()[:MAX_USERNAME_LENGTH]
    if key is None:
        return redirect("/me")
    meant, pipeline = sessions.sent_as(request), get_site(request).pipeline
    if meant and fields.get("answer") != "yes":
        sign_in.decline(pipeline, key)
        sessions.sign_out(request, pipeline.accounts)
        return message_page(request, "Not connected", "Nothing was saved. You can close this page.")
    waiting = pipeline.accounts.sign_ups.get(key)
    try:
        if meant:
            person = sign_in.confirm(pipeline, key, meant)
        else:
            person = sign_in.choose_username(pipeline, key, username)
    except failures.SignInFailed as failure:
        return _failure_page(request, failure)
    except PersonRefused as refused:
        error = sentence(str(refused))
        return page(request, "welcome.html", status=422, value=username, error=error)
    # They were at Oura when the sign-up began, up to an hour ago.
    at_oura = waiting.begun_at if waiting else None
    sessions.sign_in(request, pipeline.accounts, person, signed_in_at=at_oura)
    return redirect("/me")


def sign_out(request: Request, fields: Fields) -> Response:
    """End the session of a person or operator."""
    sessions.sign_out(request, get_site(request).pipeline.accounts)
    return redirect("/")


def sign_out_everywhere(request: Request, fields: Fields) -> Response:
    """End every session of a person, or the operator's."""
    accounts = get_site(request).pipeline.accounts
    if session := sessions.current(request, accounts):
        accounts.sessions.end_all_of(session.username)
    return sign_out(request, fields)


def _allows_too_little(request: Request) -> bool:
    site = get_site(request)
    person = sessions.signed_in(request, site.pipeline.accounts)
    if person is None or person.scopes is None:
        return False
    return any(scope.name not in person.scopes for scope in scopes(site.settings.oura.scopes))


def _front_page(
    request: Request, *, invite: str, invite_error: str | None = None, status: int = 200
) -> Response:
    site = get_site(request)
    settings = site.settings
    return page(
        request,
        "front.html",
        status=status,
        person=sessions.signed_in(request, site.pipeline.accounts),
        signup=settings.site.signup,
        by_invite=settings.site.signup is SignUp.INVITE,
        capacity=Capacity(sign_in.people_here(site.pipeline), settings.site.people_limit),
        scopes=scopes(settings.oura.scopes),
        invite=invite,
        invite_error=invite_error,
    )


def _failure_page(request: Request, failure: failures.SignInFailed) -> Response:
    title, status = FAILURES[type(failure)]
    address = failure.address if isinstance(failure, failures.NothingGranted) else None
    return message_page(
        request,
        title,
        str(failure),
        status=status,
        sign_in=True,
        alert=status >= 400,
        oura=address,
    )
