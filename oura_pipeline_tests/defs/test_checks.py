"""What the check of who landed says of which days, and what a run for some people leaves unsaid."""

from __future__ import annotations

from datetime import UTC, date, datetime
from urllib.parse import parse_qs, urlsplit

import dagster as dg
import yaml  # type: ignore[import-untyped]  # Dagster brings it, without types

from oura_pipeline.days import days_between
from oura_pipeline.defs.ask_again import MAX_NAMED
from oura_pipeline.defs.check_results import as_one
from oura_pipeline.defs.checks import every_person_landed, of_everybody
from oura_pipeline.ledger import Fetch, FetchStatus

KEY = dg.AssetKey(["oura", "sleep"])
IDS = {"ada": "p-aaaaaa", "bob": "p-bbbbbb"}
DAYS = days_between(date(2026, 6, 4), date(2026, 6, 10))
SITE = "http://localhost:8000"


def fetch(username: str, day: int, status: FetchStatus, error: str | None = None) -> Fetch:
    return Fetch(
        username=username,
        document_type="sleep",
        day=date(2026, 6, day),
        status=status,
        documents=0,
        changed=0,
        error=error,
        run_id="a run",
        at=datetime(2026, 6, 10, tzinfo=UTC),
    )


FETCHES = [
    *(fetch("ada", day, FetchStatus.LANDED) for day in range(4, 11)),
    fetch("bob", 6, FetchStatus.FAILED, "Oura answered 503"),
    fetch("bob", 7, FetchStatus.FAILED, "Oura answered 503"),
    fetch("bob", 10, FetchStatus.NOT_GRANTED, "the scope daily is missing"),
    fetch("carl", 8, FetchStatus.FAILED, "of somebody who has left"),
]


def test_each_run_of_days_says_who_is_missing_and_why() -> None:
    """Days alike are one record; that somebody refuses is no error."""
    found = every_person_landed(KEY, FETCHES, IDS, SITE, DAYS)
    error, warning = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
    link = f"[p-bbbbbb]({SITE}/status#p-bbbbbb)"
    fetched = "Everybody's documents were fetched."
    assert [(one.partition, one.passed, one.description) for one in found] == [
        ("2026-06-04...2026-06-05", True, fetched),
        (
            "2026-06-06...2026-06-07",
            False,
            f"- {link}: Oura answered 503 (2026-06-06 to 2026-06-07)",
        ),
        ("2026-06-08...2026-06-09", True, fetched),
        ("2026-06-10", False, f"- {link}: the scope daily is missing (2026-06-10)"),
    ]
    assert [one.severity for one in found if not one.passed] == [error, warning]


def test_a_failure_leads_to_a_launchpad_that_asks_again() -> None:
    """Filled in with who and what failed; of what was refused nothing can be asked."""
    found = every_person_landed(KEY, FETCHES, IDS, SITE, DAYS)
    assert [one.partition for one in found if "ask_again" in one.metadata] == [
        "2026-06-06...2026-06-07"
    ]
    assert asked(found[1]) == (["p-bbbbbb"], "2026-06-06", "2026-06-07", ["sleep"])


def test_what_several_shards_say_has_one_link() -> None:
    """For all of their people and days; of more people than an address can name, for everybody."""
    bob, ada, most = (
        landed([fetch(username, day, FetchStatus.FAILED, "503") for username in usernames])
        for usernames, day in ((["bob"], 6), (["ada"], 7), (CROWD, 8))
    )
    both = ["p-aaaaaa", "p-bbbbbb"]
    assert asked(as_one([bob, ada])) == (both, "2026-06-06", "2026-06-07", ["sleep"])
    assert asked(as_one([ada, most])) == ([], "2026-06-07", "2026-06-08", ["sleep"])


CROWD = [f"u{number}" for number in range(MAX_NAMED + 1)]


def landed(fetches: list[Fetch]) -> dg.AssetCheckEvaluation:
    ids = IDS | {username: f"p-{username}" for username in CROWD}
    [found] = every_person_landed(KEY, fetches, ids, SITE, [fetches[0].day])
    return found


def asked(found: dg.AssetCheckEvaluation) -> tuple[list[str], str, str, list[str]]:
    """Whom and what the launchpad is filled in with: people, first and last day, types."""
    link = found.metadata["ask_again"]
    assert isinstance(link, dg.MarkdownMetadataValue)
    address = urlsplit(str(link.value).removeprefix("[launch `sync` for them](").removesuffix(")"))
    assert address.path == "/locations/oura_pipeline/jobs/sync/playground/setup"
    config = yaml.safe_load(parse_qs(address.query)["config"][0])
    work = config["ops"]["sync_documents"]["config"]
    people = config["resources"]["pipeline"]["config"]["people"]
    return people, work["first_day"], work["last_day"], work["document_types"]


def check(name: str, partition: str | None = None, *, passed: bool = True) -> str:
    one = dg.AssetCheckEvaluation(
        asset_key=KEY, check_name=name, passed=passed, metadata={}, partition=partition
    )
    left = of_everybody([one], for_some=True)
    assert of_everybody([one], for_some=False) == [one]
    return "said" if left == [one] else "unsaid"


def test_a_run_for_some_does_not_say_that_all_is_well_with_everybody() -> None:
    """What is wrong with them is; and who landed was looked up for everybody."""
    assert check("values_in_range", "2026-06-10") == "unsaid"
    assert check("points_arrived", "2026-06-10") == "unsaid"
    assert check("every_person_landed") == "unsaid"  # of a type without days
    assert check("every_person_landed", "2026-06-10") == "said"
    assert check("documents_usable") == "said"
    assert check("values_in_range", "2026-06-10", passed=False) == "said"
