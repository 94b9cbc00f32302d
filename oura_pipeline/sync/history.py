"""Where a person's history ends: the day before which Oura has nothing of theirs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

from oura_pipeline.accounts.errors import AccountsBusy, UnknownPerson
from oura_pipeline.accounts.people import Person
from oura_pipeline.catalog.credentials import OuraError
from oura_pipeline.catalog.document_types import (
    DAILY_CARDIOVASCULAR_AGE,
    DAILY_RESILIENCE,
    DAILY_SLEEP,
    DAILY_SPO2,
    ENHANCED_TAG,
    RING_CONFIGURATION,
    SESSION,
    TAG,
    VO2_MAX,
    WORKOUT,
    DocumentType,
)
from oura_pipeline.ledger import Fetch
from oura_pipeline.oura.client import OuraClient
from oura_pipeline.oura.errors import ScopeNotGranted
from oura_pipeline.pipeline import Pipeline

# What a ring measures by day begins with the ring, and its first score with the first night.
MARGIN = timedelta(days=30)
# Small documents, which Oura sends of all years at once. Some need no ring.
_OTHERS = (WORKOUT, SESSION, TAG, ENHANCED_TAG)
_WITHOUT_NIGHTS = (DAILY_SPO2, DAILY_RESILIENCE, DAILY_CARDIOVASCULAR_AGE, VO2_MAX)
# Oura says 1970 of rings of which it does not know it; the first ring came in 2015.
_FIRST_RING = date(2014, 1, 1)


def learn_first_days(pipeline: Pipeline, people: Sequence[Person]) -> None:
    """Ask Oura, once for each person of whom it is not known, where their history ends.

    Of whom Oura does not answer, history goes back to the first day of the settings, as far as
    the next run, which asks again.
    """
    unknown = [person for person in people if person.first_day is None]
    with ThreadPoolExecutor(max_workers=pipeline.people_at_once) as pool:
        found = pool.map(lambda person: find_first_day(pipeline, person), unknown)
        for person, first_day in zip(unknown, found, strict=True):
            if first_day:
                pipeline.accounts.people.set_first_day([person.username], first_day)


def find_first_day(pipeline: Pipeline, person: Person) -> date | None:
    """Return the day before which Oura has nothing of a person; None: that cannot be known."""
    today = datetime.now(UTC).date()
    with suppress(OuraError, AccountsBusy, UnknownPerson):
        first = pipeline.settings.oura.history_start
        asked = _Beginning(pipeline.client(person.username), person, first, today).find()
        landed = pipeline.accounts.overview.first_landed(person.username)
        return min(asked, landed or asked) if asked else None
    return None


def forget_disproved(
    pipeline: Pipeline, people: Sequence[Person], fetches: Sequence[Fetch]
) -> None:
    """Forget the first day of people who have documents before it, so that it is asked for anew."""
    known = {person.username: person.first_day for person in people if person.first_day}
    disproved = {
        fetch.username
        for fetch in fetches
        if fetch.documents and fetch.username in known and fetch.day < known[fetch.username]
    }
    if disproved:
        pipeline.accounts.people.set_first_day(disproved, None)


class _Beginning:
    """The search for the first day of one person."""

    def __init__(self, client: OuraClient, person: Person, first: date, today: date) -> None:
        self._client = client
        self._person = person
        self._range = (first, today)

    def find(self) -> date | None:
        nights, rings = self._days(DAILY_SLEEP), self._rings()
        # Nothing else says since when there is heart rate, and a query for it covers 30 days only.
        if not nights and (rings is None or None in rings):
            return None
        others = _OTHERS if nights is not None else (*_OTHERS, *_WITHOUT_NIGHTS)
        known = [*(nights or ()), *(day for day in rings or () if day)]
        known += [day for document_type in others for day in self._days(document_type) or ()]
        return min(known, default=self._range[1]) - MARGIN

    def _days(self, document_type: DocumentType) -> list[date] | None:
        """Return the days of which there are documents; None: they were not granted."""
        if not self._is_granted(document_type):
            return None
        with suppress(ScopeNotGranted):
            pages = list(self._client.documents(document_type, *self._range))
            odd = [document.day for page in pages for document in page.unusable if document.day]
            return odd + [document.day for page in pages for document in page.documents]
        return None

    def _rings(self) -> list[date | None] | None:
        """Return when rings were set up; None: that was not granted, or is not known of one."""
        if not self._is_granted(RING_CONFIGURATION):
            return None
        with suppress(ScopeNotGranted):
            return [
                _set_up(document.raw)
                for page in self._client.documents(RING_CONFIGURATION)
                for document in page.documents
            ]
        return None

    def _is_granted(self, document_type: DocumentType) -> bool:
        scopes = self._person.scopes
        return scopes is None or document_type.scope in scopes


def _set_up(ring: bytes) -> date | None:
    try:
        day = datetime.fromisoformat(json.loads(ring)["set_up_at"]).date()
    except (KeyError, TypeError, ValueError):
        return None
    return day if day >= _FIRST_RING else None
