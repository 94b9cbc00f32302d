"""THE TABLE of rights: who may do what at the site, and what everybody else is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Caller(StrEnum):
    """Somebody who sends a request."""

    NOBODY = "nobody"
    OWN = "a person"
    OTHER = "another person"
    STALE = "a person who signed in eleven minutes ago"
    ENDED = "a copy of a cookie whose session has ended"
    OPERATOR = "the operator's browser"
    BY_PROXY = "an operator whom the proxy names"
    LIAR = "somebody who names an operator, without the proxy's secret"
    TOKEN = "a program with the operator's token"
    WRONG_TOKEN = "a program with another token"


EVERYBODY = frozenset(Caller)
PEOPLE = frozenset({Caller.OWN, Caller.OTHER, Caller.STALE})
RECENT = PEOPLE - {Caller.STALE}

Answer = tuple[int, str | None]  # a status, and where it leads
OK: Answer = (200, None)
FRONT: Answer = (303, "/")
OPERATOR_ONLY: Answer = (303, "/operator")
SIGN_IN_AGAIN: Answer = (403, None)
NO_TOKEN: Answer = (401, None)


@dataclass(frozen=True, kw_only=True)
class Right:
    """What one method of one address gives.

    Attributes:
        who: may have it.
        granted: what they are answered; another page is `(303, its path)`.
        refused: what everybody else is answered.
        others: who is answered something else than that.
        form: whether it is a form of ours, and so needs the token of the session and our origin.
        fields: of the form, or the JSON.
        query: of the address.
        changes: whether it changes something for whoever may have it.
    """

    who: frozenset[Caller] = EVERYBODY
    granted: Answer = OK
    refused: Answer = FRONT
    others: Mapping[Caller, Answer] = field(default_factory=dict)
    form: bool = False
    fields: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    changes: bool = False

    def answer_to(self, caller: Caller) -> Answer:
        """Return what the caller is to be answered."""
        if caller in self.others:
            return self.others[caller]
        return self.granted if caller in self.who else self.refused


_OPERATOR = frozenset({Caller.OPERATOR, Caller.BY_PROXY})
_WRONG_TOKEN = {Caller.WRONG_TOKEN: NO_TOKEN}
_AT_OURA = (303, "at Oura")


def _api(granted: Answer = OK, **more: object) -> Right:
    who = frozenset({Caller.TOKEN})
    return Right(who=who, granted=granted, refused=NO_TOKEN, **more)  # type: ignore[arg-type]


# `{username}` is another person than whose session asks, `{name}` a dashboard. HEAD is as GET where
# the site has pages.
RIGHTS: Mapping[tuple[str, str], Right] = {
    # Machines.
    ("GET", "/webhook"): Right(who=frozenset(), refused=NO_TOKEN),
    ("POST", "/webhook"): Right(who=frozenset(), refused=NO_TOKEN),
    ("GET", "/health"): Right(),
    ("GET", "/ready"): Right(others=_WRONG_TOKEN),
    ("GET", "/metrics"): Right(others=_WRONG_TOKEN),
    ("GET", "/api/openapi.json"): Right(),
    ("POST", "/api/connect"): _api(changes=True),
    ("GET", "/api/people"): _api(),
    ("GET", "/api/people/{username}/status"): _api(),
    ("GET", "/api/people/{username}/daily"): _api(query="date=2026-01-01"),
    ("POST", "/api/people/{username}/sync"): _api((202, None), changes=True),
    ("GET", "/api/studies"): _api(),
    ("PUT", "/api/studies/{study}"): _api(changes=True),
    # Of a study that there is not.
    ("GET", "/api/studies/{study}/participants"): _api((404, None)),
    ("PUT", "/api/studies/{study}/participants/{username}"): _api((404, None)),
    ("POST", "/api/studies/{study}/participants/{username}/withdraw"): _api((404, None)),
    # Everybody.
    ("GET", "/static/site.css"): Right(),
    ("GET", "/"): Right(),
    ("GET", "/farewell"): Right(),
    ("GET", "/signin"): Right(granted=FRONT),
    ("POST", "/signin"): Right(granted=_AT_OURA, form=True, changes=True),
    ("GET", "/oauth/callback"): Right(granted=(400, None), query="code=c&state=made-up"),
    ("GET", "/welcome"): Right(who=PEOPLE, granted=(303, "/me"), refused=FRONT),
    ("POST", "/welcome"): Right(granted=(303, "/me"), form=True, fields={"username": "mallory"}),
    ("POST", "/signout"): Right(granted=FRONT, form=True, changes=True),
    ("POST", "/signout/everywhere"): Right(granted=FRONT, form=True, changes=True),
    # People.
    ("GET", "/me"): Right(who=PEOPLE),
    ("GET", "/me/data.zip"): Right(who=RECENT, others={Caller.STALE: SIGN_IN_AGAIN}),
    ("GET", "/me/delete"): Right(who=RECENT, others={Caller.STALE: SIGN_IN_AGAIN}),
    ("POST", "/me/delete"): Right(
        who=RECENT,
        granted=(303, "/farewell"),
        others={Caller.STALE: SIGN_IN_AGAIN},
        form=True,
        fields={"username": "{own}"},
        changes=True,
    ),
    ("GET", "/me/bring"): Right(who=RECENT, others={Caller.STALE: SIGN_IN_AGAIN}),
    # No file, and so no form of ours; with one it is tried in `web/pages/test_bring.py`.
    ("POST", "/me/bring"): Right(
        who=RECENT, granted=(403, None), others={Caller.STALE: SIGN_IN_AGAIN}
    ),
    ("GET", "/me/sync"): Right(who=PEOPLE),
    ("POST", "/me/sync"): Right(who=PEOPLE, granted=(303, "/me"), form=True, changes=True),
    ("POST", "/me/disconnect"): Right(who=PEOPLE, granted=(303, "/me"), form=True, changes=True),
    # People, and the operator.
    ("GET", "/dashboards"): Right(who=PEOPLE | _OPERATOR),
    ("GET", "/dashboards/{name}"): Right(who=PEOPLE | _OPERATOR),
    # The operator.
    ("GET", "/operator"): Right(others=dict.fromkeys(_OPERATOR, (303, "/status"))),
    ("POST", "/operator"): Right(granted=(401, None), form=True, fields={"token": "a guess"}),
    ("GET", "/status"): Right(who=_OPERATOR, refused=OPERATOR_ONLY),
    ("GET", "/status/invite"): Right(granted=(303, "/status")),
    ("POST", "/status/invite"): Right(
        who=_OPERATOR, refused=OPERATOR_ONLY, form=True, changes=True
    ),
    ("POST", "/status/signout"): Right(
        who=_OPERATOR,
        granted=(303, "/status"),
        refused=OPERATOR_ONLY,
        form=True,
        fields={"username": "{other}"},
        changes=True,
    ),
    ("POST", "/status/studies"): Right(
        who=_OPERATOR,
        granted=(303, "/status"),
        refused=OPERATOR_ONLY,
        form=True,
        fields={"study": "nap"},
        changes=True,
    ),
    # In a study that there is not.
    ("POST", "/status/participants"): Right(
        who=_OPERATOR,
        granted=(422, None),
        refused=OPERATOR_ONLY,
        form=True,
        fields={"study": "none", "person": "{other}", "consent": "1"},
    ),
    ("POST", "/status/withdrawals"): Right(
        who=_OPERATOR,
        granted=(422, None),
        refused=OPERATOR_ONLY,
        form=True,
        fields={"study": "none", "person": "{other}"},
    ),
}
