"""What a form that was sent here must prove before anybody looks at its fields.

What surprises: browsers send `Origin: null` from pages that tell nobody where they come from, as
ours do. So that word proves nothing either way, and the token in the form decides.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from oura_pipeline.web.pages.templates import message, site_of
from oura_pipeline.web.sessions import csrf_matches

AS_BROWSERS_SEND = "application/x-www-form-urlencoded"
LARGEST_FORM = 16 * 1024
MOST_FIELDS = 20

Fields = Mapping[str, str]


def form_route(path: str, answer: Callable[[Request, Fields], Response]) -> Route:
    """The address of a form; `answer` runs in a thread, and only for forms that are ours."""
    return Route(path, _checked(answer), methods=["POST"], max_body_size=LARGEST_FORM)


def _checked(
    answer: Callable[[Request, Fields], Response],
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not _is_plain_form(request):
            return await run_in_threadpool(_refused, request)
        async with request.form(max_fields=MOST_FIELDS) as form:
            fields = {name: text for name, text in form.items() if isinstance(text, str)}
        if not _sent_from_here(request) or not csrf_matches(request, fields.get("csrf", "")):
            return await run_in_threadpool(_refused, request)
        return await run_in_threadpool(answer, request, fields)

    return endpoint


def _is_plain_form(request: Request) -> bool:
    """Whether it is encoded as our forms are; another encoding may name a character set."""
    kind, _, _ = request.headers.get("content-type", "").partition(";")
    return kind.strip().lower() == AS_BROWSERS_SEND


def _sent_from_here(request: Request) -> bool:
    """Whether the browser says so, as far as it says anything."""
    origin = request.headers.get("origin", "null")
    if origin not in ("null", site_of(request).settings.site.url):
        return False
    return request.headers.get("sec-fetch-site", "none") in ("none", "same-origin")


def _refused(request: Request) -> Response:
    return message(
        request,
        "This form has expired",
        "It was open for too long, or in another window somebody signed in or out. Nothing was "
        "changed.",
        f"Go back, load the page again and try once more. This site is at "
        f"{site_of(request).settings.site.url}.",
        status=403,
        alert=True,
    )
