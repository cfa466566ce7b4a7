"""`hedgerow gaps`, `closing`, `overlaps`, `fragility`, `access`, `adequacy`, `kpis`: tables for a place."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from hedgerow_cli.client import Client, Parameters, connect
from hedgerow_cli.names import Names
from hedgerow_cli.places import area_code
from hedgerow_cli.settings import Settings
from hedgerow_cli.tables import computed_lines, figure, many, named, people, share, table
from hedgerow_cli.terminal import out, plain, print_pages

if TYPE_CHECKING:
    from rich.table import Table

ROWS_SHOWN = 30
# Kinds of gap that who is there explains; others need their evidence.
KINDS_OF_COVER = ("uncovered", "partial", "single")
# Before a number of people that was derived from others, not counted.
ABOUT = "≈"

Json = dict[str, Any]
Tabulate = Callable[[Sequence[Json], Names], "Table"]

Place = Annotated[str, typer.Argument(metavar="AREA", help="A code, or a name that only one area has.")]
Need = Annotated[
    list[str] | None,
    typer.Option(help="Only this need: its id, or its term where only one taxonomy has it; may be repeated."),
]
Level = Annotated[
    str | None, typer.Option(help="Answer by these areas: ward, msoa, lsoa …; wards by default.")
]
Rule = Annotated[
    str | None, typer.Option(help="How an area counts as served: declared, sited or within:<km>.")
]
At = Annotated[str | None, typer.Option(help="The day to look at, as YYYY-MM-DD; today by default.")]
Count = Annotated[
    str | None, typer.Option(help="Whom to count: providers, or owners (their ultimate owners).")
]
Index = Annotated[
    str | None, typer.Option(help="The index that weights residents where nobody has counted people.")
]
Rows = Annotated[
    int | None,
    typer.Option("--limit", min=0, help="How many rows to print, 0 for all; 30 by default, all with --json."),
]


def gaps(
    context: typer.Context,
    area: Place,
    need: Need = None,
    level: Level = None,
    rule: Rule = None,
    at: At = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            help="Kinds of gap, such as uncovered, partial, under-capacity, out-of-reach, fragile, future, "
            "cohort, or all; may be repeated; the first two by default."
        ),
    ] = None,
    cohort: Annotated[
        str | None, typer.Option(help="Whom services must accept, such as 16-17, 65+ or 16-17;care-leaver.")
    ] = None,
    until: Annotated[
        str | None, typer.Option(help="For future gaps: the last day to look at, as YYYY-MM-DD.")
    ] = None,
    reach: Annotated[
        float | None, typer.Option(help="For out-of-reach: the distance standard in kilometres.")
    ] = None,
    count: Count = None,
    index: Index = None,
    limit: Rows = None,
) -> None:
    """Where need is unmet, or may be: every kind of gap in one list, most people first."""
    asked = {"need": need, "level": level, "rule": rule, "at": at, "count": count, "index": index}
    more = {"kind": kind, "cohort": cohort, "until": until, "reach": reach}
    _answer(context.obj, "gaps", area, {**asked, **more}, limit)


def closing(
    context: typer.Context,
    area: Place,
    budget: Annotated[
        float | None, typer.Option(help="Pounds: close gaps of most people within it, instead of all.")
    ] = None,
    extension_cost: Annotated[
        float | None, typer.Option(help="Pounds for one service that serves one further area.")
    ] = None,
    site_cost: Annotated[float | None, typer.Option(help="Pounds for one new site for one need.")] = None,
    price: Annotated[
        str | None, typer.Option(help="How measures are priced: stated, contracts or each (counts 1).")
    ] = None,
    measure: Annotated[
        list[str] | None, typer.Option(help="What may be done: extension or site; may be repeated.")
    ] = None,
    reach: Annotated[
        float | None, typer.Option(help="How far a site may be from an area it serves: 5 km by default.")
    ] = None,
    need: Need = None,
    level: Level = None,
    rule: Rule = None,
    at: At = None,
    index: Index = None,
    limit: Rows = None,
) -> None:
    """What would close the gaps at the least cost: services that serve further areas, new sites."""
    asked = {"need": need, "level": level, "rule": rule, "at": at, "index": index, "reach": reach}
    more = {"budget": budget, "extension_cost": extension_cost, "site_cost": site_cost}
    _answer(context.obj, "closing", area, {**asked, **more, "price": price, "measure": measure}, limit)


def overlaps(
    context: typer.Context,
    area: Place,
    need: Need = None,
    level: Level = None,
    rule: Rule = None,
    at: At = None,
    by: Annotated[str | None, typer.Option(help="Pairs of each service (the default) or provider.")] = None,
    count: Count = None,
    index: Index = None,
    limit: Rows = None,
) -> None:
    """Who covers the same needs in the same areas; most shared people first."""
    asked = {"need": need, "level": level, "rule": rule, "at": at, "count": count, "index": index}
    _answer(context.obj, "overlaps", area, {**asked, "by": by}, limit)


def fragility(
    context: typer.Context,
    area: Place,
    need: Need = None,
    level: Level = None,
    rule: Rule = None,
    at: At = None,
    by: Annotated[
        str | None,
        typer.Option(help="Who leaves: provider (the default), owner with all it owns, site or contract."),
    ] = None,
    index: Index = None,
    limit: Rows = None,
) -> None:
    """What nobody would cover any more if one provider left; most people first."""
    asked = {"need": need, "level": level, "rule": rule, "at": at, "by": by, "index": index}
    _answer(context.obj, "fragility", area, asked, limit)


def access(
    context: typer.Context,
    area: Place,
    need: Need = None,
    level: Level = None,
    at: At = None,
    method: Annotated[
        str | None, typer.Option(help="2sfca (the default), e2sfca, 3sfca, catchment or raam.")
    ] = None,
    decay: Annotated[
        str | None, typer.Option(help="How weights fall: binary, step, gaussian or gravity.")
    ] = None,
    reach: Annotated[
        float | None, typer.Option(help="The furthest people go: 30 minutes or 5 km by default.")
    ] = None,
    costs: Annotated[
        str | None, typer.Option(help="The matrix of travel costs; straight lines by default.")
    ] = None,
    tau: Annotated[
        float | None, typer.Option(help="Of raam: how far people go to avoid the mean crowding.")
    ] = None,
    at_least: Annotated[
        float | None, typer.Option(help="Places per person below which a cell is marked.")
    ] = None,
    index: Index = None,
    limit: Rows = None,
) -> None:
    """How many places per person lie within reach, and who is out of reach; the worst first."""
    asked: Parameters = {
        "need": need,
        "level": level,
        "at": at,
        "index": index,
        "method": method,
        "decay": decay,
        "limit": reach,
        "costs": costs,
        "tau": tau,
        "at_least": at_least,
    }
    _answer(context.obj, "access", area, asked, limit)


def adequacy(
    context: typer.Context,
    area: Place,
    rules: Annotated[
        str | None, typer.Option(help="The id of the rule set; the authority's own by default.")
    ] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="met, not met, excepted or cannot be judged; may be repeated; all by default."),
    ] = None,
    need: Need = None,
    level: Level = None,
    at: At = None,
    limit: Rows = None,
) -> None:
    """Where stated standards of provision are met, and where not; most people affected first."""
    asked = {"rules": rules, "status": status, "need": need, "level": level, "at": at}
    _answer(context.obj, "adequacy", area, asked, limit)


def kpis(
    context: typer.Context,
    area: Place,
    kpi: Annotated[str | None, typer.Option(help="Only this KPI, by its id.")] = None,
    as_of: Annotated[
        str | None, typer.Option(help="As it was known then: a day as YYYY-MM-DD, or a moment.")
    ] = None,
    limit: Rows = None,
) -> None:
    """The latest value of every KPI of an area, with the change since the period before."""
    settings: Settings = context.obj
    with connect(settings) as client:
        code = area_code(client, area)
        asked = {"subject": code, "kpi": kpi, "as_of": as_of}
        if settings.json:
            print_pages(client.pages("/v1/observations/latest", asked, limit=limit or None))
            return
        items = client.items("/v1/observations/latest", asked)
        if kpi is not None and not items:
            # One that is not there is an error, which the platform words.
            client.get(f"/v1/kpis/{quote(kpi, safe='')}")
        place = named(Names(client).area(code), code)
    if not items:
        said = "no KPI has a value" if kpi is None else f"the KPI {plain(kpi)} has no value"
        out().print(f"{place}: {said} here.")
        return
    shown = _rows(limit)
    out().print(f"KPIs of {place}")
    out().print(kpis_table(items[:shown]))
    _print_rest(items, shown)


def _answer(settings: Settings, subject: str, area: str, asked: Parameters, limit: int | None) -> None:
    with connect(settings) as client:
        code = area_code(client, area)
        path = f"/v1/localities/{quote(code, safe='')}/{subject}"
        if settings.json:
            print_pages(client.pages(path, asked, limit=limit or None, length=_length(subject)))
            return
        shown = _rows(limit)
        # Gaps and fragility are bounded by cells and providers; pairs of services are not.
        answer = read(
            client,
            path,
            asked,
            limit=shown if subject == "overlaps" else None,
            length=_length(subject),
        )
        names = Names(client)
        title = f"{subject.capitalize()} of {named(names.area(code), code)}{_total(subject, answer['items'])}"
        made = TABLES[subject](answer["items"][:shown], names)
    out().print(title, soft_wrap=True)
    if answer["items"]:
        out().print(made)
        _print_rest(answer["items"], shown, more=answer["next"] is not None)
    if subject == "closing":
        out().print(closing_outcome(answer), soft_wrap=True)
    for line in computed_lines(answer["computed"]):
        out().print(plain(line), soft_wrap=True)


def _length(subject: str) -> str:
    """The parameter for the length of a page: of access, `limit` is how far people go."""
    return "rows" if subject == "access" else "limit"


def read(
    client: Client, path: str, asked: Parameters, *, limit: int | None = None, length: str = "limit"
) -> Json:
    """An answer with the items of all its pages, or the first so many."""
    pages = list(client.pages(path, asked, limit=limit, length=length))
    answer: Json = pages[0].body
    answer["items"] = [item for page in pages for item in page.body["items"]]
    answer["next"] = pages[-1].body["next"]
    return answer


def _rows(limit: int | None) -> int | None:
    """How many rows to print; None prints all."""
    return ROWS_SHOWN if limit is None else limit or None


def _print_rest(items: Sequence[Json], shown: int | None, *, more: bool = False) -> None:
    """Say how many rows were left out."""
    if more:
        out().print("More rows follow: print all with --limit 0.")
    elif shown is not None and len(items) > shown:
        out().print(f"{people(len(items) - shown)} more rows: print all with --limit 0.")


def _total(subject: str, items: Sequence[Json]) -> str:
    if not items:
        return ": none"
    if subject == "gaps":
        counted = sum(item["people_affected"] or 0 for item in items)
        about = ABOUT if any(item["people_basis"] != "counted" for item in items) else ""
        if len({item["kind"] for item in items} - set(KINDS_OF_COVER)) > 0:
            # A cell may be in the list once for each kind: its people must not be added up.
            return f": {many(len(items), 'gap')}"
        cells = many(len(items), "cell")
        return f": {cells}, {about}{people(counted)} people (one person counts once for each need)"
    if subject == "access":
        out_of_reach = sum(item["status"] == "out of reach" for item in items)
        return f": {many(out_of_reach, 'cell')} of {people(len(items))} out of reach"
    if subject == "adequacy":
        return f": {many(sum(item['status'] == 'not met' for item in items), 'cell')} not met"
    if subject == "closing":
        return f": {many(len(items), 'measure')}"
    if subject == "fragility":
        return f": {many(len(items), items[0]['kind'])} alone somewhere"
    return ""


def kpis_table(items: Sequence[Json]) -> "Table":
    """The latest value of each KPI, what it was before, and what it should be."""
    made = table("KPI", "Period", "Value", "Unit", "Change", "Target", "Minimum")
    for item in items:
        kpi, latest = item["kpi"], item["latest"]
        value = figure(latest["value"]) if latest["value"] is not None else plain(latest["status"])
        made.add_row(
            named(kpi["name"], kpi["id"]),
            plain(latest["period"]),
            value,
            plain(kpi["unit"] or ""),
            _change(item["change"], kpi["polarity"]),
            figure(kpi["target"]) if kpi["target"] is not None else "",
            figure(kpi["minimum"]) if kpi["minimum"] is not None else "",
        )
    return made


def _change(change: float | None, polarity: str | None) -> str:
    """A change with its sign, and whether that is for the better."""
    if change is None:
        return ""
    sign = "+" if change > 0 else "±" if change == 0 else "−"
    said = f"{sign}{figure(abs(change))}"
    if change == 0 or polarity not in ("higher", "lower"):
        return said
    return f"{said} {'better' if (change > 0) == (polarity == 'higher') else 'worse'}"


def gaps_table(items: Sequence[Json], names: Names) -> "Table":
    """Gaps: what is needed, where, by how many, and who is there at all."""
    told = any(item["kind"] not in KINDS_OF_COVER for item in items)
    made = table("Need", "Area", "People", "Gap", "Why" if told else "Who is there")
    for item in items:
        there = (item["partly"] or {}).get("providers") if item["kind"] == "partial" else item["providers"]
        who = ", ".join(provider["name"] for provider in there or []) or "nobody"
        made.add_row(
            named(item["need_name"], item["need"]) if item["need"] is not None else "",
            named(item["area_name"], item["area"]),
            _about(item["people_affected"], item["people_basis"]),
            _kind(item),
            plain(item["evidence"]["says"] if told else who),
        )
    return made


def _kind(item: Json) -> str:
    served = (item["partly"] or {}).get("share")
    if item["kind"] == "partial" and served is not None:
        return f"partial, {share(served)} served"
    return plain(item["kind"] if not item.get("cohort") else f"{item['kind']} {item['cohort']}")


def _about(count: int | None, basis: str) -> str:
    return people(count) if count is None or basis == "counted" else f"{ABOUT}{people(count)}"


def closing_table(items: Sequence[Json], names: Names) -> "Table":
    """Measures that close gaps: who should serve where, for how many, at what cost."""
    made = table("What to do", "Where", "People", "Gaps", "Cost", "Why")
    for item in items:
        service, provider = item["service"], item["provider"]
        what = (
            named(service["name"], provider["name"])
            if service
            else f"a new site for {plain(item['need_name'])}"
        )
        made.add_row(
            what,
            named(item["area_name"], item["area"]),
            people(item["people_closed"]),
            people(item["cells_closed"]),
            "" if item["cost"] is None else f"£{figure(item['cost'])}",
            plain(item["reason"]),
        )
    return made


def closing_outcome(answer: Json) -> str:
    """How much is closed, at what cost, how good the choice is, and what cannot be closed."""
    cost = "" if answer["cost"] is None else f" for £{figure(answer['cost'])}"
    best = "No better choice exists." if answer["proven"] else "A better choice may exist."
    said = (
        f"Closes {people(answer['cells_closed'])} of {many(answer['cells'], 'gap')}, "
        f"{people(answer['people_closed'])} of {people(answer['people'])} people{cost}. {best}"
    )
    return plain(f"{said} {answer['infeasible'] or ''}".strip())


def overlaps_table(items: Sequence[Json], names: Names) -> "Table":
    """Overlaps: the two, what they share, and how much of each that is."""
    made = table("First", "Second", "Needs they share", "People", "Cells", "Contained", "Jaccard")
    needs = names.needs() if items else {}
    for item in items:
        shared = sorted(needs.get(need, need) for need in item["needs"])
        made.add_row(
            _party(item["first"]),
            _party(item["second"]) + (" [yellow]same owner[/]" if item["same_owner"] else ""),
            plain(", ".join(shared)),
            people(item["shared_people"]),
            people(item["shared_cells"]),
            share(item["containment"]),
            share(item["jaccard"]),
        )
    return made


def _party(party: Json) -> str:
    provider = party["provider"]
    return plain(party["name"]) if provider["id"] == party["id"] else named(party["name"], provider["name"])


def fragility_table(items: Sequence[Json], names: Names) -> "Table":
    """Fragility: who alone carries what."""
    who = items[0]["kind"] if items else "provider"
    made = table(f"If this {who} left", "People", "Cells", "Needs", "Areas", "Services")
    for item in items:
        made.add_row(
            plain(item["name"]),
            people(item["people_uncovered"]),
            *(people(item[name]) for name in ("cells_uncovered", "needs", "areas", "services")),
        )
    return made


def access_table(items: Sequence[Json], names: Names) -> "Table":
    """Access: places for a thousand people, the sites in reach, the nearest one."""
    made = table("Need", "Area", "People", "Per 1,000", "Sites in reach", "Nearest site", "How far", "Status")
    for item in items:
        nearest = item["nearest"]
        made.add_row(
            named(item["need_name"], item["need"]),
            named(item["area_name"], item["area"]),
            _about(item["people"], item["people_basis"]),
            figure(item["per_1000"] if item["per_1000"] is not None else item["ratio"]),
            people(item["sites_within"]),
            plain(nearest["site"]["name"]) if nearest else "none",
            figure(nearest["cost"]) if nearest else "",
            plain(item["status"]),
        )
    return made


def adequacy_table(items: Sequence[Json], names: Names) -> "Table":
    """Adequacy: which standard is met where, and why not."""
    made = table("Need", "Area", "Status", "People", "Why")
    for item in items:
        exception = item["exception"]
        until = f" until {exception['until']}: {exception['reason']}" if exception else ""
        made.add_row(
            named(item["need_name"], item["need"]),
            named(item["area_name"], item["area"]),
            plain(item["status"] + until),
            _about(item["people_affected"], item["people_basis"]),
            plain(item["why"]),
        )
    return made


TABLES: dict[str, Tabulate] = {
    "access": access_table,
    "adequacy": adequacy_table,
    "closing": closing_table,
    "gaps": gaps_table,
    "overlaps": overlaps_table,
    "fragility": fragility_table,
}
