"""Plain words for what Oura and the table of document types name tersely.

What surprises: nothing is lost by a name that is missing here; it is shown as it is spelt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType

_SCOPES = {
    "email": "E-mail address",
    "personal": "Profile",
    "daily": "Sleep, activity, readiness",
    "heartrate": "Heart rate",
    "workout": "Workouts",
    "tag": "Tags",
    "session": "Sessions",
    "spo2": "Blood oxygen",
    "heart_health": "Heart health",
    "stress": "Resilience",
    "ring_configuration": "Ring and battery",
}
_KINDS = {"heartrate": "Heart rate", "daily_spo2": "Daily SpO2"}
# What is fetched for a scope without a document type of its own.
_WITHOUT_TYPE = {"email": "The address of your Oura account, as a part of your profile."}


@dataclass(frozen=True)
class Scope:
    """What a person may allow.

    Attributes:
        name: Oura's.
        title: the same in words.
        types: what is fetched for it.
    """

    name: str
    title: str
    types: tuple[DocumentType, ...]

    @property
    def lines(self) -> list[tuple[str, str]]:
        """What is fetched for it: kind and description."""
        if not self.types:
            return [("", _WITHOUT_TYPE.get(self.name, "Nothing at the moment."))]
        return [(kind(document_type), document_type.description) for document_type in self.types]

    @property
    def kinds(self) -> list[str]:
        """The document types in words."""
        return [kind(document_type).lower() for document_type in self.types] or [self.title.lower()]


def scopes(names: str) -> list[Scope]:
    """Scopes by their names, separated by spaces, in that order."""
    return [
        Scope(
            name,
            scope_title(name),
            tuple(document_type for document_type in DOCUMENT_TYPES if document_type.scope == name),
        )
        for name in names.split()
    ]


def scope_title(name: str) -> str:
    """A scope in words."""
    return _SCOPES.get(name) or _spelt(name)


def kind(document_type: DocumentType) -> str:
    """A document type in words."""
    return _KINDS.get(document_type.name) or _spelt(document_type.name)


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(text: str) -> str:
    """A message of the program as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _spelt(name: str) -> str:
    spaced = name.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
