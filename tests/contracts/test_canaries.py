"""What anybody sends stands in no log, trace, metric or refusal, whatever it is and wherever it is sent.

A canary goes into every field, parameter and header of every route of the API's document, and into files of
every kind; then they are looked for in all that the platform says of its work.
"""

import json
import os
import re
import socket
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.contracts.boundaries import rows
from tests.contracts.test_conforms import SMALL_PLACE
from tests.support import postgres
from tests.support.collector import Collector, collecting
from tests.support.databases import DIALECTS, databases
from tests.support.platform import LocalPlatform, free_port, platform

APPS = ("registry", "network", "outcomes", "gateway")
# A value of a field, a parameter or a file; a name that the sender made up; what stands in a header, and is
# no business of any database's.
VALUE, NAME, HEADER = "canaryvalue7f3a", "canaryname7f3a", "canaryheader7f3a"
ANY = re.compile("|".join((VALUE, NAME, HEADER)), re.IGNORECASE)
COLUMNS = {
    "areas": "code,name,level,parent_code,vintage",
    "contracts": "id,title,buyer_id,supplier_id,start,end",
    "costs": "matrix,from_area,to_site,minutes",
    "crosswalk": "from_taxonomy,from_term,to_taxonomy,to_term,relation",
    "demand": "need,area_code,period,count",
    "indices": "index,area_code,period,value",
    "kpis": "id,name,polarity,frequency,minimum",
    "ledger": "scheme,party,kind,period,amount_gbp",
    "members": "organisation_id,name,role",
    "needs": "taxonomy,term,name,parent_term",
    "observations": "kpi,subject,period,value",
    "organisation-figures": "organisation_id,year,income",
    "organisations": "id,name,email,description",
    "ownership": "organisation_id,owner_name,owner_kind",
    "postcodes": "postcode,lon,lat",
    "relations": "network,from,to,type",
    "residents": "area_code,period,age_from,age_to,sex,count",
    "services": "id,name,organisation_name,email,needs,area_codes",
    "sites": "id,name,service_id,address,postcode,lon,lat",
    "spend": "buyer_code,supplier_name,supplier_id,date,amount_gbp,category,redacted",
}
# Sent as they are, past any client that would mend them.
RAW = (
    f"GET /v1/areas?text={VALUE} HTTP/9.9\r\nHost: {HEADER}\r\n\r\n",
    f"GET /{VALUE} HTTP/1.1\r\nHost: a\r\nHost: {HEADER}\r\n\r\n",
    f"{VALUE} / HTTP/1.1\r\nHost: {HEADER}\r\n\r\n",
    f"POST /v1/keys HTTP/1.1\r\nHost: a\r\nContent-Length: {VALUE}\r\n\r\n",
    f"GET /v1/areas HTTP/1.1\r\nHost: a\r\n{HEADER} : x\r\n\r\n",
    f"GET /v1/areas/%00{VALUE} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
)


@dataclass
class Sent:
    """What was sent, and what came of it."""

    routes: set[str] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)
    leaks: list[str] = field(default_factory=list)


class Caller:
    """Calls each operation of the document in many wrong ways and a right one, with canaries everywhere."""

    def __init__(self, up: LocalPlatform, *, each_field: bool) -> None:
        self._up = up
        self._each_field = each_field
        self._document = up.get("/openapi.json")
        self._numbers = count()
        self.sent = Sent()

    def call_all(self) -> None:
        for path, item in self._document["paths"].items():
            for method, operation in item.items():
                if method in ("get", "post", "put", "patch", "delete"):
                    self._call(method, path, operation)
        self._unknown()

    # --- one operation ---

    def _call(self, method: str, path: str, operation: Mapping[str, Any]) -> None:
        named = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
        addresses = [re.sub(r"\{[^}]*\}", VALUE, path)]
        if (known := self._known(path)) is not None:
            addresses.append(known)
        every = {one["name"]: VALUE for one in named}
        required = {one["name"]: VALUE for one in named if one.get("required")}
        queries = [every | {NAME: VALUE}, every, required]
        if self._each_field:
            queries += [required | {one["name"]: VALUE} for one in named]
        for address in addresses:
            if method == "get":
                # The first address, which nothing has, only in one way.
                for query in queries if address == addresses[-1] else queries[:1]:
                    self._answer(method, path, address, params=query)
            elif method == "delete":
                # Nothing is deleted: others are to be called with it.
                self._answer(method, path, address, headers={"If-Match": f'"{HEADER}"'})
            else:
                self._write(method, path, address, operation)

    def _write(self, method: str, path: str, address: str, operation: Mapping[str, Any]) -> None:
        content = operation.get("requestBody", {}).get("content", {})
        if path.startswith("/v1/imports/"):
            for media_type in content:
                for place, body in enumerate(files(path.rpartition("/")[2], media_type)):
                    options: dict[str, Any] = {"params": {"source": VALUE}} if place % 2 == 0 else {}
                    headers = {"Content-Type": media_type}
                    self._answer(method, path, address, content=body, headers=headers, **options)
            return
        if "application/x-www-form-urlencoded" in content:
            form = {"grant_type": "client_credentials", "client_id": VALUE, "client_secret": VALUE}
            self._answer(method, path, address, data=form | {NAME: VALUE})
        headers = {"Content-Type": "application/json"}
        if method != "post":
            tag = self._up.client.get(address).headers.get("etag")
            headers |= {"If-Match": tag} if tag else {}
        schema = content.get("application/json", {}).get("schema", {})
        for body in self._bodies(schema):
            self._answer(method, path, address, content=body, headers=headers)
        for wrong in ({"If-Match": f'"{HEADER}"'}, {"Content-Type": f"text/{HEADER}"}):
            self._answer(method, path, address, content=b"{}", headers=headers | wrong)

    def _bodies(self, schema: Mapping[str, Any]) -> Iterator[bytes]:
        good = self._made(schema, fits=True)
        yield json.dumps(good).encode()
        yield json.dumps(self._made(schema, fits=False)).encode()
        yield b'{"' + NAME.encode() + b'": "' + VALUE.encode()
        yield json.dumps(VALUE).encode()
        if isinstance(good, dict):
            yield json.dumps(good | {NAME: VALUE}).encode()
            if self._each_field:
                for name in good:
                    for wrong in (VALUE, [VALUE], {NAME: VALUE}, VALUE * 1_000):
                        yield json.dumps(good | {name: wrong}).encode()

    def _made(self, schema: Mapping[str, Any], *, fits: bool, depth: int = 0) -> Any:
        """A value of a schema with a canary in each text; not fits: in place of all else, too."""
        if "$ref" in schema:
            found: Any = self._document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            return self._made(found, fits=fits, depth=depth)
        for several in ("anyOf", "oneOf", "allOf"):
            if several in schema:
                chosen = [one for one in schema[several] if one.get("type") != "null"]
                return self._made(chosen[0], fits=fits, depth=depth)
        kind = schema.get("type")
        if kind == "object":
            made = {
                name: self._made(part, fits=fits, depth=depth + 1)
                for name, part in schema.get("properties", {}).items()
                if depth < 5 and (fits or name != "dry_run")
            }
            more = schema.get("additionalProperties")
            if more and not made:
                made[NAME] = self._made({} if more is True else more, fits=fits, depth=depth + 1)
            return made
        if kind == "array":
            return [self._made(schema.get("items", {}), fits=fits, depth=depth + 1)]
        if not fits:
            return VALUE
        if "enum" in schema or "const" in schema:
            return schema.get("const", schema.get("enum", [None])[0])
        if kind in ("integer", "number"):
            return schema.get("minimum", 1)
        if kind == "boolean":
            return schema.get("default", True)
        formats = {
            "date": "2026-05-31",
            "date-time": "2099-05-31T12:00:00Z",
            "uuid": str(uuid4()),
            "uri": f"https://{VALUE}.example/{VALUE}?key={VALUE}",
        }
        return formats.get(schema.get("format", ""), VALUE)

    def _known(self, path: str) -> str | None:
        """The address of something that is there, of a kind that is listed."""
        begin, _, rest = path.partition("/{")
        if not rest:
            return None
        answer = self._up.client.get(begin, params={"limit": 1})
        items = answer.json().get("items") if answer.status_code == 200 else None
        if not items or "/{" in rest:
            return None
        id = next((items[0][name] for name in ("id", "code", "name") if name in items[0]), None)
        return None if id is None else f"{begin}/{id}{rest.partition('}')[2]}"

    # --- what belongs to no operation ---

    def _unknown(self) -> None:
        for address in (f"/{VALUE}", f"/v1/{VALUE}/{VALUE}", f"/v1/areas/{VALUE}%2f..%2f{VALUE}"):
            for method in ("get", "post", "delete", "options"):
                self._answer(method, "nowhere", address, params={NAME: VALUE})
        for credential in (f"Bearer hedgerow_{HEADER}_x", f"Basic {HEADER}", f"Bearer {HEADER}.a.b", HEADER):
            self._answer("get", "credentials", "/v1/keys", headers={"Authorization": credential})
        self._answer("get", "credentials", "/auth/session", headers={"Cookie": f"hedgerow={HEADER}"})
        url = httpx.URL(self._up.url)
        for raw in RAW:
            with socket.create_connection((url.host, url.port or 80), timeout=30) as connection:
                connection.sendall(raw.encode())
                connection.shutdown(socket.SHUT_WR)
                said = b"".join(iter(lambda one=connection: one.recv(65_536), b""))
            if ANY.search(said.decode("latin-1")):
                self.sent.leaks.append(f"raw {raw[:30]!r}: {said!r}")

    def _answer(self, method: str, path: str, address: str, **options: Any) -> None:
        given = {
            "User-Agent": HEADER,
            "Referer": f"https://{HEADER}.example/?{HEADER}",
            "X-Request-Id": HEADER,
            "X-Forwarded-For": HEADER,
            "Forwarded": f"for={HEADER}",
            "Accept-Language": HEADER,
            "tracestate": f"a={HEADER}",
            "Idempotency-Key": f"{HEADER}-{next(self._numbers)}",
            **({"If-None-Match": f'"{HEADER}"'} if method == "get" else {}),
            **options.pop("headers", {}),
        }
        answer = self._up.client.request(method, address, headers=given, **options)
        name = f"{method.upper()} {path}"
        self.sent.routes.add(name)
        self.sent.statuses[answer.status_code] += 1
        if answer.status_code < 300:
            self.sent.taken.add(name)
        if answer.status_code >= 400:
            self._look(name, answer)

    def _look(self, name: str, answer: httpx.Response) -> None:
        """A refusal names places, never what was sent; a place may bear a name that the sender made up."""
        told = answer.text
        if answer.headers.get("content-type") == "application/problem+json":
            problem = answer.json()
            for error in problem.get("errors", ()):
                for place in ("pointer", "parameter"):
                    if place in error:
                        error[place] = error[place].replace(NAME, "")
            told = json.dumps(problem)
        told += json.dumps(dict(answer.headers))
        if ANY.search(told):
            self.sent.leaks.append(f"{name}: {told[:1_000]}")
        if answer.status_code >= 500:
            self.sent.leaks.append(f"{name}: {answer.status_code} {told[:500]}")


def files(kind: str, media_type: str) -> Iterator[bytes]:
    """Files of a kind: one of rows that may fit, one with a column too many, one that is no such file."""
    columns = COLUMNS.get(kind, "id,name").split(",")
    numbers = {"vintage": "2025", "minutes": "4", "count": "4", "value": "4", "period": "2025-01", "lon": "1"}
    likely = {name: numbers.get(name, VALUE) for name in columns}
    wild = dict.fromkeys([*columns, NAME], VALUE)
    if media_type == "text/csv":
        for row in (likely, wild):
            yield f"{','.join(row)}\n{','.join(row.values())}\n{VALUE}\n".encode()
        yield f"{NAME}\n{VALUE}\n".encode()
    elif media_type == "application/x-ndjson":
        yield "".join(
            f"{json.dumps(row)}\n" for row in (likely, wild, {NAME: {NAME: [VALUE]}}, VALUE)
        ).encode()
    elif media_type.endswith("json"):
        feature = {"type": "Feature", "properties": likely, "geometry": {"type": VALUE, "coordinates": VALUE}}
        for body in (
            [likely, wild, VALUE],
            {"type": "FeatureCollection", "features": [feature, VALUE]},
            {"contents": [likely | {"contacts": [{"name": VALUE, "email": VALUE}]}, VALUE]},
            {"releases": [{"ocid": VALUE, "id": VALUE, "date": VALUE, "parties": [{"name": VALUE}]}]},
            [
                {
                    "statementId": VALUE,
                    "recordType": "person",
                    "recordDetails": {"names": [{"fullName": VALUE}]},
                }
            ],
            {NAME: VALUE},
        ):
            yield json.dumps(body).encode()
    yield f'{{"{NAME}": "{VALUE}'.encode()
    yield VALUE.encode() + b"\xff\xfe\x00"


def neighbouring_ports(number: int) -> int:
    """The first of so many free ports, one beside the other."""
    for _ in range(100):
        first = free_port()
        try:
            with ExitStack() as taken:
                for port in range(first, first + number):
                    taken.enter_context(socket.create_server(("127.0.0.1", port)))
        except OSError:
            continue
        return first
    raise AssertionError("no free ports beside one another")


def places(text: str, *, only: str | None = None) -> list[str]:
    """What stands around each canary."""
    found = re.finditer(only, text) if only else ANY.finditer(text)
    return [text[max(0, one.start() - 300) : one.end() + 100] for one in found]


def held(dialect: str, tmp_path: Path, found: Collector, *, each_field: bool) -> None:
    first_port = neighbouring_ports(len(APPS))
    with databases(dialect, tmp_path, os.environ[postgres.SERVER]) as made:
        urls = {} if dialect == "sqlite" else {app: made.empty() for app in APPS}
        data_dir = tmp_path / "var"
        with platform(
            data_dir,
            *("--manifest", str(SMALL_PLACE), "--metrics-port", str(first_port)),
            databases=urls,
            environment={"HEDGEROW_LOG_LEVEL": "DEBUG", **found.environment},
        ) as up:
            up.wait_until_loaded()
            up.wait_for_network()
            caller = Caller(up, each_field=each_field)
            caller.call_all()
            metrics = {
                port: httpx.get(f"http://127.0.0.1:{port}/metrics").text
                for port in range(first_port, first_port + len(APPS))
            }
        addresses = {app: urls.get(app, f"sqlite:///{data_dir / app / app}.db") for app in APPS}
        stored = {
            app: json.dumps({table: sorted(held) for table, held in rows(url).items()})
            for app, url in addresses.items()
        }
    sent = caller.sent
    logs = {file.name: file.read_text() for file in (data_dir / "logs").iterdir()}
    spans = b"".join(found.bodies)
    print(
        f"{dialect}: {len(sent.routes)} operations, {sent.statuses.total():,} requests {dict(sent.statuses)},"
        f" {len(sent.taken)} operations took something; {sum(map(len, logs.values())):,} characters of logs,"
        f" {len(spans):,} bytes of spans, {sum(map(len, metrics.values())):,} of metrics"
    )
    # Enough was sent, and enough was said of it, for the silence to mean something.
    assert len(sent.taken) >= 100
    assert {f"{app}.log" for app in APPS} <= logs.keys()
    assert sum(text.count('"answered"') for text in logs.values()) >= sent.statuses.total()
    assert all(f"hedgerow-{app}".encode() in spans for app in APPS)
    assert all("hedgerow_requests_total" in text for text in metrics.values())
    assert VALUE in stored["registry"]

    leaks = list(sent.leaks)
    for name, text in {**logs, "up": up.said(), "spans": spans.decode("latin-1")}.items():
        leaks += [f"{name}: {place}" for place in places(text)]
    for port, text in metrics.items():
        leaks += [f"metrics at {port}: {place}" for place in places(text)]
    for app, text in stored.items():
        leaks += [f"database of {app}: {place}" for place in places(text, only=HEADER)]
    for file in data_dir.rglob("*"):
        if file.is_file() and ".db" not in file.suffix and file.parent.name != "logs":
            leaks += [f"{file}: {place}" for place in places(file.read_bytes().decode("latin-1"))]
    assert leaks == []


@pytest.mark.parametrize("dialect", ["sqlite"])
def test_nothing_that_is_sent_is_told_in_logs_traces_metrics_or_refusals(
    dialect: str, tmp_path: Path
) -> None:
    with collecting() as found:
        held(dialect, tmp_path, found, each_field=False)


@pytest.mark.slow
@pytest.mark.parametrize("dialect", DIALECTS)
def test_nor_is_any_field_or_parameter_by_itself(dialect: str, tmp_path: Path) -> None:
    with collecting() as found:
        held(dialect, tmp_path, found, each_field=True)
