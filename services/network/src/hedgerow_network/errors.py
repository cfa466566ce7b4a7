"""What can go wrong in network, in the words of the field."""


class NetworkError(Exception):
    """Something asked of network cannot be answered."""

    errors: tuple[dict[str, str], ...] = ()


class UnknownArea(NetworkError):
    """No such area is held. Areas come from the registry: see `GET /v1/areas`, or import them first."""


class MalformedArea(NetworkError):
    """Neither a GSS code (one letter and eight digits, such as E08000009) nor the name of an area held."""


class AmbiguousArea(NetworkError):
    """Several areas have this name: give the code."""


class UnknownNeed(NetworkError):
    """No such need is held. A need is written `taxonomy:term`: see `GET /v1/needs`, or import it first."""


class AmbiguousNeed(NetworkError):
    """Several taxonomies have this term: write it as `taxonomy:term`."""


class NoSuchLevel(NetworkError):
    """The locality holds no areas of this level."""


class UnknownIndex(NetworkError):
    """No index of this name is held for the locality."""


class UnknownProvider(NetworkError):
    """No provider or owner of this id covers anything in the locality."""


class MalformedRule(NetworkError):
    """A rule is `declared`, `sited`, or `within:<km>` with a distance above 0 and up to 500 km."""


class NotFedYet(NetworkError):
    """Network has not read the registry's change feed to its end yet. Ask again shortly."""


class NotThatNewYet(NetworkError):
    """Network has not read the registry up to the state asked for yet. Ask again shortly."""


class FeedUnreadable(NetworkError):
    """The registry's change feed could not be read."""
