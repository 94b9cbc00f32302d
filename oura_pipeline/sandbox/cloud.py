"""The state behind every route: people and their data, grants, limits, faults, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal, get_type_hints

import httpx
import msgspec
from starlette.requests import Request

from oura_pipeline.sandbox.catalog import names
from oura_pipeline.sandbox.clock import Clock
from oura_pipeline.sandbox.faults import Faults
from oura_pipeline.sandbox.generate.life import Life
from oura_pipeline.sandbox.grants import Grants
from oura_pipeline.sandbox.limits import Limit, Limits
from oura_pipeline.sandbox.pages import Pages
from oura_pipeline.sandbox.people import Person, awkward_people, synthetic_people
from oura_pipeline.sandbox.replay import recorded_people
from oura_pipeline.sandbox.responses import Refused, bad_request
from oura_pipeline.sandbox.store import PersonData
from oura_pipeline.sandbox.times import at
from oura_pipeline.sandbox.webhooks import Webhooks

Portal = Literal["legacy", "new", "both"]
Pkce = Literal["optional", "required", "ignored"]
# What may be changed while the sandbox runs, because every request reads it anew.
CHANGEABLE = names(
    "redirect_uris portal sample_rows document_rows access_seconds pkce callback_scope token_scope"
    " scope_prefix id_token reuse_grant expiration_decimals expires_in lapsed_status lapsed_detail"
)


@dataclass(frozen=True, kw_only=True)
class SandboxOptions:
    """What a sandbox is started with."""

    people: int = 5
    # Whether there are five more, whose nights come twice or overlap, who fly to Tokyo, live in
    # UTC or have a new ring (see `people.py`).
    awkward: bool = False
    days: int = 90
    seed: int = 1
    # The last day, whose noon (local) is "now" for everyone; without it the data ends today.
    end: date | None = None
    # Whether heart rate and battery come in the shape of live rows of 2026: a time with Z and
    # milliseconds, a `producer_timestamp`, and a `timestamp_unix` that is 0 or absent.
    live_rows: bool = False
    # Of heart rate and battery only every so manieth row: for tests that sync again and again.
    thin: int = 1
    # A folder of recorded answers to serve instead of synthetic people.
    replay: Path | None = None
    client_id: str = "sandbox"
    client_secret: str = "sandbox-secret"  # noqa: S105  everyone may know it
    # The registered addresses, matched exactly; with none registered any will do.
    redirect_uris: tuple[str, ...] = ()
    # REQUESTS/SECONDS, per token and per application. The one number that Oura ever published.
    rate_limit: str = "5000/300"
    app_rate_limit: str = "5000/300"
    portal: Portal = "both"
    # Rows per page: 1000 was counted on heartrate in 2026. Documents never came in more than one
    # page, not even 2141 of them, but a client must follow `next_token` all the same.
    sample_rows: int = 1000
    document_rows: int = 5000
    # The time over which the ten retries of a delivery are spread, and that for one answer: both
    # as in Oura's own description.
    webhook_retry_seconds: float = 3600.0
    webhook_timeout_seconds: float = 10.0
    # A day was the practice until 2026, when 30 days were seen: clients must obey `expires_in`.
    access_seconds: int = 86400
    # JSON that the answer has for `expires_in` in place of the truth, or `absent`.
    expires_in: str = ""
    # What a lapsed membership gets: 403 is documented, and 401 with `expired_oura_membership`
    # was reported.
    lapsed_status: int = 403
    lapsed_detail: str = "Forbidden"
    # Whether a PKCE challenge may be left out, must be there, or is not looked at.
    pkce: Pkce = "optional"
    # Whether the callback and the token response name the granted scopes, and what stands before
    # each name: all of it differed between Oura's portals and years.
    callback_scope: bool = True
    token_scope: bool = True
    scope_prefix: str = "extapi:"
    id_token: bool = True
    # Whether a second consent quietly keeps the scopes of a grant that is still valid.
    reuse_grant: bool = False
    # Decimals of a subscription's `expiration_time`: up to nine were seen, more than Python reads.
    expiration_decimals: int = 6

    def changed(self, wanted: Mapping[str, Any]) -> SandboxOptions:
        """Return these options with other values. Raise `Refused` (400) for unchangeable ones."""
        if unknown := sorted(set(wanted) - set(CHANGEABLE)):
            raise bad_request(f"{', '.join(unknown)}: only {', '.join(CHANGEABLE)} can be changed")
        types = get_type_hints(SandboxOptions)
        try:
            values = {name: msgspec.convert(value, types[name]) for name, value in wanted.items()}
        except msgspec.ValidationError as error:
            raise bad_request(str(error)) from None
        return replace(self, **values)


@dataclass
class Cloud:
    """One running sandbox."""

    options: SandboxOptions
    clock: Clock
    people: dict[str, PersonData]
    grants: Grants
    limits: Limits
    faults: Faults
    webhooks: Webhooks
    pages: Pages = field(default_factory=Pages)
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    # Whose consent was recorded before they could give any.
    empty_grants: set[str] = field(default_factory=set)

    @classmethod
    def build(cls, options: SandboxOptions, http: httpx.AsyncClient) -> Cloud:
        """Return a cloud with nobody signed in."""
        if min(options.people, options.days, options.thin) < 1:
            raise ValueError(
                "a sandbox needs at least one person and one day, and thin is 1 or more"
            )
        clock = Clock(options.end)
        return cls(
            options=options,
            clock=clock,
            people={h.person.username: h for h in _people_data(options, clock)},
            grants=Grants(clock),
            limits=Limits(
                clock, Limit.parse(options.rate_limit), Limit.parse(options.app_rate_limit)
            ),
            faults=Faults(clock, options.seed),
            webhooks=Webhooks(
                clock=clock,
                http=http,
                secret=options.client_secret,
                retry_seconds=options.webhook_retry_seconds,
                timeout_seconds=options.webhook_timeout_seconds,
            ),
        )

    def person_data(self, username: str) -> PersonData:
        """Return what the sandbox has about a person. Raises `Refused` (404) for a stranger."""
        if username not in self.people:
            known = ", ".join(self.people)
            raise Refused(404, {"detail": f"there is no person {username!r}; known are: {known}"})
        return self.people[username]


def cloud_of(request: Request) -> Cloud:
    """Return the cloud that answers this request."""
    cloud: Cloud = request.app.state.cloud
    return cloud


def _people_data(options: SandboxOptions, clock: Clock) -> list[PersonData]:
    if options.replay is not None:
        return recorded_people(options.replay, seed=options.seed)
    people = synthetic_people(options.people, seed=options.seed)
    more = awkward_people(seed=options.seed) if options.awkward else []
    return [_synthetic(person, options, clock) for person in (*people, *more)]


def _synthetic(person: Person, options: SandboxOptions, clock: Clock) -> PersonData:
    if options.end is None:
        # The last day is that of UTC+14, the earliest zone. A person further west has no data of
        # a day that has not begun for them: everything generated ends at `now`.
        now = int(clock.now())
        last = date.fromordinal(date(1970, 1, 1).toordinal() + (now + 14 * 3600) // 86400)
    else:
        last = options.end
        now = at(last, 12, person.zone_on(last))
    worn = min(options.days, 21) if "newcomer" in person.habits else options.days
    first = last - timedelta(days=worn - 1)
    life = Life(person, first, now, options.seed)
    return PersonData(person, life=life, live_rows=options.live_rows, thin=options.thin)
