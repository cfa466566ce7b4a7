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
    """A rule is `declared`, `sited`, or `within:<km>` with a distance above 0 and up to 500 km; by a matrix
    of travel costs also `within:<minutes>min` with up to 600 minutes.
    """


class NotFedYet(NetworkError):
    """Network has not read the registry's change feed to its end yet. Ask again shortly."""


class NotThatNewYet(NetworkError):
    """Network has not read the registry up to the state asked for yet. Ask again shortly."""


class MalformedDecay(NetworkError):
    """A decay is `binary`, `step` (or `step:20=1,40=0.68`, costs ascending, weights from 0 to 1), `gaussian`
    (or `gaussian:<bandwidth>`), or `gravity` (or `gravity:<scale>,<power>`, the power below 0).
    """


class NotOfThisMethod(NetworkError):
    """Rational agents (`raam`) take tau=, and neither decay= nor at_least=; other methods take no tau=."""


class NegativePeople(NetworkError):
    """A number of people is below 0."""


class AuthorityNotNamed(NetworkError):
    """Your key acts for several authorities: name the one this belongs to with authority=."""


class OfAnotherAuthority(NetworkError):
    """It belongs to another authority, or to everybody: your key may not change it."""


class UnknownMatrix(NetworkError):
    """No matrix of travel costs of this name is held: see `GET /v1/costs`, or import it as `costs`."""


class NeedsMatrix(NetworkError):
    """Minutes are known by a matrix of travel costs only: name one with costs=, or give a distance in km."""


class NoSuchUnit(NetworkError):
    """The matrix of travel costs is not in this unit."""


class NeedsSpeed(NetworkError):
    """Minutes in a straight line need a speed: give speed_kmh=, or a matrix with costs=."""


class MalformedCohort(NetworkError):
    """A cohort is an age range (`16-17`, `65+`, `17`), circumstances, or both parted by `;`, as in
    `16-17;care-leaver`.
    """


class MalformedMoment(NetworkError):
    """A moment is a day of the week, and perhaps a time on it: `SA`, or `SA 18:30`."""


class UnknownRules(NetworkError):
    """No adequacy rules of this id are held: see `GET /v1/adequacy-rules`, or write them first."""


class RulesNotNamed(NetworkError):
    """Several sets of adequacy rules are held: name one with rules=."""


class UnknownNetwork(NetworkError):
    """No such network is held: see `GET /v1/networks`."""


class UnknownScenario(NetworkError):
    """No such scenario is held: see `GET /v1/scenarios`."""


class TooManyLongQuestions(NetworkError):
    """Too many large questions are waiting for their turn. Ask again shortly, or about a smaller place."""


class TooManyMeasures(NetworkError):
    """There are too many ways to close these gaps to choose among: ask about fewer needs, a smaller place,
    larger areas or a shorter reach.
    """
