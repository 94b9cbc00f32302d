"""The page where one picks a person and ticks scopes: plain HTML, one form, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from oura_pipeline.sandbox.catalog import names
from oura_pipeline.sandbox.store import PersonData

# Unlike any page of Oura's, on purpose: whoever sees it in the demo must not take it for the real
# one. The band at the top says so on every page.
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2330; --soft: #545d70; --line: #8a92a3; --back: #f3f1ec;
  --card: #fff; --deed: #5b3fa0; --on-deed: #fff; --mark: #ffe9a8; --on-mark: #4a3500 }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef3; --soft: #adb5c5; --line: #6b7487;
  --back: #14161c; --card: #1e222b; --deed: #c3b1f5; --on-deed: #20153d; --mark: #4a3a10;
  --on-mark: #ffe9a8 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--ink);
  font: 1rem/1.5 system-ui, "Segoe UI", "Liberation Sans", sans-serif }
.sandbox { margin: 0; padding: .5rem 1rem; background: var(--mark); color: var(--on-mark);
  text-align: center; font-weight: 600 }
main { max-width: 44rem; margin: 1.5rem auto; padding: 0 1rem 2rem }
h1 { font-size: 1.75rem; line-height: 1.2; margin: 0 0 .5rem }
p { margin: 0 0 1rem; color: var(--soft) }
b { color: var(--ink) }
fieldset { border: 1px solid var(--line); border-radius: 12px; margin: 0 0 1rem; padding: 1rem;
  background: var(--card); display: grid; gap: .25rem .75rem; min-width: 0;
  grid-template-columns: repeat(auto-fill, minmax(min(12rem, 45%), 1fr)) }
legend { font-weight: 600; padding: 0 .4rem }
label { display: flex; gap: .6rem; align-items: center; min-height: 2.75rem; padding: .25rem .5rem;
  border-radius: 8px; cursor: pointer; overflow-wrap: anywhere }
label:hover { background: var(--back) }
label span { display: block; line-height: 1.25 }
small { display: block; color: var(--soft); font-size: .875rem }
input { width: 1.15rem; height: 1.15rem; flex: none; margin: 0; accent-color: var(--deed) }
.answer { display: flex; flex-wrap: wrap; gap: .75rem }
button { font: inherit; font-weight: 600; padding: .65rem 1.75rem; border-radius: 10px;
  border: 2px solid var(--deed); background: var(--deed); color: var(--on-deed); cursor: pointer }
button.no { background: transparent; color: var(--deed) }
:focus-visible { outline: 3px solid var(--deed); outline-offset: 2px }
@media (max-width: 30rem) { button { flex: 1 } fieldset { padding: .5rem } }
"""
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<header><p class="sandbox">This is a sandbox, not Oura. The people are synthetic.</p></header>
<main>
{main}
</main>
</body>
</html>
"""
_FORM = """<h1>Sandbox: sign in with Oura</h1>
<p>The application <b>{client}</b> asks to see your data.</p>
<form method="post" action="{path}">
{hidden}
<fieldset><legend>Who are you?</legend>
{people}
</fieldset>
<fieldset><legend>What may it see?</legend>
{scopes}
</fieldset>
<div class="answer">
<button name="decision" value="approve">Allow</button>
<button class="no" name="decision" value="deny">Deny</button>
</div>
</form>"""
_PROBLEM = """<h1>Sandbox: this sign-in cannot begin</h1>
<p>{problem}</p>
<p>The application sent a wrong request. Nobody is sent back to it.</p>"""
_KEPT = names(
    "client_id redirect_uri response_type scope state prompt code_challenge code_challenge_method"
)


def consent_page(
    people: Sequence[PersonData],
    parameters: Mapping[str, str],
    scopes: list[str],
    *,
    path: str,
    picked: str,
) -> str:
    """Return the page's HTML, with the application's parameters in hidden fields.

    Someone, whose username is `picked`, is always picked, so that the form cannot be sent without.
    """
    # The form must carry them: the address it posts to has no query of its own.
    hidden = [
        f'<input type="hidden" name="{name}" value="{escape(parameters[name])}">'
        for name in _KEPT
        if name in parameters
    ]
    # Nothing ticked sends no `granted` at all; the empty one makes that mean nothing, not all.
    hidden.append('<input type="hidden" name="granted" value="">')
    form = _FORM.format(
        path=path,
        client=escape(parameters["client_id"]),
        hidden="\n".join(hidden),
        people="\n".join(_person(data, picked) for data in people),
        scopes="\n".join(_scope(scope) for scope in scopes),
    )
    return _PAGE.format(title="Sandbox: sign in with Oura", style=_STYLE, main=form)


def problem_page(problem: str) -> str:
    """Return the HTML that says why nobody can be sent back to the application."""
    main = _PROBLEM.format(problem=escape(problem))
    return _PAGE.format(title="Sandbox: error", style=_STYLE, main=main)


def _person(data: PersonData, picked: str) -> str:
    name = escape(data.person.username)
    zone = escape(data.person.zone_name.replace("_", " ")).replace("/", "/<wbr>")
    checked = " checked" if data.person.username == picked else ""
    radio = f'<input type="radio" name="person" value="{name}"{checked}>'
    return f"<label>{radio} <span>{name} <small>{zone}</small></span></label>"


def _scope(scope: str) -> str:
    box = f'<input type="checkbox" name="granted" value="{scope}" checked>'
    return f"<label>{box} <span>{scope.replace('_', ' ')}</span></label>"
