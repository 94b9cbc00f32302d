"""Form-encoded bodies."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request


async def form(request: Request) -> dict[str, str]:
    """Return the fields of a form-encoded body, the last of each name; {} for another body."""
    return {name: values[-1] for name, values in (await form_lists(request)).items()}


async def form_lists(request: Request) -> dict[str, list[str]]:
    """Return all values of each field of a form-encoded body; {} for another body."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/x-www-form-urlencoded":
        return {}
    # Blank values count: the page's empty `granted` says that nothing was ticked.
    return parse_qs((await request.body()).decode(), keep_blank_values=True)
