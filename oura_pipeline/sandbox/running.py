"""A sandbox for the length of a `with` block, for tests and the demo."""

from __future__ import annotations

import secrets
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx

from oura_pipeline.sandbox.cloud import SandboxOptions
from oura_pipeline.sandbox.grants import pkce_challenge
from oura_pipeline.sandbox.server import create_app, listen, uvicorn_server, variables

Document = dict[str, Any]
_CALLBACK = "http://127.0.0.1/callback"


@dataclass(frozen=True)
class Sandbox:
    """A running sandbox, and short forms of what tests do with it.

    Every method raises `httpx.HTTPStatusError` when the sandbox refuses.
    """

    url: str
    options: SandboxOptions
    http: httpx.Client

    @property
    def usernames(self) -> list[str]:
        return [person["username"] for person in self.people()]

    def people(self) -> list[Document]:
        """Return everyone, with id, zone, habits, granted scopes and membership."""
        return list(self._json("GET", "people"))

    def sign_in(self, username: str, scopes: Sequence[str] | None = None) -> Document:
        """Return the token response of a real sign-in: consent, callback, code exchange.

        `scopes` is what the person grants, all by default.
        """
        options = self.options
        # Asked anew: a test may have registered another address meanwhile.
        redirect_uri = next(iter(self.change_options()["redirect_uris"]), _CALLBACK)
        verifier = secrets.token_urlsafe(32)
        parameters = {
            "response_type": "code",
            "client_id": options.client_id,
            "redirect_uri": redirect_uri,
            "state": secrets.token_hex(8),
            "code_challenge": pkce_challenge(verifier),
            "person": username,
            "decision": "approve",
        }
        granted = {} if scopes is None else {"granted": " ".join(scopes)}
        callback = self.http.post("/oauth/authorize", data={**parameters, **granted})
        answer = parse_qs(urlsplit(callback.headers["location"]).query)
        assert answer["state"] == [parameters["state"]]
        exchange = {
            "grant_type": "authorization_code",
            "code": answer["code"][0],
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_id": options.client_id,
            "client_secret": options.client_secret,
        }
        response = self.http.post(self.token_path, data=exchange)
        response.raise_for_status()
        return dict(response.json())

    @property
    def token_path(self) -> str:
        """The token endpoint of the portal this application belongs to."""
        new = self.change_options()["portal"] == "new"
        return "/oauth/v2/ext/oauth-token" if new else "/oauth/token"

    def variables(self) -> dict[str, str]:
        """Return the variables that point a pipeline at it."""
        return variables(self.url, self.options)

    def truth(
        self,
        username: str,
        collection: str,
        first: date | str | None = None,
        last: date | str | None = None,
    ) -> list[Document]:
        """Return `[{"day": …, "document": …}]` of the days `first` to `last`, both included.

        A spoiled one has its `way`, and what is `sent` for it in base64.
        """
        query = {"person": username, "type": collection}
        ends = {"from": str(first) if first else "", "to": str(last) if last else ""}
        return list(self._json("GET", "truth", params={**query, **ends}))

    def requests(self) -> dict[str, dict[str, int]]:
        """Return how many requests there were: `{route: {username: count}}`."""
        return dict(self._json("GET", "requests"))

    def reset_requests(self) -> None:
        self._json("DELETE", "requests")

    def revise(self, username: str, collection: str, **body: Any) -> Document:
        """Change a document (`id`, `day` or `timestamp`; `fields`; `new_id`; `notify`)."""
        return self._change("revise", username, collection, body)

    def delete(self, username: str, collection: str, **body: Any) -> Document:
        """Take a document away (`id`, `day` or `timestamp`; `notify`)."""
        return self._change("delete", username, collection, body)

    def add(self, username: str, collection: str, **body: Any) -> Document:
        """Add a document (`day`; `fields`; `notify`)."""
        return self._change("add", username, collection, body)

    def double(self, username: str, collection: str, **body: Any) -> Document:
        """Add a document a second time under another id (`id` or `day`; `fields`; `notify`)."""
        return self._change("double", username, collection, body)

    def spoil(self, username: str, collection: str, way: str, **body: Any) -> Document:
        """Spoil a document in a way of `spoils.SPOILS` (`id`, `day` or `timestamp`; `field`).

        Return the document, the field and what should become of it.
        """
        sent = {"person": username, "type": collection, "way": way, **_plain(body)}
        return dict(self._json("POST", "spoil", json=sent))

    def mend(self, username: str, collection: str, **body: Any) -> Document:
        """Let a spoiled document come right (`id`, `day` or `timestamp`)."""
        return self._change("mend", username, collection, body)

    def ways(self, username: str, collection: str, **body: Any) -> dict[str, list[str]]:
        """Return the ways to spoil a document (`id`, `day` or `timestamp`), and in which fields."""
        query = {"person": username, "type": collection, **_plain(body)}
        return dict(self._json("GET", "spoils", params=query))

    def fault(self, kind: str, **body: Any) -> Document:
        """Let something go wrong; the fields are those of `faults.Fault`."""
        return dict(self._json("POST", "fault", json={"kind": kind, **body}))

    def clear_faults(self) -> None:
        self._json("DELETE", "faults")

    def change_options(self, **options: Any) -> Document:
        """Change options (`cloud.CHANGEABLE`) and return all of these."""
        return dict(self._json("POST", "options", json=options))

    def event(self, username: str, data_type: str, **body: Any) -> Document:
        """Send a webhook event (`event_type`, `object_id`, `times`)."""
        sent = {"person": username, "data_type": data_type, **body}
        return dict(self._json("POST", "event", json=sent))

    def deliveries(self) -> list[Document]:
        """Return every webhook delivery with the statuses it got."""
        return list(self._json("GET", "deliveries"))

    def secrets(self) -> list[str]:
        """Return every code and token that was ever issued."""
        return list(self._json("GET", "secrets"))

    def change_person(self, username: str, **body: Any) -> Document:
        """Change `scopes`, `membership`, `begins`, or `revoke` all, access or refresh."""
        return dict(self._json("POST", f"people/{username}", json=_plain(body)))

    def forward(self, seconds: float) -> None:
        """Move the clocks forward: tokens expire, rate windows end."""
        self._json("POST", "clock", json={"seconds": seconds})

    def _change(self, kind: str, username: str, collection: str, body: Document) -> Document:
        sent = {"person": username, "type": collection, **_plain(body)}
        return dict(self._json("POST", kind, json=sent)["document"])

    def _json(self, method: str, path: str, **sent: Any) -> Any:
        answer = self.http.request(method, f"/_control/{path}", **sent)
        answer.raise_for_status()
        return answer.json()


@contextmanager
def running(options: SandboxOptions | None = None, *, process: bool = False) -> Iterator[Sandbox]:
    """Run a sandbox on a free port: in a thread of this process, or with `process` in a child."""
    options = options or SandboxOptions()
    server = _in_process(options) if process else _in_thread(options)
    # It speaks plain HTTP: there is no certificate to read all authorities for.
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with server as url, httpx.Client(base_url=url, timeout=60, trust_env=False, verify=tls) as http:
        sandbox = Sandbox(url, options, http)
        # The first answer: from here on the server is known to be up.
        sandbox.people()
        yield sandbox


@contextmanager
def _in_thread(options: SandboxOptions) -> Iterator[str]:
    app = create_app(options)
    with listen("127.0.0.1", 0) as listener:
        server = uvicorn_server(app)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(10)


@contextmanager
def _in_process(options: SandboxOptions) -> Iterator[str]:
    program = [sys.executable, "-m", "oura_pipeline.sandbox", "--end-with-stdin", "--port", "0"]
    command = [*program, *_flags(options)]
    with subprocess.Popen(  # noqa: S603
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        try:
            # Ends with the line that names the port, or empty when the child gave up.
            line = child.stdout.readline()
            if " on http" not in line:
                raise RuntimeError(f"the sandbox did not start: {' '.join(command)}")
            yield line.split(" on ")[1].split(": ")[0]
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()


def _flags(options: SandboxOptions) -> list[str]:
    """The command line that gives a child the same options."""
    given = {f.name: getattr(options, f.name) for f in fields(options)}
    flags = [f"--redirect-uri={uri}" for uri in given.pop("redirect_uris")]
    for field, value in given.items():
        name = field.replace("_", "-")
        if isinstance(value, bool):
            flags.append(f"--{name}" if value else f"--no-{name}")
        elif value is not None:
            # One word, so that a value may begin with a dash or be empty.
            flags.append(f"--{name}={value}")
    return flags


def _plain(body: Document) -> Document:
    return {name: str(value) if isinstance(value, date) else value for name, value in body.items()}
