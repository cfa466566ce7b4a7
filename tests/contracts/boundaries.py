"""Two authorities' records in each app: what is theirs, by the ids that an attacker of ours would try."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hedgerow_kit.db import Database
from sqlalchemy import MetaData, select

from tests.network.feeding import feed
from tests.network.world import TOWN, records
from tests.outcomes import knowing, paying
from tests.outcomes.sending import HEAD
from tests.registry.files import fill
from tests.support.http import Client
from tests.support.identity import identity

OURS, THEIRS = "E06999001", "E06999002"
# In each name and id of theirs that can be chosen.
WORD = "zebra"

# For the place of ours, bought by one buyer: in force beside ours, and over.
CONTRACTS = f"""
    id           | services | start      | end        | buyers | authority | published
    ours         | s1       | 2025-01-01 |            | zoo    | {OURS}    | no
    {WORD}-deal  | s1;s4    | 2025-01-01 | 2030-06-30 | zoo    | {THEIRS}  | no
    {WORD}-ended | s2       | 2024-01-01 | 2025-03-31 | zoo    | {THEIRS}  | no
    """


@dataclass(frozen=True)
class World:
    """theirs: the ids of what is theirs · known: what stands for a parameter that has to be given · public:
    patterns of what bears their word and is everybody's to read
    """

    theirs: tuple[str, ...]
    known: dict[str, str]
    public: tuple[str, ...] = ()


def acting(app: str, role: str, authority: str) -> dict[str, str]:
    return identity(app, role=role, authorities=(authority,))


def twin(id: str) -> str:
    """An id of the same shape that nothing has."""
    if WORD in id:
        return id.replace(WORD, "zorba")
    return id[:-2] + ("a7" if id[-2:] != "a7" and not id[-1].isdigit() else "97")


class _Sender:
    """Sends what has to be taken."""

    def __init__(self, client: Client, app: str) -> None:
        self._client = client
        self._app = app

    def __call__(self, method: str, path: str, authority: str, **options: Any) -> Any:
        headers = acting(self._app, "administrator", authority) | options.pop("headers", {})
        answer = self._client.request(method, path, headers=headers, **options)
        assert answer.status_code < 300, f"{method} {path} {answer.text}"
        return answer.json()

    def file(self, kind: str, authority: str, rows: str, **options: str) -> str:
        headers = {"Content-Type": "text/csv"}
        made = self(
            "POST", f"/v1/imports/{kind}", authority, content=rows.encode(), params=options, headers=headers
        )
        assert made["counts"]["quarantined"] == 0, made
        return str(made["id"])


def outcomes(client: Client, url: str) -> World:
    send = _Sender(client, "outcomes")
    town, ward, nation = "E05999001", "E05999002", "E92000001"
    knowing.hear(
        url,
        knowing.area(nation, level="country"),
        knowing.area(OURS, nation, level="authority"),
        knowing.area(THEIRS, nation, level="authority"),
        knowing.area(town, OURS),
        knowing.area(ward, THEIRS),
        # Areas are no secret: their twins are areas too, of which nobody has handed in anything.
        knowing.area(twin(THEIRS), nation, level="authority"),
        knowing.area(twin(ward), twin(THEIRS)),
        knowing.contract(f"{WORD}-contract", authority_code=THEIRS, published=False),
        knowing.contract("ours", authority_code=OURS, published=False),
    )
    send.file("kpis", "*", "id,name,polarity,frequency,minimum\nwaits,Waiting times,lower,monthly,10\n")
    subjects = (THEIRS, ward, f"organisation:{WORD}", f"contract:{WORD}-contract")
    rows = "".join(f"waits,{one},2025-0{month},2{month}\n" for one in subjects for month in (1, 2, 3))
    sent = send.file("observations", THEIRS, HEAD + rows)
    send.file("kpis", THEIRS, f"id,name,minimum,polarity\n{WORD}-kpi,Zebra crossings,50,higher\n")
    send.file("observations", THEIRS, f"{HEAD}{WORD}-kpi,{THEIRS},2025-01,3\n")
    send.file("observations", OURS, f"{HEAD}waits,{OURS},2025-01,12\nwaits,organisation:ours,2025-01,12\n")
    send.file("observations", "*", f"{HEAD}waits,{nation},2025-01,12\n")
    ledger = "scheme,party,kind,period,amount_gbp\n"
    send.file("ledger", THEIRS, f"{ledger}{WORD}-scheme,{THEIRS},invest,2025-26,7\n")
    part = {
        "id": "waits",
        "kind": "activity",
        "items": [{"measure": {"kpi": "waits"}, "prices": [{"price": "1"}]}],
    }
    rule = paying.document(
        part,
        payers=[{"authority": THEIRS, "share": 1}],
        contributors=[{"subject": f"organisation:{WORD}", "share": 1}],
        starts="2025-01-01",
        ends="2025-12-31",
    )
    send("PUT", f"/v1/payment-rules/{WORD}-rule", THEIRS, json=rule)
    statement = send("POST", "/v1/statements", THEIRS, json={"rule": f"{WORD}-rule", "period": "2025-Q1"})
    (breach, *_) = client.items("/v1/breaches", headers=acting("outcomes", "reader", THEIRS))
    return World(
        (*subjects, f"{WORD}-contract", f"{WORD}-kpi", f"{WORD}-scheme", f"{WORD}-rule", statement["id"],
         breach["id"], sent),
        {"kpi": "waits", "id": "waits", "subject": OURS, "subjects": OURS, "period": "2025-01",
         "area": nation, "level": "authority", "threshold": "3", "cost": "waits", "outcome": "waits",
         "scheme": "ours",
         "by": "payer", "import_id": "x"},
    )  # fmt: skip


def network(client: Client, url: str) -> World:
    town = json.loads(json.dumps(records(**TOWN, contracts=CONTRACTS)).replace("E06000001", OURS))
    for _, id, data in town:
        if id.startswith(WORD):
            data["title"] = "Zebra crossings"
    database = Database(url)
    feed(database, town)
    database.dispose()
    send = _Sender(client, "network")
    design = {"id": f"{WORD}-net", "name": "Zebra network", "areas": [OURS], "commissioners": ["zoo"]}
    send("POST", "/v1/networks", THEIRS, json=design)
    send("POST", "/v1/networks", OURS, json=design | {"id": "ours", "name": "Ours"})
    relations = "network,from,to,type\n"
    send.file("relations", THEIRS, f"{relations}{WORD}-net,ant,{WORD}-body,referral\n")
    sent = send.file("costs", THEIRS, f"matrix,from_area,to_site,minutes\n{WORD}-car,E05000001,n,4\n")
    standards = {"name": "Zebra standards", "standards": [{"need": "food", "min_providers": 1}]}
    rules = send("POST", "/v1/adequacy-rules", THEIRS, json=standards)
    what_if = {"name": "Zebra scenario", "area": OURS, "steps": [{"do": "owner-fails", "owner": "zoo"}]}
    scenario = send("POST", "/v1/scenarios", THEIRS, json=what_if)
    return World(
        (f"{WORD}-net", f"{WORD}-car", f"{WORD}-body", rules["id"], scenario["id"], sent),
        {"area": OURS, "id": "ours", "name": "car", "version": "1", "need": "t:food", "this_need": "t:food",
         "cell_area": "E05000001", "import_id": "x"},
    )  # fmt: skip


def registry(client: Client, url: str) -> World:
    client.headers.update(identity("registry"))
    fill(client)
    send = _Sender(client, "registry")
    holdings, kitchen = (
        client.items("/v1/organisations", params={"text": name})[0]["id"]
        for name in ("Harbour Holdings", "Quay Kitchen")
    )
    contract = {
        "title": "Zebra crossings", "buyer_ids": [holdings], "supplier_ids": [kitchen], "published": False,
        "value": {"amount": 424242, "currency": "GBP"}, "start": "2025-04-01", "end": "2030-03-31",
        "needs": ["hedgerow:food"], "area_codes": ["E06999001"],
    }  # fmt: skip
    source = {"params": {"source": f"{WORD}-source"}}
    ids = [f"00000000-0000-4000-8000-0000000000{place}c" for place in ("1", "2")]
    made = send("PUT", f"/v1/contracts/{ids[0]}", THEIRS, json=contract, **source)
    plan = {
        name: contract[name] for name in ("title", "buyer_ids", "value", "needs", "area_codes", "published")
    }
    plan |= {"notice_on": "2026-05-01", "start": "2027-04-01", "end": "2032-03-31"}
    send("PUT", f"/v1/pipeline/{ids[1]}", THEIRS, json=plan, **source)
    address = {"url": f"https://{WORD}.example/services", "source": f"{WORD}-feed"}
    fed = send("POST", "/v1/feeds", THEIRS, json=address)
    pull = send("POST", f"/v1/feeds/{fed['id']}/pull", THEIRS)
    sent = send.file("organisations", THEIRS, f"id,name\n{WORD}-o,Open Body\n", source=f"{WORD}-open")
    return World(
        (*ids, made["ocid"], fed["id"], pull["id"], sent),
        {"id": kitchen, "code": "E06999001", "first_id": holdings, "second_id": kitchen, "by": "sector",
         "weights": "local=1", "buyer": holdings, "import_id": "x", "pull_id": "x"},
        (f"{WORD}-(source|feed|open)", f"{WORD}-o\\b"),
    )  # fmt: skip


WORLDS: dict[str, Callable[[Client, str], World]] = {
    "outcomes": outcomes,
    "network": network,
    "registry": registry,
}


def rows(url: str) -> dict[str, set[str]]:
    """All rows of a database, by table."""
    database = Database(url)
    try:
        metadata = MetaData()
        metadata.reflect(database.engine)
        with database.engine.connect() as connection:
            return {
                table.name: {repr(tuple(row)) for row in connection.execute(select(table))}
                for table in metadata.sorted_tables
            }
    finally:
        database.dispose()
