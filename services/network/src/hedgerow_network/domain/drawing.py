"""The graph that is exchanged: organisations, services, needs and areas of a place, and their ties."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from hedgerow_network.domain.cover import Floats
from hedgerow_network.domain.designs import Design
from hedgerow_network.domain.directory import Directory
from hedgerow_network.domain.exchange import Edge, Graph, Node, Value, edge_ids
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.graphs import positions
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.relations import TYPES
from hedgerow_network.domain.web import Web

ORGANISATION, SERVICE, AREA, NEED = "organisation", "service", "area", "need"
KINDS = (ORGANISATION, SERVICE, AREA, NEED)

# Beyond these a drawing by springs takes minutes and shows a cloud: rings by kind are drawn instead.
MOST_SPRINGS = 3_000


class _Drawn:
    def __init__(self, kinds: Collection[str]) -> None:
        self.kinds = kinds
        self.nodes: dict[str, Node] = {}
        self.edges: list[Edge] = []

    def node(
        self,
        kind: str,
        id: str,
        label: str,
        *,
        place: tuple[float | None, float | None] = (None, None),
        **attributes: Value,
    ) -> None:
        if kind in self.kinds:
            self.nodes.setdefault(
                f"{kind}:{id}",
                Node(f"{kind}:{id}", kind, label, lon=place[0], lat=place[1], attributes=attributes),
            )

    def edge(
        self,
        source: tuple[str, str],
        target: tuple[str, str],
        relation: str,
        *,
        directed: bool = True,
        weight: float | None = None,
        **attributes: Value,
    ) -> None:
        ends = [f"{kind}:{id}" for kind, id in (source, target)]
        if all(end in self.nodes for end in ends):
            self.edges.append(Edge("", ends[0], ends[1], relation, directed, weight, attributes))

    def graph(self) -> Graph:
        """The graph in order of ids, with places for drawing."""
        nodes = [self.nodes[id] for id in sorted(self.nodes)]
        edges = edge_ids(self.edges)
        at = {node.id: place for place, node in enumerate(nodes)}
        drawn = _places(nodes, [(at[edge.source], at[edge.target]) for edge in edges])
        return Graph(
            nodes=tuple(
                Node(
                    node.id,
                    node.kind,
                    node.label,
                    round(float(x), 6),
                    round(float(y), 6),
                    node.lon,
                    node.lat,
                    node.attributes,
                )
                for node, (x, y) in zip(nodes, drawn, strict=True)
            ),
            edges=edges,
        )


def _places(nodes: Sequence[Node], ties: Sequence[tuple[int, int]]) -> Floats:
    if len(nodes) <= MOST_SPRINGS:
        return positions(len(nodes), ties)
    found = np.zeros((len(nodes), 2))
    for ring, kind in enumerate(KINDS, start=1):
        members = [place for place, node in enumerate(nodes) if node.kind == kind]
        angle = 2 * np.pi * np.arange(len(members)) / max(len(members), 1)
        found[members] = np.column_stack([np.cos(angle), np.sin(angle)]) * ring / len(KINDS)
    return found


def of_locality(of: Assessment, web: Web, kinds: Collection[str]) -> Graph:
    """The graph of a locality: who is in its web, the services that count there with what they address and
    whom they serve, its areas, the needs in use.
    """
    facts = of.facts
    drawn = _Drawn(kinds)
    rows = np.flatnonzero(np.diff(of.incidence.serves.indptr) > 0).tolist()
    _organisations(drawn, facts, web, rows)
    for place in of.areas.tolist():
        _area(drawn, facts, place)
    for need in of.needs:
        _need(drawn, facts, need)
    _services(drawn, facts, rows)
    addressed = of.incidence.addresses
    served = of.incidence.serves
    for row in rows:
        service = facts.directory.services[row]
        for column in addressed.indices[addressed.indptr[row] : addressed.indptr[row + 1]].tolist():
            drawn.edge((SERVICE, service.id), (NEED, of.needs[column]), "addresses")
        for column in served.indices[served.indptr[row] : served.indptr[row + 1]].tolist():
            code = facts.hierarchy.codes[int(of.areas[column])]
            drawn.edge((SERVICE, service.id), (AREA, code), "serves")
    _ties(drawn, web)
    return drawn.graph()


def of_network(facts: Facts, design: Design, web: Web, kinds: Collection[str]) -> Graph:
    """The graph of a network: whom it names and their ties, its services, needs and areas."""
    drawn = _Drawn(kinds)
    directory = facts.directory
    rows = [directory.position[one.id] for one in design.services if one.id in directory.position]
    _organisations(drawn, facts, web, rows)
    for code in design.areas:
        place = facts.hierarchy.position.get(code)
        if place is None:
            drawn.node(AREA, code, code, level=None, known=False)
        else:
            _area(drawn, facts, place)
    needs = {*design.needs, *(need for row in rows for need in directory.services[row].needs)}
    for need in sorted(needs):
        _need(drawn, facts, need)
    _services(drawn, facts, rows)
    for planned in design.services:
        if planned.id not in directory.position:
            drawn.node(
                SERVICE,
                planned.id,
                planned.name or planned.id,
                status="planned",
                department=planned.department,
            )
            if planned.organisation:
                who = directory.names.find(planned.organisation) or planned.organisation
                drawn.edge((ORGANISATION, who), (SERVICE, planned.id), "provides")
        held = directory.position.get(planned.id)
        stated = {*planned.needs, *(directory.services[held].needs if held is not None else ())}
        for need in sorted(stated):
            drawn.edge((SERVICE, planned.id), (NEED, need), "addresses")
    _ties(drawn, web)
    return drawn.graph()


def _organisations(drawn: _Drawn, facts: Facts, web: Web, rows: Iterable[int]) -> None:
    measures = web.measures if ORGANISATION in drawn.kinds else None
    middle = _middles(facts.directory, rows)
    for place, id in enumerate(web.ids):
        if measures is None:
            return
        bound = float(measures.constraint[place])
        drawn.node(
            ORGANISATION,
            id,
            web.names[place],
            place=middle.get(id, (None, None)),
            known=web.known[place],
            roles=";".join(web.roles[place]),
            layer=web.layers.get(id),
            degree=int(measures.degree[place]),
            betweenness=float(measures.betweenness[place]),
            closeness=float(measures.closeness[place]),
            constraint=bound if np.isfinite(bound) else None,
            component=int(measures.component[place]),
            community=int(measures.community[place]),
        )


def _middles(directory: Directory, rows: Iterable[int]) -> Mapping[str, tuple[float, float]]:
    """The middle of the sites of each organisation's services."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for row in rows:
        who = directory.services[row].organisation
        if who:
            found[who] += _sites(directory, row)
    return {
        who: (sum(x for x, _ in places) / len(places), sum(y for _, y in places) / len(places))
        for who, places in found.items()
        if places
    }


def _sites(directory: Directory, row: int) -> list[tuple[float, float]]:
    sites = (directory.sites[site] for site in directory.sites_of.get(row, ()))
    return [(site.lon, site.lat) for site in sites if site.lon is not None and site.lat is not None]


def _area(drawn: _Drawn, facts: Facts, place: int) -> None:
    area = facts.hierarchy.areas[place]
    drawn.node(AREA, area.code, area.name, place=(area.lon, area.lat), level=area.level)


def _need(drawn: _Drawn, facts: Facts, need: str) -> None:
    held = facts.taxonomies.needs.get(need)
    drawn.node(NEED, need, held.name if held is not None else need, taxonomy=need.partition(":")[0])


def _services(drawn: _Drawn, facts: Facts, rows: Iterable[int]) -> None:
    directory = facts.directory
    for row in rows:
        service = directory.services[row]
        sites = _sites(directory, row)
        drawn.node(
            SERVICE,
            service.id,
            service.name,
            place=sites[0] if sites else (None, None),
            status=service.status,
            capacity=service.capacity,
            valid_from=service.valid_from,
            valid_to=service.valid_to,
        )
        who = directory.providers.ids[int(directory.providers.of_service[row])]
        drawn.edge((ORGANISATION, who), (SERVICE, service.id), "provides")


def _ties(drawn: _Drawn, web: Web) -> None:
    for tie in web.ties:
        drawn.edge(
            (ORGANISATION, tie.source),
            (ORGANISATION, tie.target),
            tie.type,
            directed=TYPES[tie.type],
            weight=tie.weight,
            via=tie.via,
            valid_from=tie.start,
            valid_to=tie.end,
        )
