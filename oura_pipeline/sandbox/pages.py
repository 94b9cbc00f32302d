"""Pages of a collection: the opaque `next_token`, `fields`, and bodies that are joined once."""

from __future__ import annotations

import base64
import hashlib
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

import msgspec

from oura_pipeline.sandbox.catalog import Collection
from oura_pipeline.sandbox.ranges import Bound, Window
from oura_pipeline.sandbox.responses import EncodedBody, Refused, bad_request
from oura_pipeline.sandbox.store import CollectionStore


@dataclass(frozen=True)
class Cursor:
    """Where a page begins."""

    window: Window
    # The last instant that was served, and not a row number: rows that arrive or vanish between
    # two pages neither repeat nor skip others.
    after: float | None = None


def encode_cursor(owner: str, cursor: Cursor) -> str:
    """Return the `next_token` for the page at `cursor` of an owner, a person and collection."""
    window = cursor.window
    body = msgspec.json.encode([_number(window.start), _number(window.end), cursor.after])
    return base64.urlsafe_b64encode(_check(owner, body) + body).decode().rstrip("=")


def decode_cursor(owner: str, token: str, bounds: tuple[float | None, float | None]) -> Cursor:
    """Return the cursor in a token that came back with `bounds` (an end not repeated is None).

    Raise `Refused` (400) for a token of someone else, of other bounds, or of nobody.
    """
    try:
        # Padding is left out of tokens: `=` would have to be escaped in an address.
        raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except ValueError:
        raise _invalid() from None
    check, body = raw[:8], raw[8:]
    if check != _check(owner, body):
        raise _invalid()
    start, end, after = msgspec.json.decode(body)
    window = Window(_limit(start, "-inf"), _limit(end, "inf"))
    # The token alone is enough, as one client does it; but bounds that come with it must agree.
    if bounds[0] not in (None, window.start) or bounds[1] not in (None, window.end):
        raise bad_request("next_token was made for another range.")
    return Cursor(window, after)


def _invalid() -> Refused:
    return bad_request("Invalid next_token.")


def _check(owner: str, body: bytes) -> bytes:
    # No secret: it only has to tell whether a client mixed tokens up.
    return hashlib.sha256(owner.encode() + b"\0" + body).digest()[:8]


# JSON has no infinity.
def _number(value: float) -> float | None:
    return None if value in (float("-inf"), float("inf")) else value


def _limit(value: float | None, missing: str) -> float:
    return float(missing) if value is None else value


def window_ends(collection: Collection, start: Bound | None, end: Bound | None) -> tuple[Any, Any]:
    """Return the window's ends that bounds stand for, to compare with a token's."""
    if collection.family == "day":
        return start and start.midnight, end and end.midnight + 86400
    return start and start.instant, end and end.instant


@dataclass
class Pages:
    """Pages, of which the last `keep` are kept: benchmarks fetch the same ones again and again."""

    keep: int = 512
    _kept: OrderedDict[tuple[Any, ...], EncodedBody] = field(default_factory=OrderedDict)

    def page(
        self,
        owner: str,
        store: CollectionStore,
        cursor: Cursor,
        *,
        rows: int,
        fields: tuple[str, ...] = (),
        repeat: bool = False,
    ) -> EncodedBody:
        """Return the envelope of at most `rows` documents at `cursor`.

        With `repeat` the token leads back to this same page, as a faulty server's would.
        """
        # The store's version makes pages from before a change unreachable.
        key = (owner, store.version, cursor, rows, fields, repeat)
        if key not in self._kept:
            low, high, following = _cut(store, cursor, rows)
            following = cursor if repeat else following
            token = encode_cursor(owner, following) if following else None
            self._kept[key] = _envelope(store.served(low, high), token, fields)
            if len(self._kept) > self.keep:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return self._kept[key]


def latest(store: CollectionStore, fields: tuple[str, ...]) -> EncodedBody:
    """The envelope of the newest collection alone."""
    count = len(store.keys)
    return _envelope(store.served(max(count - 1, 0), count), None, fields)


def select(document: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    """Return the requested fields of a document, and those that always come."""
    known = [name for name in fields if name in document]
    # Unknown names are ignored, and if all of them are unknown, everything comes: so measured.
    if not known:
        return document
    wanted = {"id", "day", *known} if "id" in document else {"day", "timestamp", *known}
    return {name: value for name, value in document.items() if name in wanted}


def _selected(body: bytes, fields: tuple[str, ...]) -> bytes:
    try:
        return msgspec.json.encode(select(msgspec.json.decode(body, type=dict), fields))
    # Spoiled beyond being read: sent as it is.
    except (msgspec.DecodeError, RecursionError):
        return body


def _cut(store: CollectionStore, cursor: Cursor, rows: int) -> tuple[int, int, Cursor | None]:
    keys, window = store.keys, cursor.window
    low = bisect_left(keys, window.start)
    if cursor.after is not None:
        low = max(low, bisect_right(keys, cursor.after))
    last = bisect_left(keys, window.end)
    if low + rows >= last:
        return low, max(last, low), None
    after = keys[low + rows - 1]
    # Rows of one instant are never parted, so a page can be a little longer.
    high = bisect_right(keys, after)
    return low, high, Cursor(window, after) if high < last else None


def _envelope(bodies: list[bytes], token: str | None, fields: tuple[str, ...]) -> EncodedBody:
    if fields:
        bodies = [_selected(body, fields) for body in bodies]
    # Joined as bytes: without `fields` no document is decoded to be served.
    ending = b'],"next_token":' + msgspec.json.encode(token) + b"}"
    return EncodedBody(b'{"data":[' + b",".join(bodies) + ending)
