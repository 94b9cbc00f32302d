"""What nobody maintains any more comes in by no plain installation."""

from __future__ import annotations

import re
from importlib.metadata import distribution

from packaging.requirements import Requirement

from oura_pipeline_tests.testing.paths import ROOT

# graphite-web 1.1.10 wants a Django whose support ended in 2021, and carbon a Twisted of its time.
OLD = {"django", "django-tagging", "graphite-web", "carbon", "whisper", "twisted", "gunicorn"}


def plain_name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def installed_with(name: str) -> set[str]:
    """Whatever a plain `pip install` of a distribution brings, by what is installed here."""
    found: set[str] = set()
    waiting = {plain_name(name)}
    while waiting:
        one = waiting.pop()
        found.add(one)
        wanted = map(Requirement, distribution(one).requires or ())
        # With no extra at all; those of dependencies, as in `psycopg[binary]`, count as wanted.
        waiting |= {
            plain_name(requirement.name)
            for requirement in wanted
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        } - found
    return found


def test_a_plain_installation_has_nothing_unmaintained() -> None:
    """Neither the project nor what it needs names it."""
    found = installed_with("oura_pipeline")
    assert {"dagster", "duckdb", "starlette"} < found
    assert found & OLD == set()


def test_no_extra_has_it_either() -> None:
    """The lock is of all of them; that of the Graphite goes into an environment of its own."""
    name = re.compile(r"^([A-Za-z0-9_.-]+)==", re.MULTILINE)
    everything = {
        plain_name(found) for found in name.findall((ROOT / "requirements.lock").read_text("utf-8"))
    }
    own = ROOT / "deploy" / "graphite" / "requirements.lock"
    assert everything & OLD == set()
    assert {plain_name(found) for found in name.findall(own.read_text("utf-8"))} > OLD - {"whisper"}
