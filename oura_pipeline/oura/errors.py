"""What can go wrong between us and Oura, by what happened and not by status code.

    OuraError
    ├── SignInRequired        the person has to consent again
    ├── ScopeNotGranted       the person did not grant this kind of data
    ├── MembershipLapsed      Oura keeps this person's data back
    │   └── Forbidden         ... without a word, which may mean as well that nothing was allowed
    ├── DocumentNotFound      there is no document with this id (any more)
    ├── ClientRefused         our client id or secret is wrong: for the operator to correct
    ├── AlreadySubscribed     there is a webhook subscription of this kind
    ├── SubscriptionGone      there is no webhook subscription with this id (any more)
    ├── RateLimited           too many requests, longer than we wait
    ├── OuraUnavailable       no answer, or a server error: worth asking again later
    └── UnexpectedAnswer      an answer that we do not understand
        └── UnusablePage      ... because it is no page of documents
            └── GarbledAnswer ... not even JSON, or cut short

`OuraError` and `SignInRequired` are in `catalog.credentials`, which `accounts` may import as well.

Every message is one line that says what to do, without tokens, secrets or health values.
"""

from __future__ import annotations

from oura_pipeline.catalog.credentials import OuraError


class ScopeNotGranted(OuraError):
    """The person did not grant the scope that this document type needs.

    Attributes:
        scope: the scope, without Oura's prefix `extapi:`.
    """

    def __init__(self, scope: str) -> None:
        super().__init__(
            f"the scope {scope} is not granted; the person can grant it by signing in again"
        )
        self.scope = scope

    def __reduce__(self) -> tuple[type[ScopeNotGranted], tuple[str]]:
        return type(self), (self.scope,)


class MembershipLapsed(OuraError):
    """Oura refuses the data of a person without a membership."""


class Forbidden(MembershipLapsed):
    """Oura refuses the data and does not say why, as it does without a membership."""


class DocumentNotFound(OuraError):
    """There is no such document: deleted at Oura, or never there."""


class ClientRefused(OuraError):
    """Oura does not accept our client id and secret."""


class AlreadySubscribed(OuraError):
    """There is a webhook subscription of this data type and event type."""


class SubscriptionGone(OuraError):
    """There is no webhook subscription with this id: ended, or never there."""


class RateLimited(OuraError):
    """Oura asks for a longer pause than we are ready to make.

    Attributes:
        retry_after: seconds until it is worth asking again.
    """

    def __init__(self, retry_after: float) -> None:
        super().__init__(
            f"Oura's limit of requests is used up; ask again in {retry_after:.0f} s, or lower "
            "OURA_RATE_LIMIT if that happens often"
        )
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[RateLimited], tuple[float]]:
        return type(self), (self.retry_after,)


class OuraUnavailable(OuraError):
    """Oura gave no answer, or a server error: the same request may succeed later."""


class UnexpectedAnswer(OuraError):
    """Oura answered something that we do not understand; nothing of it may be used."""


class UnusablePage(UnexpectedAnswer):
    """The answer is no page of documents; one about fewer days may be."""


class GarbledAnswer(UnusablePage):
    """The answer is not JSON, or cut short; that may pass, so it is asked for again."""
