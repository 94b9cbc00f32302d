"""What Oura sends along with a person who comes back: a code or an error."""

from __future__ import annotations

import re
from collections.abc import Mapping

from oura_pipeline.oura.responses import one_line
from oura_pipeline.people.failures import Declined, OuraAway, OuraRefused

# Of `access_denied`: nothing, or what the standard or a server says when the person said no.
_DECLINED = re.compile(
    r"|access[ _]denied\W*"
    r"|.*\b(?:user|owner|you)(?: or (?:the )?authorization server)?(?: ha(?:s|ve))? "
    r"(?:denied|declined|rejected|refused|cancell?ed)\b.*"
    r"|.*\b(?:denied|declined|rejected|refused|cancell?ed) by (?:the )?(?:resource )?"
    r"(?:end-)?(?:user|owner|you)\b.*",
    re.IGNORECASE,
)


def code_in(callback: Mapping[str, str]) -> str:
    """Return the code of a callback.

    Raises:
        SignInFailed: there is none.
    """
    error, said = callback.get("error"), error_in(callback)
    if error == "access_denied" and _DECLINED.fullmatch(
        one_line(callback.get("error_description", ""))
    ):
        raise Declined("You declined at Oura. Nothing is fetched and nothing was saved.")
    if error in ("server_error", "temporarily_unavailable"):
        raise OuraAway(
            f"Oura could not ask you at the moment. It says: “{said}”. Nothing was saved; please "
            "try again."
        )
    if error:
        raise OuraRefused(
            f"Oura sent you back with an error. It says: “{said}”. Nothing was saved; please sign "
            "in again, and tell the operator if that persists."
        )
    if not callback.get("code"):
        raise OuraRefused(
            "Oura sent you back without a code. Nothing was saved; please sign in again."
        )
    return callback["code"]


def error_in(callback: Mapping[str, str]) -> str:
    """Return the error of a callback as one short line, made of anybody's words."""
    if not callback.get("error"):
        return ""
    parts = (one_line(callback.get(name, "")) for name in ("error", "error_description"))
    return ": ".join(filter(None, parts))
