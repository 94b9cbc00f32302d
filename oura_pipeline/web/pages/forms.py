"""Routes for forms, which accept only what one of our own pages sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.web.hosts import origin_of
from oura_pipeline.web.pages.templates import get_site, message_page
from oura_pipeline.web.sessions import csrf_matches

FORM_CONTENT_TYPE = "application/x-www-form-urlencoded"
MAX_FORM_BYTES = 16 * 1024
MAX_FIELDS = 20

Fields = Mapping[str, str]


def form_route(path: str, handle: Callable[[Request, Fields], Response]) -> Route:
    """Return the route of a form; `handle` runs in a thread, and only for our own forms."""
    return Route(path, _checked(handle), methods=["POST"], max_body_size=MAX_FORM_BYTES)


def _checked(
    handle: Callable[[Request, Fields], Response],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not _is_plain_form(request):
            return await run_in_threadpool(expired, request)
        async with request.form(max_fields=MAX_FIELDS) as form:
            fields = {name: text for name, text in form.items() if isinstance(text, str)}
        if not from_our_site(request) or not csrf_matches(request, fields.get("csrf", "")):
            return await run_in_threadpool(expired, request)
        return await run_in_threadpool(handle, request, fields)

    return endpoint


def _is_plain_form(request: Request) -> bool:
    # A multipart form may name a character set, and so contain what no text may hold.
    content_type, _, _ = request.headers.get("content-type", "").partition(";")
    return content_type.strip().lower() == FORM_CONTENT_TYPE


def from_our_site(request: Request) -> bool:
    """Return whether a request is one that a page of ours may have sent, as far as browsers say."""
    # Browsers name the origin of every form. `null` is that of a page which hides its own; a
    # program that names none has no cookie of anybody's, and the token in the form decides.
    own = origin_of(get_site(request).settings.site.url)
    if any(origin != own for origin in request.headers.getlist("origin")):
        return False
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def expired(request: Request) -> Response:
    """Say that a form cannot be used."""
    return message_page(
        request,
        "This form has expired",
        "It was open for too long, or someone signed in or out in another window. Nothing was "
        "changed.",
        f"Go back, reload the page and try again. The address of this site is "
        f"{get_site(request).settings.site.url}.",
        status=403,
        alert=True,
    )
