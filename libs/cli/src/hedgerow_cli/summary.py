"""What `hedgerow up` shows of a place once the platform runs: its gaps, overlaps, fragility and KPIs."""

from typing import TYPE_CHECKING, Any

from hedgerow_cli.answers import TABLES, kpis_table, read
from hedgerow_cli.client import Client
from hedgerow_cli.names import Names
from hedgerow_cli.tables import computed_lines, many, named, people
from hedgerow_cli.terminal import out, plain

if TYPE_CHECKING:
    from hedgerow_cli.demonstration import Place

TOP = 5
SHOWN = ("gaps", "overlaps", "fragility")


def show(client: Client, place: "Place | None", *, options: str = "") -> None:
    """Print the place; without one, say how to look at any. `options` go with the commands it names."""
    console = out()
    options = plain(options)
    if place is None:
        console.print(f"Look at a place with: hedgerow gaps AREA{options} (a code or a name).")
        return
    where = f"/v1/localities/{place.area}"
    told = client.get(f"{where}/summary").body
    names = Names(client)
    console.print()
    for line in in_figures(told):
        console.print(line, soft_wrap=True)
    for subject in SHOWN:
        answer = read(client, f"{where}/{subject}", {}, limit=TOP)
        _titled(subject.capitalize(), f"{subject} {place.area}{options}", bool(answer["items"]))
        if answer["items"]:
            console.print(TABLES[subject](answer["items"], names))
    observed = client.items("/v1/observations/latest", {"subject": place.area}, limit=TOP)
    _titled("KPIs", f"kpis {place.area}{options}", bool(observed))
    if observed:
        console.print(kpis_table(observed))
    console.print()
    for line in computed_lines(told["computed"]):
        console.print(plain(line), soft_wrap=True)


def in_figures(told: dict[str, Any]) -> list[str]:
    """A place in two lines: who lives and works there, and how its cells are covered."""
    cells = told["cells"]
    uncovered = sum(need["people_uncovered"] or 0 for need in told["by_need"])
    residents = f"{people(told['residents'])} residents, " if told["residents"] is not None else ""
    return [
        f"[bold]{named(told['name'], told['area'])}[/]: {residents}{many(told['areas'], 'area')} by"
        f" {plain(told['level'])}, {many(told['needs'], 'need')}, {many(told['services'], 'service')} of"
        f" {many(told['providers'], 'provider')}",
        f"{many(sum(cells.values()), 'cell')} of one need in one area: {many(cells['gap'], 'gap')},"
        f" {people(cells['partial'])} partial, {people(cells['single'])} with a single provider,"
        f" {many(cells['overlap'], 'overlap')}; about {people(uncovered)} people left out"
        " (one person counts once for each need)",
    ]


def _titled(what: str, command: str, some: bool) -> None:
    out().print()
    out().print(f"[bold]{what}[/] [dim](hedgerow {command})[/]{'' if some else ': none'}", soft_wrap=True)
