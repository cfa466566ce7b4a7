"""Which answers of which apps make up one composed answer."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote, urlencode


class Part(NamedTuple):
    """One app's answer within a composed one.

    path: with the names of what is asked for in braces · query: fixed parameters, values as in the path ·
    passed: parameters of the composed question that this part takes over
    """

    name: str
    app: str
    path: str
    query: Mapping[str, str] = {}
    passed: Sequence[str] = ()

    def question(self, asked: Mapping[str, str | Sequence[str]]) -> tuple[str, str]:
        """Path and query of this part for what is asked, both encoded.

        >>> Part("kpis", "outcomes", "/v1/observations/latest", {"subject": "organisation:{id}"}).question(
        ...     {"id": "a/b", "at": "2026-01-01"}
        ... )
        ('/v1/observations/latest', 'subject=organisation%3Aa%2Fb')
        """
        plain = {name: value for name, value in asked.items() if isinstance(value, str)}
        path = self.path.format_map({name: quote(value, safe="") for name, value in plain.items()})
        query: dict[str, str | Sequence[str]] = {
            name: value.format_map(plain) for name, value in self.query.items()
        }
        query |= {name: asked[name] for name in self.passed if asked.get(name)}
        return path, urlencode(query, doseq=True)


# What narrows or words a question about cover, wherever it is asked.
COVER = ("need", "level", "at", "count", "rule", "costs", "index", "cohort", "open_at")
SHOWN = {"limit": "{limit}"}

# The first part is the one that the whole is about: where it is not found, nothing is.
OVERVIEW = (
    Part("area", "registry", "/v1/areas/{area}"),
    Part("summary", "network", "/v1/localities/{area}/summary", passed=COVER),
    Part("gaps", "network", "/v1/localities/{area}/gaps", SHOWN, COVER),
    Part("overlaps", "network", "/v1/localities/{area}/overlaps", SHOWN, COVER),
    Part("fragility", "network", "/v1/localities/{area}/fragility", SHOWN, COVER),
    Part("networks", "network", "/v1/networks", {"area": "{area}", **SHOWN}),
    Part("kpis", "outcomes", "/v1/observations/latest", {"subject": "{area}", **SHOWN}),
    Part("breaches", "outcomes", "/v1/breaches", {"subject": "{area}", "open": "true", **SHOWN}),
    Part("pipeline", "registry", "/v1/pipeline", {"area": "{area}", **SHOWN}),
)

PROFILE = (
    Part("organisation", "registry", "/v1/organisations/{id}"),
    Part("ownership", "registry", "/v1/organisations/{id}/ownership", passed=("at",)),
    Part("services", "registry", "/v1/organisations/{id}/services", SHOWN),
    Part("contracts", "registry", "/v1/organisations/{id}/contracts", SHOWN, ("at",)),
    Part("spend", "registry", "/v1/organisations/{id}/spend", SHOWN),
    Part("kpis", "outcomes", "/v1/observations/latest", {"subject": "organisation:{id}", **SHOWN}),
    Part("breaches", "outcomes", "/v1/breaches", {"subject": "organisation:{id}", "open": "true", **SHOWN}),
)

# Who leaves is missed somewhere: asked for with the profile when the locality is named.
FRAGILITY = Part("fragility", "network", "/v1/localities/{area}/fragility/{id}", passed=COVER)
