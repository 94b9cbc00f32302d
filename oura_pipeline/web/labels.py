"""Plain names for Oura's scopes and document types, and other short texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oura_pipeline.catalog.document_types import DOCUMENT_TYPES, DocumentType
from oura_pipeline.oura.portals import PREFIX

_SCOPE_TITLES = {
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
_TYPE_TITLES = {"heartrate": "Heart rate", "daily_spo2": "Daily SpO2"}
# Scopes without a document type of their own.
_OTHER_SCOPES = {"email": "The address of your Oura account, as a part of your profile."}


@dataclass(frozen=True)
class OuraScope:
    """A scope that a person may grant, and the document types that need it."""

    name: str
    title: str
    document_types: tuple[DocumentType, ...]

    @property
    def details(self) -> list[tuple[str, str]]:
        """Title and description of what is fetched."""
        if not self.document_types:
            return [("", _OTHER_SCOPES.get(self.name, "Nothing at the moment."))]
        return [
            (type_title(document_type), document_type.description)
            for document_type in self.document_types
        ]

    @property
    def type_names(self) -> list[str]:
        """The titles of the document types, for the middle of a sentence."""
        titles = [type_title(document_type) for document_type in self.document_types]
        return [title.lower() for title in titles or [self.title]]


def scopes(names: str) -> list[OuraScope]:
    """Return scopes by their space-separated names, in that order."""
    plain = [name.removeprefix(PREFIX) for name in names.split()]
    return [OuraScope(name, scope_title(name), _types_of(name)) for name in plain]


def _types_of(scope: str) -> tuple[DocumentType, ...]:
    return tuple(document_type for document_type in DOCUMENT_TYPES if document_type.scope == scope)


def scope_title(name: str) -> str:
    """Return the title of a scope."""
    return _SCOPE_TITLES.get(name) or _title(name)


def type_title(document_type: DocumentType) -> str:
    """Return the title of a document type."""
    return _TYPE_TITLES.get(document_type.name) or _title(document_type.name)


def join_and(texts: Sequence[str]) -> str:
    """Return `a, b and c`."""
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} and {texts[-1]}"


def sentence(text: str) -> str:
    """Return an error message of the program as a sentence."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _title(name: str) -> str:
    # What Oura adds tomorrow is shown under its own name.
    spaced = name.replace("_", " ")
    return spaced[:1].upper() + spaced[1:]
