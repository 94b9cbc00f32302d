"""The page where one picks a person and ticks scopes: plain HTML, one form, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from oura_pipeline.sandbox.store import Holdings

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Sandbox: sign in with Oura</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 sans-serif; max-width: 32rem; margin: 2rem auto; padding: 0 1rem }}
fieldset {{ border: 1px solid #bbb; border-radius: 6px; margin: 1rem 0 }}
label {{ display: block }}
button {{ font: inherit; padding: .4rem 1.2rem; margin-right: .5rem }}
</style></head>
<body>
<h1>Sign in with Oura</h1>
<p>This is a sandbox: the people are invented. <b>{client}</b> asks to see data.</p>
<form method="post" action="/oauth/authorize">
{hidden}
<fieldset><legend>Who are you?</legend>
{people}
</fieldset>
<fieldset><legend>What may it see?</legend>
{scopes}
</fieldset>
<button name="decision" value="approve">Allow</button>
<button name="decision" value="deny">Deny</button>
</form>
</body></html>
"""
_KEPT = (
    "client_id",
    "redirect_uri",
    "response_type",
    "scope",
    "state",
    "code_challenge",
    "code_challenge_method",
)


def consent_page(people: Sequence[Holdings], asked: Mapping[str, str], scopes: list[str]) -> str:
    """The HTML, with what the application asked for kept in hidden fields."""
    hidden = [
        f'<input type="hidden" name="{name}" value="{escape(asked[name])}">'
        for name in _KEPT
        if name in asked
    ]
    # Nothing ticked sends no `granted` at all; the empty one makes that mean nothing, not all.
    hidden.append('<input type="hidden" name="granted" value="">')
    return _PAGE.format(
        client=escape(asked["client_id"]),
        hidden="\n".join(hidden),
        people="\n".join(_person(held, first=n == 0) for n, held in enumerate(people)),
        scopes="\n".join(_scope(scope) for scope in scopes),
    )


def _person(held: Holdings, *, first: bool) -> str:
    name, zone = escape(held.person.username), escape(held.person.zone_name)
    checked = " checked" if first else ""
    radio = f'<input type="radio" name="person" value="{name}"{checked}>'
    return f"<label>{radio} {name} <small>({zone})</small></label>"


def _scope(scope: str) -> str:
    box = f'<input type="checkbox" name="granted" value="{scope}" checked>'
    return f"<label>{box} {scope}</label>"
