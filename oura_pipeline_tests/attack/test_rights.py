"""Every address × every method × everybody: the answer is that of the table of rights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from starlette.routing import BaseRoute

from oura_pipeline.web.app import create_app
from oura_pipeline.web.site import open_site
from oura_pipeline_tests.attack.callers import CSRF, OTHER, OWN, Arena
from oura_pipeline_tests.attack.effort import LONG
from oura_pipeline_tests.attack.rights import RIGHTS, Caller, Right

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
ADDRESSES = sorted({path for _, path in RIGHTS})
FORMS = [way for way, right in RIGHTS.items() if right.form]
EVIL = "https://evil.example"
# Of a form that one of our pages did not send.
FORGED: Mapping[str, Mapping[str, Any]] = {
    "no token": {"data": {"username": OWN}},
    "an empty token": {"data": {"csrf": "", "username": OWN}},
    "somebody else's token": {"data": {"csrf": "x" + CSRF, "username": OWN}},
    "a token in the address": {"data": {"username": OWN}, "params": {"csrf": CSRF}},
    "another site's page": {"more": {"Origin": EVIL}},
    "a page that hides": {"more": {"Origin": "null"}},
    "another port of this machine": {"more": {"Origin": "http://127.0.0.1:1"}},
    "https": {"more": {"Origin": "https://127.0.0.1"}},
    "two origins": {"more": {"Origin": f"{EVIL} http://127.0.0.1"}},
    "another site": {"more": {"Sec-Fetch-Site": "cross-site"}},
    "a neighbour": {"more": {"Sec-Fetch-Site": "same-site"}},
    "JSON": {"json": {"csrf": CSRF, "username": OWN}, "data": None},
    "no type": {"content": f"csrf={CSRF}", "data": None},
    "multipart": {"data": {"csrf": CSRF}, "files": {"file": b"x"}},
}


def routes_of(routes: Sequence[BaseRoute], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every method and address that an application knows; what is no route is `* address`."""
    for route in routes:
        path = prefix + getattr(route, "path", "")
        inside = getattr(route, "routes", None)
        if inside is None and hasattr(route, "original_router"):
            inside = route.original_router.routes
        if inside:
            yield from routes_of(inside, path)
        elif methods := getattr(route, "methods", None):
            yield from ((method, path) for method in methods - {"HEAD"})
        else:
            yield "*", path


def test_every_address_has_a_row(made: Arena) -> None:
    """A new one has to say whose it is."""
    with open_site(made.site.settings) as site:
        found = set(routes_of(create_app(site).routes))
    whole = {path for method, path in found if method == "*"}
    assert whole == {"/webhook", "/static"}
    stand = {way for way in RIGHTS if not way[1].startswith(tuple(whole))}
    assert {way for way in found if way[0] != "*"} == stand


@pytest.mark.parametrize("path", ADDRESSES)
def test_everybody_is_answered_what_the_table_says(made: Arena, path: str) -> None:
    """Who may not have it changes nothing, and nobody sees anybody else."""
    for (method, address), right in RIGHTS.items():
        for caller in Caller:
            if address == path:
                check_caller(made, method, path, right, caller)


def check_caller(made: Arena, method: str, path: str, right: Right, caller: Caller) -> None:
    made.headers(Caller.OTHER)  # who has a session that can be ended
    headers = made.headers(caller)
    before = made.state()
    response = made.send(method, path, right, headers)
    what = f"{method} {path} by {caller}"
    assert made.answer(response) == right.answer_to(caller), what
    assert "access-control-allow-origin" not in response.headers, what
    changed = {table for table, rows in made.state().items() if rows != before[table]}
    if caller in right.who and right.changes:
        assert changed or path.startswith("/signout"), what
    else:
        assert changed - swept(caller) == set(), what
    if changed:
        made.restore()
    shown = {name for name in (OWN, OTHER) if name in response.text}
    assert shown <= visible(caller), what


def swept(caller: Caller) -> set[str]:
    """What is tidied up for a browser whose session has ended: the row of that, which is gone."""
    return {"sessions"} if caller is Caller.ENDED else set()


def visible(caller: Caller) -> set[str]:
    """Whose names a caller may be shown."""
    match caller:
        case Caller.OWN | Caller.STALE:
            return {OWN}
        case Caller.OTHER:
            return {OTHER}
        case Caller.OPERATOR | Caller.BY_PROXY | Caller.TOKEN:
            return {OWN, OTHER}
    return set()


@pytest.mark.parametrize("way", FORMS, ids=" ".join)
def test_a_form_from_elsewhere_changes_nothing(made: Arena, way: tuple[str, str]) -> None:
    """Whoever's browser sends it."""
    made.restore()
    for caller in Caller if LONG else (most_rights(way[1]),):
        headers = made.headers(caller)
        before = made.state()
        for kind, changes in FORGED.items():
            given = dict(changes)
            more = headers | given.pop("more", {})
            response = made.send(*way, RIGHTS[way], more, **given)
            assert (made.answer(response), made.state()) == ((403, None), before), (caller, kind)


@pytest.mark.parametrize("path", ADDRESSES)
def test_other_methods_are_refused(made: Arena, path: str) -> None:
    """HEAD is as GET where there are pages; nothing else is anything, by whatever header."""
    override = {"X-HTTP-Method-Override": "POST", "X-Method-Override": "DELETE"}
    for caller in Caller if LONG else (most_rights(path),):
        headers = made.headers(caller) | override
        before = made.state()
        for method in METHODS:
            if (method, path) in RIGHTS:
                continue
            right = head(method, path)
            answer = made.answer(made.send(method, path, right or Right(form=True), headers))
            refused = ((404, None), (405, None))
            assert answer in ((right.answer_to(caller),) if right else refused), (method, caller)
        assert made.state() == before, caller


def most_rights(path: str) -> Caller:
    """Who has most to lose at an address."""
    if path.startswith("/api/"):
        return Caller.TOKEN
    return Caller.OPERATOR if path.startswith(("/status", "/operator")) else Caller.OWN


def head(method: str, path: str) -> Right | None:
    """The row of GET, where HEAD is the same without a body."""
    alone = path == "/webhook" or (path.startswith("/api/") and path != "/api/openapi.json")
    return None if method != "HEAD" or alone else RIGHTS.get(("GET", path))


def test_a_foreign_name_gets_nothing(made: Arena) -> None:
    """By any method, whoever's cookie comes along."""
    made.restore()
    for caller in Caller if LONG else (Caller.OWN, Caller.OPERATOR, Caller.TOKEN):
        headers = made.headers(caller) | {"Host": "evil.example"}
        before = made.state()
        for (method, path), right in RIGHTS.items():
            response = made.send(method, path, right, headers)
            assert (response.status_code, "set-cookie" in response.headers) == (421, False)
        assert made.state() == before


def test_what_is_nowhere_is_nowhere(made: Arena) -> None:
    """Not found, and never an error of ours."""
    made.restore()
    headers = made.headers(Caller.OWN)
    for path in NOWHERE:
        response = made.http.get(path, headers=headers)
        assert response.status_code in (400, 404), path
        assert response.headers["x-frame-options"] == "DENY", path


NOWHERE = (
    *("/admin", "/.env", "/me/", "/me/delete/", "/ME", "/me%00", "/static/", "/static"),
    *("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2f..%2fsettings.py", "/%2e%2e/"),
    *("/static/%2fetc/passwd", "/static/site.css%00.html", "/api", "/api/", "/api/people/"),
    *("/api/people/adalbert", "/api/people/..%2f/status", "/me/data.zip/x", "/%ff%fe", "/\\me"),
)
