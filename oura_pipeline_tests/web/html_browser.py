"""A browser without a screen: cookies, forms and links of real pages over real HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html.parser import HTMLParser
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

from oura_pipeline.oura.http import tls


@dataclass
class Form:
    """A form of a page, with its fields as they stand there."""

    action: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)


class Page:
    """A response: title, text, forms, and every element by its id; parsed when one is asked for."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response
        self.status = response.status_code
        self.html = response.text

    @cached_property
    def parsed(self) -> Parsed:
        """What stands in it; nothing where it is no HTML."""
        # Many pages are only passed through, and parsing takes longer than anything else here.
        parsed = Parsed(self.response.url.path)
        if "html" in self.response.headers.get("content-type", ""):
            parsed.feed(self.html)
        return parsed

    @property
    def title(self) -> str:
        """The title."""
        return self.parsed.title

    @property
    def forms(self) -> list[Form]:
        """Every form."""
        return self.parsed.forms

    @property
    def ids(self) -> dict[str, dict[str, str | None]]:
        """The attributes of every element that has an id, by it."""
        return self.parsed.ids

    @property
    def texts(self) -> dict[str, str]:
        """The text of every element that has an id, by it."""
        return self.parsed.texts

    @property
    def links(self) -> list[str]:
        """Where links lead."""
        return self.parsed.links

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join(" ".join(self.parsed.words).split())

    def text_of(self, element_id: str) -> str:
        """The text of the element with this id."""
        return " ".join(self.texts[element_id].split())

    def form(self, action: str) -> Form:
        """The first form that is sent there."""
        return next(form for form in self.forms if form.action == action)


class Parsed(HTMLParser):
    """What stands in a page."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path
        self.forms: list[Form] = []
        self.ids: dict[str, dict[str, str | None]] = {}
        self.texts: dict[str, str] = {}
        self.links: list[str] = []
        self.words: list[str] = []
        self.title = ""
        self._open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note forms, fields, ids and links."""
        named = dict(attrs)
        if named.get("id"):
            self.ids[named["id"] or ""] = named
            self.texts[named["id"] or ""] = ""
        if tag == "form":
            self.forms.append(Form(action=named.get("action") or self.path))
        elif tag == "a" and named.get("href"):
            self.links.append(named["href"] or "")
        elif tag == "input" and self.forms:
            self._note_field(named)
        if tag not in _WITHOUT_END:
            self._open.append((tag, named.get("id")))

    def handle_endtag(self, tag: str) -> None:
        """Close it and what was left open inside."""
        if tag in _WITHOUT_END:
            return
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Text belongs to everything that is open."""
        if any(tag in ("style", "script") for tag, _ in self._open):
            return
        if ("title", None) in self._open:  # of the page, or of a mark in a drawing
            self.title += "" if ("svg", None) in self._open else data
            return
        self.words.append(data)
        for _, element_id in self._open:
            if element_id:
                self.texts[element_id] += f" {data}"

    def _note_field(self, named: dict[str, str | None]) -> None:
        ticked = named.get("type") not in ("radio", "checkbox") or "checked" in named
        if named.get("name") and ticked:
            self.forms[-1].fields.append((named["name"] or "", named.get("value") or ""))


_WITHOUT_END = ("input", "meta", "link", "br", "circle", "path", "img", "hr")


class HtmlBrowser:
    """A person's browser at the site; `page` is what they see.

    Args:
        site: its address.
    """

    def __init__(self, site: str) -> None:
        self.http = httpx.Client(base_url=site, timeout=30, trust_env=False, verify=tls())
        self.site = site
        self.page: Page
        self.sent_to = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.http.close()

    @property
    def path(self) -> str:
        """Where they are."""
        return self.page.response.url.path

    def go(self, address: str, **headers: str) -> Page:
        """Open an address of the site and follow redirects within it."""
        return self._see(self.http.get(address, headers=headers))

    def send(self, action: str, **fields: str) -> Page:
        """Fill in the form of this page with that action, and send it."""
        # With the hidden fields of the page: a test must fail when the page lacks what the server
        # wants.
        values = dict(self.page.form(action).fields) | fields
        return self._see(self.http.post(action, data=values))

    def begin(self, invite: str | None = None) -> str:
        """Press Sign in, or Reconnect where that is offered; the address at Oura."""
        for address in ("/", "/me"):
            self.go(address)
            if any(form.action == "/signin" for form in self.page.forms):
                break
        else:
            self.send("/signout")
        self.send("/signin", **({} if invite is None else {"invite": invite}))
        return self.sent_to

    def consent(
        self, person: str, granted: Sequence[str] | None = None, decision: str = "approve"
    ) -> str:
        """Answer Oura's page; the address at the site to which that leads."""
        with httpx.Client(trust_env=False, verify=tls()) as oura:
            page = Page(oura.get(self.sent_to))
            (form,) = page.forms
            fields: dict[str, str | list[str]] = {
                name: text for name, text in form.fields if name != "granted"
            }
            asked = [text for name, text in form.fields if name == "granted"]
            ticked = asked if granted is None else ["", *granted]
            fields |= {"person": person, "decision": decision, "granted": ticked}
            answer = oura.post(urljoin(self.sent_to, form.action), data=fields)
        return str(answer.headers["location"])

    def sign_in(
        self, person: str, granted: Sequence[str] | None = None, invite: str | None = None
    ) -> Page:
        """All of it, up to the page that the site shows then."""
        self.begin(invite)
        return self.go(self.consent(person, granted))

    def join(self, person: str, username: str | None = None, invite: str | None = None) -> Page:
        """Sign in for the first time, and choose a username."""
        self.sign_in(person, invite=invite)
        return self.send("/welcome", username=username or person)

    def _see(self, response: httpx.Response) -> Page:
        while response.is_redirect:
            address = urljoin(str(response.url), response.headers["location"])
            if urlsplit(address).netloc != urlsplit(self.site).netloc:
                self.sent_to = address
                break
            response = self.http.get(address)
        self.page = Page(response)
        return self.page
