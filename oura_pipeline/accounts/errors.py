"""What can go wrong with the accounts; every message is one line that says what to do.

    AccountsError
    ├── AccountsBusy        another process held a lock for too long
    ├── DatabaseRefused     the address or the database cannot be used
    ├── ImportRefused       a file of people has bad entries; nothing was imported
    ├── KeyRefused          no key, a bad key, or the wrong one for the stored tokens
    ├── PersonRefused       a username or an Oura identity that cannot be used, or is taken
    ├── StudyRefused        a study or a participant that cannot be, or is not there
    └── UnknownPerson       also a LookupError

`SignInRequired` is in `catalog.credentials`: the client of Oura raises it, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

MAX_SHOWN = 10


class AccountsError(Exception):
    """The root of the errors of this package. No message holds a token or a key."""


class AccountsBusy(AccountsError):
    """Another process or thread held a lock for longer than it ever should."""

    @classmethod
    def of_lock(cls, name: str, seconds: float) -> Self:
        """Return the error of a lock that was not free for so long."""
        return cls(
            f"the lock {name} was not free for {seconds:.0f} s; "
            "look for a process of this project that hangs, and end it"
        )


class DatabaseRefused(AccountsError):
    """The accounts database cannot be opened as it is."""


class ImportRefused(AccountsError):
    """A file of people cannot be imported; nothing was.

    Attributes:
        problems: one per bad entry; the message has the first ones.
    """

    def __init__(self, path: object, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        shown = [*problems[:MAX_SHOWN]]
        shown += [f"and {len(problems) - MAX_SHOWN} more"] if len(problems) > MAX_SHOWN else []
        found = "; ".join(shown)
        super().__init__(f"nothing was imported from {path}; correct it and try again: {found}")


class KeyRefused(AccountsError):
    """The keys that were given or found do not fit."""


class PersonRefused(AccountsError, ValueError):
    """A person cannot be written like this."""


class StudyRefused(AccountsError, ValueError):
    """A study or a participant cannot be written like this, or is not there."""


class UnknownPerson(AccountsError, LookupError):
    """Nobody has this username."""

    NAMED = 20  # of those who are known, at most

    def __init__(self, usernames: Iterable[str], known: Iterable[str]) -> None:
        names = " or ".join(repr(name) for name in sorted(usernames))
        some = sorted(known)
        more = ", …" if len(some) > self.NAMED else ""
        known_names = ", ".join(some[: self.NAMED]) + more
        others = f"known are: {known_names}" if known_names else "nobody has signed in yet"
        super().__init__(f"there is no person {names}; {others}")
