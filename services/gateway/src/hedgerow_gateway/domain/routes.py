"""Which app answers which path: the declared table and how it is read."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

GATEWAY = "gateway"
APPS = ("registry", "network", "outcomes")

# Which app reads another's change feed: what it answers shows the other's records, too.
FOLLOWS: Mapping[str, str] = {"network": "registry", "outcomes": "registry"}

LONGEST_JSON_BYTES = 10_000_000
LONGEST_FILE_BYTES = 20_000_000_000


class Lane(NamedTuple):
    """A kind of request, kept apart from the others so that none of them takes all the room.

    read_seconds: how long the app may be silent before the gateway gives up · at_once: how many may be under
    way to an app · wait_seconds: how long one more waits for its turn · body_bytes: the longest body
    """

    name: str
    read_seconds: float
    at_once: int
    wait_seconds: float
    body_bytes: int = LONGEST_JSON_BYTES


# Together the slow ones leave an app threads for the quick.
QUICK = Lane("quick", read_seconds=30.0, at_once=64, wait_seconds=2.0)
ANALYSIS = Lane("analysis", read_seconds=120.0, at_once=16, wait_seconds=5.0)
# A workbook or a Parquet file of a long list is made whole before its first byte leaves.
EXPORT = Lane("export", read_seconds=600.0, at_once=8, wait_seconds=5.0)
IMPORT = Lane("import", read_seconds=900.0, at_once=8, wait_seconds=10.0, body_bytes=LONGEST_FILE_BYTES)


class Route(NamedTuple):
    """Where a request goes, in which lane, and for whom it is.

    is_open: anyone may read it, and a key that is sent is not looked at.
    also_open: anyone may read it without a key; who sends one is who it says, and may be shown more.
    is_kept: what it answers rests on the states that apps tell, and may be kept while these are the same.
    beside: other apps that its app asks in order to answer.
    pattern: of the paths that go there, as the table has it
    """

    app: str
    lane: Lane = QUICK
    is_open: bool = False
    also_open: bool = False
    is_kept: bool = True
    beside: tuple[str, ...] = ()
    pattern: str = ""

    @property
    def rests_on(self) -> tuple[str, ...]:
        """The apps whose state an answer shows, first the one that answers."""
        followed = (FOLLOWS[self.app],) if self.app in FOLLOWS else ()
        return (self.app, *followed, *self.beside)


_REGISTRY = Route("registry")
_REGISTRY_ANALYSIS = Route("registry", ANALYSIS)
_NETWORK = Route("network", ANALYSIS)
_NETWORK_BESIDE_OUTCOMES = Route("network", ANALYSIS, beside=("outcomes",))
_OUTCOMES = Route("outcomes")
_GATEWAY = Route(GATEWAY)

# A pattern is a path prefix by whole segments; `*` stands for any one segment. The longest that fits wins.
PREFIXES: Mapping[str, Route] = {
    "/hsds": Route("registry", is_open=True),
    "/v1/areas": _REGISTRY,
    "/v1/areas.geojson": _REGISTRY_ANALYSIS,
    "/v1/boundaries": _REGISTRY,
    "/v1/residents": _REGISTRY,
    "/v1/demand": _REGISTRY,
    "/v1/indices": _REGISTRY,
    "/v1/organisations": _REGISTRY,
    "/v1/services": _REGISTRY,
    "/v1/sites": _REGISTRY,
    "/v1/needs": _REGISTRY,
    "/v1/crosswalk": _REGISTRY,
    "/v1/contracts": _REGISTRY,
    "/v1/contracts.ocds": _REGISTRY_ANALYSIS,
    "/v1/contracts/*/performance-notice": _OUTCOMES,
    "/v1/pipeline": Route("registry", also_open=True),
    "/v1/spend": _REGISTRY_ANALYSIS,
    "/v1/duplicates": _REGISTRY_ANALYSIS,
    "/v1/feeds": _REGISTRY_ANALYSIS,
    # Read once by each follower, in long pages.
    "/v1/changes": Route("registry", is_kept=False),
    "/v1/sources": _REGISTRY,
    "/v1/localities": _NETWORK,
    "/v1/localities/*/overview": _GATEWAY,
    "/v1/organisations/*/profile": _GATEWAY,
    "/v1/localities/*/gaps": _NETWORK_BESIDE_OUTCOMES,
    "/v1/networks": _NETWORK_BESIDE_OUTCOMES,
    "/v1/relations": _NETWORK,
    "/v1/scenarios": _NETWORK,
    "/v1/adequacy-rules": _NETWORK,
    "/v1/costs": _NETWORK,
    # Tells of trouble that is written nowhere.
    "/v1/projection": Route("network", is_kept=False),
    "/v1/kpis": _OUTCOMES,
    "/v1/intervals": _OUTCOMES,
    "/v1/observations": Route("outcomes", ANALYSIS),
    "/v1/breaches": _OUTCOMES,
    "/v1/outcome-events": _OUTCOMES,
    "/v1/payment-rules": Route("outcomes", ANALYSIS),
    "/v1/statements": _OUTCOMES,
    "/v1/performance-duties": _OUTCOMES,
    "/v1/divergences": _OUTCOMES,
    "/v1/evaluations": Route("outcomes", ANALYSIS),
    "/v1/ledgers": _OUTCOMES,
    "/v1/keys": _GATEWAY,
    "/v1/signing-keys": _GATEWAY,
    "/v1/webhooks": _GATEWAY,
    **{f"/v1/erasures/{app}": Route(app, IMPORT) for app in (*APPS, GATEWAY)},
    **{f"/v1/retention/{app}": Route(app, is_kept=False) for app in (*APPS, GATEWAY)},
    "/v1/audit": Route(GATEWAY, ANALYSIS, is_kept=False),
    "/v1/events": _GATEWAY,
    "/v1/imports": _GATEWAY,
}

# Imports all share one address; the kind says which app reads the file.
IMPORT_KINDS: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "areas",
            "boundaries",
            "residents",
            "demand",
            "indices",
            "needs",
            "crosswalk",
            "hsds",
            "organisations",
            "services",
            "sites",
            "postcodes",
            "ocds",
            "contracts",
            "bods",
            "ownership",
            "members",
            "organisation-figures",
            "spend",
        ),
        "registry",
    ),
    **dict.fromkeys(("kpis", "observations", "ledger"), "outcomes"),
    **dict.fromkeys(("relations", "costs"), "network"),
}


class RouteTable:
    """The table read once into a tree of segments, so that a look-up costs the depth of the path."""

    def __init__(
        self, prefixes: Mapping[str, Route] = PREFIXES, import_kinds: Mapping[str, str] = IMPORT_KINDS
    ):
        self._tree: dict[str, object] = {}
        self._found = lru_cache(maxsize=1024)(self._find)
        for prefix, route in prefixes.items():
            self._add(prefix, route)
        for kind, app in import_kinds.items():
            self._add(f"/v1/imports/{kind}", Route(app, IMPORT))

    def _add(self, prefix: str, route: Route) -> None:
        node = self._tree
        for segment in prefix.strip("/").split("/"):
            below = node.setdefault(segment, {})
            assert isinstance(below, dict)
            node = below
        node[""] = route._replace(pattern=prefix)

    def find(self, path: str) -> Route | None:
        """The route of a decoded path; `None` where nobody answers.

        >>> RouteTable().find("/v1/areas/E08000009").app
        'registry'
        >>> RouteTable().find("/v1/imports/outcomes-0192").app
        'outcomes'
        >>> RouteTable().find("/v2/areas") is None
        True
        """
        return self._found(path)

    def _find(self, path: str) -> Route | None:
        segments = path.split("/")[1:]
        found = self._deepest(self._tree, segments, 0)
        if found is None or found[0].app != GATEWAY:
            return found[0] if found else None
        if segments[:2] == ["v1", "imports"] and len(segments) > 2:
            return _route_of_import(segments[2])
        return found[0]

    def _deepest(self, node: dict[str, object], segments: list[str], depth: int) -> tuple[Route, int] | None:
        best: tuple[Route, int] | None = None
        here = node.get("")
        if isinstance(here, Route) and depth:
            best = (here, depth)
        if depth == len(segments) or not segments[depth]:
            return best
        for name in (segments[depth], "*"):
            below = node.get(name)
            if isinstance(below, dict):
                deeper = self._deepest(below, segments, depth + 1)
                if deeper is not None and (best is None or deeper[1] > best[1]):
                    best = deeper
        return best


def _route_of_import(identifier: str) -> Route | None:
    """An import's id begins with the app that holds it: `registry-0192…`."""
    app, dash, rest = identifier.partition("-")
    return Route(app, pattern="/v1/imports/*") if dash and rest and app in APPS else None


@lru_cache(maxsize=1024)
def is_plain_path(raw_path: bytes) -> bool:
    """Whether a path means the same to every reader: no dot or empty segments, no encoded slashes.

    >>> is_plain_path(b"/v1/needs/hedgerow%3Afood")
    True
    >>> is_plain_path(b"/v1/areas/%2e%2e/keys")
    False
    """
    if not raw_path.startswith(b"/") or b"\\" in raw_path or b"//" in raw_path:
        return False
    if b"%" not in raw_path and b"/." not in raw_path:
        return True
    lowered = raw_path.lower()
    if any(code in lowered for code in (b"%2f", b"%5c", b"%00", b"%0a", b"%0d")):
        return False
    plain = lowered.replace(b"%2e", b".")
    return not any(segment in (b".", b"..") for segment in plain.split(b"/"))
