"""What network asks of outcomes: whether KPIs are defined, and whether anything was observed of them."""

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import quote

import httpx

from hedgerow_network.domain.design_findings import Kpi

# All KPIs of one question together: an answer does not wait longer for another app.
PATIENCE_SECONDS = 5.0


class Outcomes:
    """Asks outcomes through the gateway, which remembers what it said for as long as that holds."""

    def __init__(
        self,
        gateway_url: str,
        key_file: Path,
        *,
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._key_file = key_file
        self._client = httpx.Client(
            base_url=gateway_url, timeout=httpx.Timeout(3.0, connect=1.0), transport=transport
        )
        self._clock = clock

    def close(self) -> None:
        self._client.close()

    def kpis(self, ids: Iterable[str]) -> dict[str, Kpi]:
        """What is known of each; of those that could not be asked about, nothing."""
        started = self._clock()
        found: dict[str, Kpi] = {}
        for id in sorted(set(ids)):
            if self._clock() - started > PATIENCE_SECONDS:
                found[id] = Kpi()
                continue
            found[id] = self._asked(id)
            if found[id].known is None:
                # It is down: the others need not each find that out.
                started -= PATIENCE_SECONDS
        return found

    def _asked(self, id: str) -> Kpi:
        try:
            key = self._key_file.read_text().strip()
            answer = self._client.get(
                f"/v1/kpis/{quote(id, safe='')}/latest",
                params={"limit": "1"},
                headers={"Authorization": f"Bearer {key}"},
            )
            if answer.status_code == 404:
                return Kpi(known=False, has_data=False)
            if answer.status_code != 200:
                return Kpi()
            return Kpi(known=True, has_data=bool(answer.json()["items"]))
        except (OSError, httpx.HTTPError, httpx.InvalidURL, ValueError, KeyError, TypeError):
            return Kpi()
