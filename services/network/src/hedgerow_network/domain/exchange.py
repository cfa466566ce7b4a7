"""Graphs in the formats of other tools: GraphML, GEXF, Cytoscape JSON, Kumu, GeoJSON."""

import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from typing import Any

import networkx as nx
import orjson

Value = str | int | float | bool | date | None


@dataclass(frozen=True)
class Node:
    """id: unique in the graph · x, y: its place in a drawing · lon, lat: on the map, None = nowhere known ·
    attributes: None and "" = not known
    """

    id: str
    kind: str
    label: str
    x: float = 0.0
    y: float = 0.0
    lon: float | None = None
    lat: float | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """id: unique in the graph · source, target: ids of nodes · relation: what ties them · directed: whether
    the order of the two says something
    """

    id: str
    source: str
    target: str
    relation: str
    directed: bool = True
    weight: float | None = None
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


# What XML 1.0 cannot hold at all; `%` too, so that different ids stay different.
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_NOT_IN_IDS = re.compile("[%\x00-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
# Names that GEXF takes for its own parts of a node or an edge.
_OF_GEXF = frozenset(
    {"id", "label", "viz", "pid", "start", "end", "parents", "slices", "spells", "key", "weight", "type"}
)
_SCALE = 1_000.0


def xml_text(text: str) -> str:
    r"""Text that XML can hold: what it cannot becomes U+FFFD; line ends become those of XML.

    >>> xml_text("a\x00b\r\nc") == "a\ufffdb\nc"
    True
    """
    return _NOT_XML.sub("\ufffd", text).replace("\r\n", "\n").replace("\r", "\n")


def xml_id(id: str) -> str:
    r"""An id that XML can hold, another one for each id: what it cannot hold is written as `%` and a number.

    >>> xml_id("a\x01"), xml_id("50 %")
    ('a%1;', '50 %25;')
    """
    return _NOT_IN_IDS.sub(lambda found: f"%{ord(found.group()):x};", id)


def _told(value: Value) -> str | int | float | bool | None:
    """A value as these formats have it: days as ISO text, nothing where nothing is known."""
    if value is None or value == "" or (isinstance(value, float) and not isfinite(value)):
        return None
    return value.isoformat() if isinstance(value, date) else value


def _columns(rows: Iterable[Mapping[str, Value]]) -> list[dict[str, str | int | float | bool]]:
    """Attributes of each row without the unknown, every name of one type throughout: readers take the type of
    the first for all.
    """
    told = [
        {name: found for name, value in row.items() if (found := _told(value)) is not None} for row in rows
    ]
    types: dict[str, set[type]] = {}
    for row in told:
        for name, value in row.items():
            types.setdefault(name, set()).add(type(value))
    cast: dict[str, Callable[[Any], Any]] = {
        name: (next(iter(found)) if len(found) == 1 else float if found == {int, float} else _as_text)
        for name, found in types.items()
    }
    return [
        {
            name: xml_text(made) if isinstance(made := cast[name](value), str) else made
            for name, value in row.items()
        }
        for row in told
    ]


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _node_values(node: Node) -> dict[str, Value]:
    return {
        **node.attributes,
        "label": node.label,
        "kind": node.kind,
        "x": float(node.x),
        "y": float(node.y),
        "lon": node.lon,
        "lat": node.lat,
    }


def _edge_values(edge: Edge) -> dict[str, Value]:
    return {
        **edge.attributes,
        "relation": edge.relation,
        "directed": edge.directed,
        "weight": edge.weight,
    }


def _as_networkx(graph: Graph) -> "nx.MultiDiGraph[str]":
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    for node, values in zip(graph.nodes, _columns(map(_node_values, graph.nodes)), strict=True):
        made.add_node(xml_id(node.id))
        made.nodes[xml_id(node.id)].update(values)
    for edge, values in zip(graph.edges, _columns(map(_edge_values, graph.edges)), strict=True):
        ends = (xml_id(edge.source), xml_id(edge.target), xml_id(edge.id))
        made.add_edge(*ends)
        made.edges[ends].update(values)
    return made


def graphml(graph: Graph) -> bytes:
    """The graph as GraphML; every edge has a direction, its attribute `directed` says whether it means
    something.
    """
    file = io.BytesIO()
    nx.write_graphml_xml(_as_networkx(graph), file, encoding="utf-8")
    return file.getvalue()


def gexf(graph: Graph) -> bytes:
    """The graph as GEXF 1.2, with places for drawing. Attributes with names that GEXF uses get a `_`."""
    made: nx.MultiDiGraph[str] = nx.MultiDiGraph()
    nodes = _columns(map(_node_values, graph.nodes))
    for node, values in zip(graph.nodes, nodes, strict=True):
        label = values.pop("label", "")
        own = {_renamed(name): value for name, value in values.items()}
        place = {"x": node.x * _SCALE, "y": node.y * _SCALE, "z": 0.0}
        made.add_node(xml_id(node.id))
        made.nodes[xml_id(node.id)].update(own, label=label, viz={"position": place})
    edges = _columns(map(_edge_values, graph.edges))
    for edge, values in zip(graph.edges, edges, strict=True):
        weight = values.pop("weight", None)
        own = {_renamed(name): value for name, value in values.items()}
        if weight is not None:
            own["weight"] = float(weight)
        ends = (xml_id(edge.source), xml_id(edge.target), xml_id(edge.id))
        made.add_edge(*ends)
        made.edges[ends].update(own, id=ends[2])
    file = io.BytesIO()
    nx.write_gexf(made, file, encoding="utf-8", version="1.2draft")
    # The same graph gives the same bytes, whatever the day.
    return re.sub(rb' lastmodifieddate="[^"]*"', b"", file.getvalue(), count=1)


def _renamed(name: str) -> str:
    """A name that GEXF does not take for its own, another one for each name."""
    bare = name.rstrip("_")
    return f"{name}_" if bare in _OF_GEXF else name


def cytoscape(graph: Graph, about: Mapping[str, Any] | None = None) -> bytes:
    """The graph as Cytoscape JSON, as both Cytoscape and networkx read it. about: data of the whole."""
    nodes = [
        {
            "data": {
                **_known(_node_values(node)),
                "id": node.id,
                "value": node.id,
                "name": node.label,
            },
            "position": {"x": round(node.x * _SCALE, 3), "y": round(node.y * _SCALE, 3)},
        }
        for node in graph.nodes
    ]
    edges = [
        {
            "data": {
                **_known(_edge_values(edge)),
                "id": edge.id,
                "key": edge.id,
                "source": edge.source,
                "target": edge.target,
                "interaction": edge.relation,
            }
        }
        for edge in graph.edges
    ]
    return orjson.dumps(
        {
            "data": dict(about or {}),
            "directed": True,
            "multigraph": True,
            "elements": {"nodes": nodes, "edges": edges},
        }
    )


def kumu(graph: Graph) -> bytes:
    """The graph as a Kumu blueprint: elements and connections, told apart by ids."""
    return orjson.dumps(
        {
            "elements": [
                {
                    **_known({f"{name}": value for name, value in node.attributes.items()}),
                    "id": node.id,
                    "label": node.label,
                    "type": node.kind,
                    "x": round(node.x * _SCALE, 3),
                    "y": round(node.y * _SCALE, 3),
                    **_known({"longitude": node.lon, "latitude": node.lat}),
                }
                for node in graph.nodes
            ],
            "connections": [
                {
                    **_known({**edge.attributes, "strength": edge.weight}),
                    "id": edge.id,
                    "from": edge.source,
                    "to": edge.target,
                    "type": edge.relation,
                    "direction": "directed" if edge.directed else "undirected",
                }
                for edge in graph.edges
            ],
        }
    )


def geojson(graph: Graph, about: Mapping[str, Any] | None = None) -> bytes:
    """Nodes as points and edges as lines between them, where both ends have a place (RFC 7946).

    What has no place on the map is there too, without a geometry.
    """
    place = {
        node.id: [node.lon, node.lat] for node in graph.nodes if node.lon is not None and node.lat is not None
    }
    features: list[dict[str, Any]] = [
        {
            "type": "Feature",
            "id": node.id,
            "geometry": {"type": "Point", "coordinates": place[node.id]} if node.id in place else None,
            "properties": _known(_node_values(node)),
        }
        for node in graph.nodes
    ]
    for edge in graph.edges:
        ends = [place[id] for id in (edge.source, edge.target) if id in place]
        features.append(
            {
                "type": "Feature",
                "id": edge.id,
                "geometry": {"type": "LineString", "coordinates": ends} if len(ends) == 2 else None,
                "properties": {
                    **_known(_edge_values(edge)),
                    "source": edge.source,
                    "target": edge.target,
                },
            }
        )
    return orjson.dumps({"type": "FeatureCollection", **(about or {}), "features": features})


def _known(values: Mapping[str, Value]) -> dict[str, str | int | float | bool]:
    return {name: found for name, value in values.items() if (found := _told(value)) is not None}


def edge_ids(edges: Sequence[Edge]) -> tuple[Edge, ...]:
    """The edges in order, each with an id of its own: `e1`, `e2` …"""
    ordered = sorted(
        edges,
        key=lambda e: (e.source, e.target, e.relation, str(sorted(e.attributes.items(), key=lambda i: i[0]))),
    )
    return tuple(
        Edge(f"e{place}", e.source, e.target, e.relation, e.directed, e.weight, e.attributes)
        for place, e in enumerate(ordered, start=1)
    )
