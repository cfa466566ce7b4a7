"""Two places that differ in nothing but withheld values give the same answers, whatever is asked.

So no read tells anything of what is withheld: neither the value nor a sum, a rank, a colour or a count that
it moved. The attackers of `test_disclosure.py` look at what the shown values give away together.
"""

import io
import random
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import openpyxl
import polars as pl
import pytest

from tests.outcomes.knowing import area, hear
from tests.outcomes.paying import document
from tests.outcomes.sending import send
from tests.support import apps
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity

TOWN = "E06000001"
WARDS = [f"E0500000{place}" for place in range(1, 8)]
MONTHS = [f"2024-{month:02}" for month in range(1, 13)] + [f"2025-{month:02}" for month in range(1, 4)]
KPIS = (
    "id,name,unit,polarity,perspective,aggregation,frequency,suppress_below,minimum,target\n"
    "cases,Cases,people,lower,outward,sum,monthly,5,20,10\n"
    "share,Share,%,higher,outward,ratio_of_sums,monthly,5,3,50\n"
    "content,Content,%,higher,user_voice,mean,monthly,,60,90\n"
    "pounds,Pounds,£,lower,inward,sum,monthly,,,\n"
)
HEAD = "kpi,subject,period,value,numerator,denominator\n"
# Two wards with small numbers in ten months: in one world the first's rise while the second's fall, in the
# other it is the other way about. No sum of wards or of months tells the worlds apart.
RISING = [1] * 5 + [4] * 5


def world(*, moved: bool) -> dict[tuple[str, str], int]:
    """Counts by subject and period: wards, the town that they make up, and the year that the months do."""
    draw = random.Random(5)
    counts = {(ward, month): draw.choice([6, 9, 14, 25, 40]) for month in MONTHS for ward in WARDS}
    counts |= {(WARDS[2], month): draw.choice([3, 12]) for month in MONTHS[: len(RISING)]}
    rising, falling = (WARDS[1], WARDS[0]) if moved else (WARDS[0], WARDS[1])
    for month, small in zip(MONTHS, RISING, strict=False):
        counts[rising, month], counts[falling, month] = small, 5 - small
    for month in MONTHS:
        counts[TOWN, month] = sum(counts[ward, month] for ward in WARDS)
    for subject in (*WARDS, TOWN):
        counts[subject, "2024"] = sum(counts[subject, month] for month in MONTHS[:12])
    return counts


def observations(counts: Mapping[tuple[str, str], int]) -> str:
    rows = []
    for (subject, period), count in counts.items():
        people = 200 if subject != TOWN else 200 * len(WARDS)
        people *= 12 if period == "2024" else 1
        rows.append(f"cases,{subject},{period},{count},,")
        rows.append(f"share,{subject},{period},{count / people * 100!r},{count},{people}")
        # What is not protected is the same in both worlds.
        known = sum(map(ord, subject + period))
        rows.append(f"content,{subject},{period},{40 + known % 50},,")
        rows.append(f"pounds,{subject},{period},{1000 + known % 500},,")
    return HEAD + "\n".join(rows) + "\n"


@pytest.fixture
def worlds(made_databases: Databases) -> Iterator[tuple[Client, Client]]:
    with _filled(made_databases, moved=False) as one, _filled(made_databases, moved=True) as other:
        yield one, other


class _filled:
    def __init__(self, made: Databases, *, moved: bool) -> None:
        url = made.migrated("hedgerow_outcomes")
        hear(url, area(TOWN, level="authority"), *(area(ward, TOWN) for ward in WARDS))
        self._running = running(apps.made("outcomes", url), headers=identity("outcomes"))
        self._moved = moved

    def __enter__(self) -> Client:
        client = self._running.__enter__()
        send(client, "kpis", KPIS)
        send(client, "observations", observations(world(moved=self._moved)))
        self._correct(client)
        visits = {
            "id": "cases",
            "kind": "activity",
            "items": [{"measure": {"kpi": "cases", "subject": WARDS[0]}, "prices": [{"price": 7}]}],
        }
        assert client.put("/v1/payment-rules/r", json=document(visits)).status_code == 201
        client.headers.update(identity("outcomes", role="reader", authorities=(TOWN,)))
        return client

    def _correct(self, client: Client) -> None:
        """Two more of what is shown, in a ward and what it adds up to: before and after can be compared."""
        counts = world(moved=self._moved)
        keys = [(subject, period) for subject in (WARDS[5], TOWN) for period in (MONTHS[3], "2024")]
        send(client, "observations", observations({key: counts[key] + 2 for key in keys}))

    def __exit__(self, *error: Any) -> None:
        self._running.__exit__(*error)


LISTS = [
    "/v1/observations?kpi={kpi}&limit=1000",
    "/v1/observations?kpi={kpi}&subject={ward}&from=2024-02-01&to=2024-04-30",
    "/v1/observations/latest?kpi={kpi}&subject={ward}&subject={town}",
    "/v1/kpis/{kpi}/latest",
    "/v1/kpis/{kpi}/series?subject={ward}",
    "/v1/kpis/{kpi}/series?subject={town}",
    "/v1/kpis/{kpi}/compare?period={month}&prefix=E05&comparator={town}",
    "/v1/kpis/{kpi}/compare?period={month}&within={town}&level=ward",
    "/v1/kpis/{kpi}/compare?period=2024&subjects={ward}&subjects={town}",
    "/v1/kpis/{kpi}/spc?subject={ward}",
    "/v1/kpis/{kpi}/funnel?period={month}&prefix=E05",
    "/v1/breaches?kpi={kpi}&limit=1000",
    "/v1/divergences?subject={ward}",
    "/v1/observations/late?at=2026-01-01",
]
OTHERS = [
    "/v1/kpis/{kpi}/aggregate?area={town}&level=ward&period={month}",
    "/v1/kpis/{kpi}/aggregate?area={town}&level=ward&period=2024",
    "/v1/kpis/{kpi}/spc?subject={ward}&baseline=12",
    "/v1/kpis/{kpi}/spc.svg?subject={ward}",
    "/v1/kpis/{kpi}/spc.png?subject={ward}",
    "/v1/kpis/{kpi}/funnel.svg?period={month}&prefix=E05",
    "/v1/kpis/{kpi}/funnel.png?period={month}&prefix=E05",
    "/v1/kpis/{kpi}/bunching?threshold=3&width=2&from=2024-01-01&to=2025-03-31",
    "/v1/outcome-events?limit=1000",
    "/v1/evaluations/cost-per-outcome?cost=pounds&outcome={kpi}&subject={ward}&subject={town}",
    "/v1/statements",
    "/v1/payment-rules/r",
]
_AS_OF = ("/v1/observations?", "/latest", "/series", "/compare", "/spc", "/funnel")
FORMATS = ("json", "ndjson", "csv", "csv-excel", "xlsx", "parquet")
_MOMENT = re.compile(
    rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)?|datetime\.datetime\([^)]*\)+"
    rb'|"mark":"[0-9a-f]+"'
)


def asked_of(client: Client) -> Iterator[tuple[str, int, bytes]]:
    """Every question, and its answer without the moments at which things were sent and computed."""
    for kpi in ("cases", "share"):
        names = {"kpi": kpi, "ward": WARDS[0], "month": MONTHS[2], "town": TOWN}
        (first,) = client.get(f"/v1/observations?kpi={kpi}&limit=1").json()["items"]
        for question in (one.format(**names) for one in LISTS):
            glue = "&" if "?" in question else "?"
            for format in FORMATS:
                url = f"{question}{glue}format={format}"
                yield url, *_answer(client.get(url), format)
            if any(path in question for path in _AS_OF):
                # As it was known before the correction.
                before = client.get(f"{question}{glue}as_of={quote(first['known_from'])}")
                yield f"{question} as of before", *_answer(before, "")
        for question in (one.format(**names) for one in OTHERS):
            yield question, *_answer(client.get(question), "")
        yield f"difference in differences of {kpi}", *_answer(_difference(client, kpi), "")


def _difference(client: Client, kpi: str) -> Any:
    body = {
        "kpi": kpi,
        "treated": [{"subject": ward, "start": "2024-06-01"} for ward in (WARDS[0], WARDS[3])],
        "comparison": [WARDS[1], *WARDS[4:]],
    }
    return client.post("/v1/evaluations/difference-in-differences", json=body)


def _answer(answer: Any, format: str) -> tuple[int, bytes]:
    content = answer.content
    # The same table is another file at another moment.
    if answer.status_code == 200 and format == "xlsx":
        content = repr(list(openpyxl.load_workbook(io.BytesIO(content))["Rows"].values)).encode()
    if answer.status_code == 200 and format == "parquet":
        content = repr(pl.read_parquet(io.BytesIO(content)).rows()).encode()
    return answer.status_code, _MOMENT.sub(b"then", content)


def test_worlds_that_differ_in_withheld_values_only_give_the_same_answers(
    worlds: tuple[Client, Client],
) -> None:
    one, other = world(moved=False), world(moved=True)
    differing = {key for key in one if one[key] != other[key]}
    assert len(differing) == 2 * len(RISING)
    for client in worlds:
        rows = client.items("/v1/observations", params={"kpi": "cases", "limit": 1000})
        hidden = {(row["subject"], row["period"]) for row in rows if row["value"] is None}
        assert differing < hidden
    shown = 0
    for (question, status, answer), (_, also, again) in zip(*map(asked_of, worlds), strict=True):
        assert (status, answer) == (also, again), question
        shown += status == 200
        # What is paid is counted from what was measured: it is not for readers.
        of_money = any(path in question for path in ("/statements", "/payment-rules", "/cost-per-outcome"))
        assert (status == 403) is of_money, question
        assert status in (200, 403), question
    assert shown > 150
