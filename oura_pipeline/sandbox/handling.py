"""What every route does around its own work: count the request, draw its fault, answer refusals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response

from oura_pipeline.sandbox.cloud import cloud_of
from oura_pipeline.sandbox.faults import Fault
from oura_pipeline.sandbox.responses import Refused, error_response

Handler = Callable[[Fault | None], Awaitable[Response]]


async def respond(
    request: Request,
    handle: Handler,
    *,
    route: str,
    username: str | None = None,
    fault_route: str | None = None,
) -> Response:
    """Return what `handle` returns, or the refusal it raises, unless a fault comes between.

    `route` is the name that requests are counted under; `fault_route` that of faults, if another.
    """
    cloud = cloud_of(request)
    # Counted first: a request that fails counts too, for tests of how often a client tries.
    cloud.requests[route, username or "-"] += 1
    fault = cloud.faults.draw(fault_route or route, username)
    try:
        response = await cloud.faults.before(fault) or await handle(fault)
    except Refused as refused:
        response = error_response(request, refused)
    return cloud.faults.after(fault, response)
