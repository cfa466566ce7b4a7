"""What can go wrong in the registry, in the field's words; a class's docstring is its default message."""

from datetime import datetime


class RegistryError(Exception):
    """The registry cannot do this."""

    def __str__(self) -> str:
        return super().__str__() or (self.__doc__ or "").strip()


class UnknownRecord(RegistryError):
    """The registry holds no such record."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"The registry holds no such {kind}.")
        self.kind = kind


class NotKnownThen(RegistryError):
    """The registry did not know the record at that moment."""

    def __init__(self, kind: str) -> None:
        super().__init__(f"The registry did not know of such a {kind} at that moment.")
        self.kind = kind


class DeletedThen(RegistryError):
    """The record had been deleted by that moment."""

    def __init__(self, kind: str, at: datetime) -> None:
        super().__init__(f"The {kind} had been deleted by that moment, at {at.isoformat()}.")
        self.kind = kind
        self.at = at


class OrganisationHasServices(RegistryError):
    """The organisation still has services."""

    def __init__(self, services: int) -> None:
        noun = "service" if services == 1 else "services"
        super().__init__(f"The organisation still has {services} {noun}: close or move them first.")
        self.services = services


class OrganisationAnswersForOthers(RegistryError):
    """Other organisations are merged into this one: unmerge them first."""


class AlreadyMerged(RegistryError):
    """The organisation was merged into another."""

    def __init__(self, canonical_id: str, *, into: bool = False) -> None:
        which = "The organisation to merge into" if into else "The organisation"
        super().__init__(
            f"{which} was itself merged: {canonical_id} answers for it. Name that one, or unmerge it first."
        )
        self.canonical_id = canonical_id


class NotMerged(RegistryError):
    """The organisation is not merged into another."""


class MergedIntoItself(RegistryError):
    """An organisation cannot be merged into itself."""


class OrganisationHasContracts(RegistryError):
    """The organisation has a part in contracts: take it out of them first, or merge it into another."""


class SamePair(RegistryError):
    """The two are merged already: unmerge them first."""


class BuyerOfAnotherAuthority(RegistryError):
    """The buyer is not one of your authority."""


class Redacted(RegistryError):
    """The supplier is redacted: nobody is to find out who it is."""


class SourceOfAnotherAuthority(RegistryError):
    """The source is not one of your authority."""


class AuthorityNotNamed(RegistryError):
    """You act for several authorities: say in `authority` which one this source belongs to."""


class AmbiguousNeed(RegistryError):
    """Several taxonomies have this term: name the taxonomy too."""


class TooManyFeatures(RegistryError):
    """That is more of the map than one answer holds: narrow it with `within` or `level`."""


class UnplacedPostcode(RegistryError):
    """It is not known where this postcode lies."""

    def __init__(self) -> None:
        super().__init__(
            "It is not known where this postcode lies: no list of postcodes has it, and nothing in the "
            "registry stands at it. Try one nearby, or import a list (POST /v1/imports/postcodes)."
        )


class TooManyToCompare(RegistryError):
    """Too many are compared."""

    def __init__(self, most: int) -> None:
        super().__init__(f"Changes of places are worked out for at most {most} organisations: name fewer.")
        self.most = most


class Malformed(RegistryError, ValueError):
    """A value that does not have the form of what it stands for.

    reason: what is wrong with it, for a refusal, which repeats nothing · in_receipt: the same for the receipt
    of a row, which names a code so that it can be found in the file
    """

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.in_receipt = f"{code}: {reason}" if code else reason


class FollowsFromStatements(RegistryError):
    """The interest follows from statements of ownership: send the statement that corrects it."""


class InvalidReference(RegistryError):
    """A field of a written record names something the registry does not hold."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class FeedRefused(RegistryError):
    """The address is not one on the public internet, and the operator has not allowed its host."""


class FeedFailed(RegistryError):
    """The feed gave no usable answer. `lasting`: asking again later would not help."""

    def __init__(self, reason: str, *, lasting: bool = False) -> None:
        super().__init__(reason)
        self.lasting = lasting


class SourceHasFeed(RegistryError):
    """Another feed brings the records of this source: each feed has a source of its own."""


class FeedKeepsSource(RegistryError):
    """A feed keeps its source: remove the feed and register another for a new one."""


class PullHasEnded(RegistryError):
    """The pull does not wait for a confirmation."""


class FeedIsOff(RegistryError):
    """The feed is switched off: enable it to pull it."""
