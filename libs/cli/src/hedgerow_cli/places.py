"""Which area somebody means by a code or a name."""

import re
from typing import Any
from urllib.parse import quote

from hedgerow_cli.client import Client, Problem
from hedgerow_cli.errors import UnclearName

GSS_CODE = re.compile(r"[EWSNKJLM]\d{8}", re.IGNORECASE)
CANDIDATES_SHOWN = 5
# A name may begin the names of all small areas of a city; the one meant must not be cut off behind them.
CANDIDATES_READ = 5_000

Area = dict[str, Any]


def area_code(client: Client, said: str) -> str:
    """The code of the area: a code as it is, else the one area of that name, else the one authority, or area,
    whose name begins so (Bristol for Bristol, City of); raises UnclearName.
    """
    if GSS_CODE.fullmatch(said.strip()):
        return said.strip().upper()
    found = client.items("/v1/areas", {"text": said.strip()}, limit=CANDIDATES_READ)
    same = [area for area in found if _plain(area["name"]) == _plain(said)]
    authorities = [area for area in found if area["level"] == "authority"]
    candidates = same or (authorities if len(authorities) == 1 else found)
    if len(candidates) == 1:
        return str(candidates[0]["code"])
    if not candidates and (local := _held(client, said.strip())):
        return local
    if not candidates:
        raise UnclearName(
            f"No area is called {said}: give its code, or how its name begins (see GET /v1/areas?text=)."
        )
    listed = [f"{area['name']} ({area['level']}, {area['code']})" for area in candidates[:CANDIDATES_SHOWN]]
    more = " and others" if len(candidates) > CANDIDATES_SHOWN else ""
    raise UnclearName(f"{said} may be {', '.join(listed)}{more}: give the code.")


def _held(client: Client, code: str) -> str | None:
    """The code of an area that is known by a local code, not a GSS one."""
    try:
        return str(client.get(f"/v1/areas/{quote(code, safe='')}").body["code"])
    except Problem:
        return None


def _plain(name: str) -> str:
    return " ".join(name.casefold().split())
