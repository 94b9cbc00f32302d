"""Why a sign-in fails; every message is for the person.

SignInFailed
├── StaleLink        the link was used, is too old, or was begun in another browser
├── Declined         the person said no at Oura
├── OuraRefused      Oura sent an error, no code, or a code that it does not take back
├── NothingGranted   Oura recorded that the person allows nothing
├── OuraAway         Oura gave no answer; worth trying again
├── Misconfigured    Oura does not know this application; the operator must act
├── NobodyKnown      Oura did not say whose the token is
├── BeingDeleted     the person left, and their data is still being deleted
└── NotAdmitted      new here, and sign-up is closed, by invite only, or full
"""

from __future__ import annotations


class SignInFailed(Exception):
    """A sign-in failed; the message is for the person."""


class StaleLink(SignInFailed):
    """The link was used already, is older than ten minutes, or was begun elsewhere."""


class Declined(SignInFailed):
    """The person said no at Oura."""


class OuraRefused(SignInFailed):
    """Oura sent an error, no code, or a code that it does not take back."""


class NothingGranted(SignInFailed):
    """Oura recorded that the person allows nothing.

    Attributes:
        address: at Oura, where they are asked again; None: they were.
    """

    def __init__(self, message: str, address: str | None) -> None:
        super().__init__(message)
        self.address = address

    def __reduce__(self) -> tuple[type[NothingGranted], tuple[str, str | None]]:
        return type(self), (str(self), self.address)


class OuraAway(SignInFailed):
    """Oura gave no answer."""


class Misconfigured(SignInFailed):
    """Oura does not know this application."""


class NobodyKnown(SignInFailed):
    """Oura did not say whose the token is."""


class BeingDeleted(SignInFailed):
    """The person left, and their data is still being deleted."""


class NotAdmitted(SignInFailed):
    """Somebody new may not sign up."""
