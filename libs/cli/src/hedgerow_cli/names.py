"""Names beside codes: what the needs and areas of an answer are called."""

from collections.abc import Iterable
from urllib.parse import quote

from hedgerow_cli.client import Client, Problem


class Names:
    """Looks names up once and remembers them; what has none stays its code."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._areas: dict[str, str] = {}
        self._needs: dict[str, str] | None = None

    def areas(self, codes: Iterable[str], *, within: str) -> dict[str, str]:
        """The names of areas, most of which lie in one."""
        missing = {code for code in codes if code not in self._areas}
        if len(missing) > 1:
            found = self._client.items("/v1/areas", {"within": within})
            self._areas |= {area["code"]: area["name"] for area in found}
        for code in sorted(missing - self._areas.keys()):
            self._areas[code] = self._area(code)
        return self._areas

    def area(self, code: str) -> str:
        """The name of one area."""
        return self.areas([code], within=code)[code]

    def needs(self) -> dict[str, str]:
        """The names of all needs by id."""
        if self._needs is None:
            self._needs = {need["id"]: need["name"] for need in self._client.items("/v1/needs")}
        return self._needs

    def _area(self, code: str) -> str:
        try:
            return str(self._client.get(f"/v1/areas/{quote(code, safe='')}").body["name"])
        except Problem:
            return code
