"""Which usernames there can be: a username is a part of the name of every metric in Graphite."""

from __future__ import annotations

import re
import unicodedata

from oura_pipeline.accounts.errors import PersonRefused

SHORTEST, LONGEST = 3, 32
ID_LETTERS = 6  # of 31: 890 million ids, so that nobody gets one of somebody who has left
# Narrow because of Graphite: a dot would be a path, `*` a glob, `;` a tag.
_RULE = re.compile(r"[a-z][a-z0-9_-]{2,31}")
# Any letters and digits: a reader does not know which of them an id can have.
_ID = re.compile(rf"p-[a-z0-9]{{{ID_LETTERS}}}")
_TEXT = (
    f"a username has {SHORTEST} to {LONGEST} characters, lower-case letters, digits, _ and -, "
    "beginning with a letter; choose one like that"
)


def is_id(text: str) -> bool:
    """Return whether a text is an id of a person, and so no username."""
    return bool(_ID.fullmatch(text))


def check_username(username: str) -> str:
    """Return a username that can be used.

    Raises:
        PersonRefused: it cannot be; the message says all that is wrong with it.
    """
    if _usable(username):
        return username
    raise PersonRefused(f"{username!r} cannot be a username: it {'; it '.join(_wrong(username))}")


def username_problem(username: str) -> str | None:
    """Return what to tell somebody whose choice cannot be a username; None: it can be one."""
    if is_id(username):
        return "this looks like an id that the application gives; choose another username"
    return None if _RULE.fullmatch(username) else _TEXT


def suggested_username(name: str) -> str | None:
    """Return the username that is nearest to a name; None where nothing usable is left of it."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9_-]+", "_", plain).lstrip("0123456789_-")[:LONGEST].rstrip("_-")
    return slug if _usable(slug) else None


def _usable(username: str) -> bool:
    return bool(_RULE.fullmatch(username)) and not is_id(username)


def _wrong(username: str) -> list[str]:
    wrong = []
    if is_id(username):
        wrong.append("looks like an id that the application gives")
    if not SHORTEST <= len(username) <= LONGEST:
        wrong.append(f"has {len(username)} characters, {SHORTEST} to {LONGEST} are allowed")
    if username and not re.match("[a-z]", username):
        wrong.append(f"begins with {username[0]!r}, it must begin with a letter from a to z")
    if strange := sorted(set(re.findall(r"[^a-z0-9_-]", username))):
        names = " ".join(map(repr, strange))
        wrong.append(f"contains {names}, only a to z, 0 to 9, _ and - are allowed")
    return wrong
