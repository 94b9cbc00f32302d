"""The way in: the front page, to Oura and back, the choice of a username, and out again.

What surprises: a sign-in that fails changes nothing in the browser. Whoever comes back with a used
link is still who they were.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from oura_pipeline.accounts.errors import PersonRefused
from oura_pipeline.people import sign_in as flow
from oura_pipeline.settings import SignUp
from oura_pipeline.web import sessions
from oura_pipeline.web.labels import scopes, sentence
from oura_pipeline.web.pages.forms import Fields, form_route
from oura_pipeline.web.pages.templates import message, page, site_of

SCARCE = 0.8  # of Oura's limit of people
LONGEST_CODE = 200

# What a failed sign-in is called, and its HTTP status.
FAILED: dict[type[flow.SignInFailed], tuple[str, int]] = {
    flow.StaleLink: ("This link does not work any more", 400),
    flow.Declined: ("You said no, and that is fine", 200),
    flow.OuraRefused: ("Oura did not let you in", 400),
    flow.OuraAway: ("Oura is away", 503),
    flow.Misconfigured: ("This site is not set up correctly", 503),
    flow.NobodyKnown: ("Oura did not say who you are", 502),
    flow.BeingDeleted: ("Your data is being deleted", 409),
    flow.NotAdmitted: ("You cannot join at the moment", 403),
}


@dataclass(frozen=True)
class Places:
    """How many people are here, of those whom Oura allows."""

    here: int
    limit: int

    @property
    def full(self) -> bool:
        """Whether nobody new fits in."""
        return 0 < self.limit <= self.here

    @property
    def scarce(self) -> bool:
        """Whether it is worth saying how many there are."""
        return self.limit > 0 and self.here >= SCARCE * self.limit


def routes() -> list[BaseRoute]:
    """The addresses of this module."""
    return [
        Route("/", front),
        Route("/signin", to_front),
        form_route("/signin", sign_in),
        Route("/oauth/callback", callback),
        Route("/welcome", welcome),
        form_route("/welcome", choose),
        form_route("/signout", sign_out),
    ]


def front(request: Request) -> Response:
    """What this is, and the way in."""
    return _front(request, invite=request.query_params.get("invite", "")[:LONGEST_CODE])


def to_front(request: Request) -> Response:
    """Somebody reloaded where a form was sent to."""
    return see("/")


def sign_in(request: Request, fields: Fields) -> Response:
    """Off to Oura."""
    site = site_of(request)
    invite = fields.get("invite", "").strip()[:LONGEST_CODE]
    if invite and not site.pipeline.accounts.invites.is_valid(invite):
        wrong = (
            "This invite does not work. It was used, has expired, or is mistyped. "
            "Ask whoever runs this for a new one."
        )
        return _front(request, invite=invite, invite_error=wrong, status=422)
    try:
        browser = sessions.browser_id(request)
        return see(flow.begin(site.pipeline, browser=browser, invite=invite or None))
    except flow.SignInFailed as failed:
        return _failed(request, failed)


def callback(request: Request) -> Response:
    """Back from Oura."""
    site, browser = site_of(request), request.session.get("browser")
    try:
        arrived = flow.finish(site.pipeline, request.query_params, browser=browser)
    except flow.SignInFailed as failed:
        return _failed(request, failed)
    if isinstance(arrived, str):
        sessions.begin_sign_up(request, arrived)
        return see("/welcome")
    sessions.sign_in(request, arrived)
    return see("/me")


def welcome(request: Request) -> Response:
    """The question for a username."""
    if sessions.signed_in(request, site_of(request).pipeline.accounts):
        return see("/me")
    if sessions.sign_up_key(request) is None:
        return see("/")
    return page(request, "welcome.html", value="", error=None)


def choose(request: Request, fields: Fields) -> Response:
    """The answer to it."""
    key, username = sessions.sign_up_key(request), fields.get("username", "").strip()[:100]
    if key is None:
        return see("/me")
    try:
        person = flow.choose_username(site_of(request).pipeline, key, username)
    except flow.SignInFailed as failed:
        return _failed(request, failed)
    except PersonRefused as refused:
        error = sentence(str(refused))
        return page(request, "welcome.html", status=422, value=username, error=error)
    sessions.sign_in(request, person)
    return see("/me")


def sign_out(request: Request, fields: Fields) -> Response:
    """Forget who this browser is."""
    sessions.forget(request)
    return see("/")


def see(address: str) -> Response:
    """On to another page, with GET."""
    return RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})


def _front(
    request: Request, *, invite: str, invite_error: str | None = None, status: int = 200
) -> Response:
    site = site_of(request)
    settings = site.settings
    return page(
        request,
        "front.html",
        status=status,
        person=sessions.signed_in(request, site.pipeline.accounts),
        signup=settings.site.signup,
        by_invite=settings.site.signup is SignUp.INVITE,
        places=Places(flow.people_here(site.pipeline), settings.site.people_limit),
        scopes=scopes(settings.oura.scopes),
        invite=invite,
        invite_error=invite_error,
    )


def _failed(request: Request, failed: flow.SignInFailed) -> Response:
    title, status = FAILED[type(failed)]
    return message(request, title, str(failed), status=status, sign_in=True, alert=status >= 400)
