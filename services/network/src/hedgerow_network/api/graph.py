"""`/v1/localities/{area}/graph` and `/v1/networks/{id}/graph`: the graph, for other tools."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response
from hedgerow_kit import formats, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from hedgerow_kit.formats import Format, Listing, Named
from hedgerow_kit.paging import Page
from hedgerow_kit.parquet import PARQUET
from hedgerow_kit.problems import NOT_ACCEPTABLE, Problem
from pydantic import BaseModel, Field

from hedgerow_network.api.asking import About, Now
from hedgerow_network.api.structure import (
    At,
    Types,
    known_network,
    locality_structure,
    network_structure,
    structure_caveats,
    types_named,
)
from hedgerow_network.domain import drawing, exchange
from hedgerow_network.domain.exchange import Graph

router = problems.router(prefix="/v1", tags=["structure"])

Reader = Annotated[Principal, require("read")]
GraphFormat = Literal[
    "json", "graphml", "gexf", "cytoscape", "kumu", "geojson", "csv", "csv-excel", "xlsx", "parquet"
]
FormatAsked = Annotated[
    GraphFormat | None,
    Query(
        description="The format; goes before an Accept header. `graphml` and `gexf` for Gephi, yEd and "
        "others, `cytoscape` and `kumu` as those tools read them, `geojson` for maps, tables for spreadsheets"
    ),
]
Table = Annotated[
    Literal["nodes", "edges"], Query(description="Which table, in formats that hold one: csv, xlsx, parquet")
]
Kinds = Annotated[
    list[Literal["organisation", "service", "area", "need"]] | None,
    Query(description="Only nodes of these kinds (may be repeated), and the edges between them"),
]


class NodeRow(BaseModel):
    """A node; what is not known of it, or is of no use for its kind, is null."""

    id: str
    kind: Literal["organisation", "service", "area", "need"]
    label: str
    x: float = Field(description="Its place in a drawing")
    y: float
    lon: float | None = Field(
        description="On the map: a service's first site, an organisation's middle of sites, an area's point"
    )
    lat: float | None
    known: bool | None = None
    roles: str | None = None
    layer: int | None = None
    degree: int | None = None
    betweenness: float | None = None
    closeness: float | None = None
    constraint: float | None = None
    component: int | None = None
    community: int | None = None
    status: str | None = None
    department: str | None = None
    capacity: float | None = None
    level: str | None = None
    taxonomy: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None


class EdgeRow(BaseModel):
    """An edge; `relation` is provides, addresses, serves, or a type of relation between organisations."""

    id: str
    source: str
    target: str
    relation: str
    directed: bool = Field(description="Whether the order of the two says something")
    weight: float | None
    via: str | None = Field(default=None, description="The network or contract that it stands in")
    valid_from: date | None = None
    valid_to: date | None = None


class GraphComputed(BaseModel):
    at: date
    types: list[str]
    kinds: list[str]
    registry_seq: int
    caveats: list[str]


class GraphView(BaseModel):
    """A graph whole: nodes with their places in a drawing, edges, and what it rests on."""

    nodes: list[NodeRow]
    edges: list[EdgeRow]
    computed: GraphComputed


_OWN: tuple[Named, ...] = (
    formats.JSON,
    Named("graphml", "application/graphml+xml", "graphml"),
    Named("gexf", "application/gexf+xml", "gexf"),
    Named("cytoscape", "application/vnd.cytoscape+json", "cyjs"),
    Named("kumu", "application/vnd.kumu+json", "json"),
    Named("geojson", "application/geo+json", "geojson"),
)
_TABLES: tuple[Format, ...] = (
    *(one for one in formats.EVERYWHERE if one.name in ("csv", "csv-excel", "xlsx")),
    PARQUET,
)
_WHOLE: Mapping[str, Callable[[Graph, Mapping[str, Any]], bytes]] = {
    "graphml": lambda graph, about: exchange.graphml(graph),
    "gexf": lambda graph, about: exchange.gexf(graph),
    "cytoscape": exchange.cytoscape,
    "kumu": lambda graph, about: exchange.kumu(graph),
    "geojson": exchange.geojson,
}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            one.media_type: {"schema": one.schema} for one in (*_OWN, *_TABLES) if one is not formats.JSON
        }
    }
}


@router.get("/localities/{area}/graph", response_model=GraphView, responses=_RESPONSES)
def graph_of_locality(
    request: Request,
    asked: About,
    session: Reading,
    principal: Reader,
    format: FormatAsked = None,
    table: Table = "edges",
    kind: Kinds = None,
    type: Types = None,
) -> Response:
    """The graph of a place for other tools: organisations, services, needs and areas, who provides, addresses
    and serves what, and how organisations are related. Places for drawing are worked out here.
    """
    chosen = _chosen(request, format)
    types, kinds = types_named(type), _kinds(kind)
    found, read = locality_structure(request, asked, session, types)
    of = asked.assessment()
    key = (asked.key, "graph", types, kinds, read.versions)
    graph = asked.answers.get(key, lambda: drawing.of_locality(of, found.web, kinds))
    computed = GraphComputed(
        at=asked.question.at,
        types=list(types),
        kinds=list(kinds),
        registry_seq=asked.snapshot.registry_seq,
        caveats=structure_caveats(found, asked.snapshot, principal),
    )
    return _answer(graph, computed, chosen, table, name=asked.question.locality)


@router.get("/networks/{id}/graph", response_model=GraphView, responses=_RESPONSES)
def graph_of_network(
    id: str,
    now: Now,
    request: Request,
    session: Reading,
    principal: Reader,
    format: FormatAsked = None,
    table: Table = "edges",
    kind: Kinds = None,
    type: Types = None,
    at: At = None,
) -> Response:
    """The graph of one network for other tools: whom it names and how they are related, its services, needs
    and areas.
    """
    row = known_network(session, id)
    chosen = _chosen(request, format)
    types, kinds, day = types_named(type), _kinds(kind), at or request.app.state.today()
    found, _ = network_structure(request, now, row, session, principal, day, types)
    graph = drawing.of_network(now.facts, found.design, found.web, kinds)
    computed = GraphComputed(
        at=day,
        types=list(types),
        kinds=list(kinds),
        registry_seq=now.registry_seq,
        caveats=structure_caveats(found, now, principal),
    )
    return _answer(graph, computed, chosen, table, name=row.id)


def _kinds(asked: list[Any] | None) -> tuple[str, ...]:
    return tuple(kind for kind in drawing.KINDS if kind in asked) if asked else drawing.KINDS


def _chosen(request: Request, named: str | None) -> Named:
    offered = (*_OWN, *_TABLES)
    if named is not None:
        return next(one for one in offered if one.name == named)
    try:
        return formats.accepted(request.headers.get("accept"), offered)
    except formats.NotOffered as error:
        raise Problem(NOT_ACCEPTABLE, f"This graph comes as {error}.") from None


def _answer(graph: Graph, computed: GraphComputed, chosen: Named, table: str, *, name: str) -> Response:
    about = {"computed": computed.model_dump(mode="json")}
    headers = {"Vary": "Accept", **formats.about_header(about)}
    if chosen is not formats.JSON:
        stem = "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in name)[:60]
        headers["Content-Disposition"] = f'attachment; filename="{stem}-graph.{chosen.extension}"'
    if chosen.name in _WHOLE:
        return Response(_WHOLE[chosen.name](graph, about), headers=headers, media_type=chosen.content_type)
    nodes, edges = [_node(node) for node in graph.nodes], [_edge(edge) for edge in graph.edges]
    if isinstance(chosen, Format) and chosen is not formats.JSON:
        rows: Sequence[BaseModel] = nodes if table == "nodes" else edges
        body = _table(chosen, table, rows, about)
        return Response(body, headers=headers, media_type=chosen.content_type)
    view = GraphView(nodes=nodes, edges=edges, computed=computed)
    return Response(view.model_dump_json(), headers=headers, media_type="application/json")


_LISTED = {"nodes": Listing.of(Page[NodeRow]), "edges": Listing.of(Page[EdgeRow])}


def _table(chosen: Format, table: str, rows: Sequence[BaseModel], about: Mapping[str, Any]) -> bytes:
    listing = _LISTED[table]
    assert listing is not None
    writer = chosen.writer(listing)
    try:
        items = [row.model_dump(mode="json") for row in rows]
        return b"".join([*writer.begin(about), *writer.add(items), *writer.end()])
    finally:
        writer.close()


def _node(node: exchange.Node) -> NodeRow:
    return NodeRow.model_validate(
        {
            **node.attributes,
            "id": node.id,
            "kind": node.kind,
            "label": node.label,
            "x": node.x,
            "y": node.y,
            "lon": node.lon,
            "lat": node.lat,
        }
    )


def _edge(edge: exchange.Edge) -> EdgeRow:
    return EdgeRow.model_validate(
        {
            **edge.attributes,
            "id": edge.id,
            "source": edge.source,
            "target": edge.target,
            "relation": edge.relation,
            "directed": edge.directed,
            "weight": edge.weight,
        }
    )
