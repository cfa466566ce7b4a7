"""Who belongs to a network, or to a locality, and how they are tied: what is measured."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np

from hedgerow_network.domain import chains
from hedgerow_network.domain.chains import Chain
from hedgerow_network.domain.contracts import Contract
from hedgerow_network.domain.cover import Ints
from hedgerow_network.domain.designs import Design
from hedgerow_network.domain.facts import Facts
from hedgerow_network.domain.graphs import Measures, measures, simple_ties
from hedgerow_network.domain.locality import Assessment
from hedgerow_network.domain.relations import Relation

COMMISSIONER, SUPPLIER, SUBCONTRACTOR, PROVIDER, MEMBER = (
    "commissioner",
    "supplier",
    "subcontractor",
    "provider",
    "member",
)


@dataclass(frozen=True)
class Tie:
    """A tie between two organisations. weight: None = not said · via: its network or contract."""

    source: str
    target: str
    type: str
    weight: float | None = None
    via: str = ""
    start: date | None = None
    end: date | None = None


@dataclass(frozen=True)
class Web:
    """Organisations and their ties.

    ids: in order · names, known: the same order; whether the registry knows each · roles: what each is there
    · ties: in order · chains: the contracts, followed down, by id
    """

    ids: tuple[str, ...]
    names: tuple[str, ...]
    known: tuple[bool, ...]
    roles: tuple[tuple[str, ...], ...]
    ties: tuple[Tie, ...]
    chains: tuple[Chain, ...] = ()
    notes: tuple[str, ...] = ()
    _position: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._position.update({id: place for place, id in enumerate(self.ids)})

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def position(self) -> Mapping[str, int]:
        return self._position

    @cached_property
    def simple(self) -> Ints:
        """(m, 2) the ties as positions, without direction, each pair once."""
        return simple_ties((self._position[tie.source], self._position[tie.target]) for tie in self.ties)

    @cached_property
    def measures(self) -> Measures:
        return measures(len(self), self.simple)

    @cached_property
    def layers(self) -> Mapping[str, int]:
        return chains.layers(self.chains)

    @property
    def strangers(self) -> list[str]:
        """Those that the registry does not know."""
        return [id for id, known in zip(self.ids, self.known, strict=True) if not known]


class _Weaver:
    def __init__(self, facts: Facts, day: date, types: Collection[str]) -> None:
        self._facts = facts
        self._day = day
        self._types = types
        self._names = facts.directory.names
        self.roles: dict[str, set[str]] = {}
        self.ties: set[Tie] = set()
        self.chains: list[Chain] = []

    def who(self, said: str) -> str:
        """The id of whom a text means; the text where the registry does not know."""
        return self._names.find(said) or said

    def add(self, said: str, role: str | None = None) -> str:
        id = self.who(said)
        roles = self.roles.setdefault(id, set())
        if role is not None:
            roles.add(role)
        return id

    def relate(self, relations: Iterable[Relation], only: Callable[[str, str], bool] | None = None) -> None:
        for one in relations:
            if one.type not in self._types or not one.holds(self._day):
                continue
            source, target = self.who(one.source), self.who(one.target)
            if source != target and (only is None or only(source, target)):
                self.add(source)
                self.add(target)
                self.ties.add(Tie(source, target, one.type, one.weight, one.network, one.start, one.end))

    def contract(self, chain: Chain) -> None:
        contract = chain.contract
        self.chains.append(chain)
        suppliers = {*contract.suppliers, *(one for lot in contract.lots for one in lot.suppliers)}
        for buyer in contract.buyers:
            self.add(buyer, COMMISSIONER)
        for supplier in suppliers:
            self.add(supplier, SUPPLIER)
        pairs = {(buyer, supplier) for buyer in contract.buyers for supplier in suppliers}
        for one in contract.subcontracts:
            self.add(one.payee, SUBCONTRACTOR)
            if one.payer is not None:
                self.add(one.payer)
                pairs.add((one.payer, one.payee))
        if "contract" in self._types:
            for source, target in pairs:
                if source != target:
                    self.ties.add(
                        Tie(source, target, "contract", None, contract.id, contract.start, contract.end)
                    )

    def woven(self, notes: Sequence[str] = ()) -> Web:
        directory = self._facts.directory
        ids = tuple(sorted(self.roles))
        return Web(
            ids=ids,
            names=tuple(directory.organisation_name(id) for id in ids),
            known=tuple(id in directory.organisations for id in ids),
            roles=tuple(tuple(sorted(self.roles[id])) for id in ids),
            ties=tuple(
                sorted(
                    self.ties,
                    key=lambda t: (
                        t.source,
                        t.target,
                        t.type,
                        t.via,
                        t.start or date.min,
                        t.end or date.max,
                        -1.0 if t.weight is None else t.weight,
                    ),
                )
            ),
            chains=tuple(sorted(self.chains, key=lambda chain: chain.contract.id)),
            notes=tuple(notes),
        )


def of_network(
    facts: Facts,
    design: Design,
    relations: Sequence[Relation],
    contracts: Iterable[Contract],
    day: date,
    types: Collection[str],
) -> Web:
    """The web of one network on a date: whom its design names, its relations, and the contracts in force
    among its organisations (a commissioner or supplier of it, or somebody down the chain).
    """
    weaver = _Weaver(facts, day, types)
    for said in design.organisations:
        weaver.add(said)
    for said in design.commissioners:
        weaver.add(said, COMMISSIONER)
    for member in design.members:
        if member.belongs(day):
            weaver.add(member.organisation, MEMBER)
    weaver.relate(relations)
    own = set(weaver.roles)
    services = {service.id for service in design.services}
    for contract in contracts:
        if contract.in_force(day) and (
            services & {*contract.services} or (not contract.services and len(own & _parties(contract)) > 1)
        ):
            weaver.contract(chains.follow(contract))
    for id in weaver.roles:
        if id in _providers(facts):
            weaver.add(id, PROVIDER)
    return weaver.woven()


def of_locality(
    of: Assessment,
    networks: Sequence[tuple[Design, Sequence[Relation]]],
    contracts: Iterable[Contract],
    types: Collection[str],
) -> Web:
    """The web of a locality on a date: who provides there, the parties of contracts for it, the networks
    designed for it, and every relation between them.

    A contract is for the locality if it names an area of it, or one that it lies in; or one of the services
    that count there; or, where it names neither, if a supplier provides there or its buyer bears the name of
    the authority.
    """
    facts, day = of.facts, of.question.at
    weaver = _Weaver(facts, day, types)
    providers = facts.directory.providers
    serving = np.flatnonzero(np.diff(of.incidence.serves.indptr) > 0)
    for row in serving:
        weaver.add(providers.ids[int(providers.of_service[row])], PROVIDER)
    here = {facts.hierarchy.codes[place] for place in facts.hierarchy.inside(of.locality)}
    around = here | {facts.hierarchy.codes[place] for place in facts.hierarchy.above(of.locality)}
    services = {facts.directory.services[int(row)].id for row in serving}
    placed_by_name = 0
    provided = set(weaver.roles)
    for contract in contracts:
        if not contract.in_force(day):
            continue
        if contract.areas or contract.services:
            concerns = bool(around & {*contract.areas} or services & {*contract.services})
        else:
            concerns = bool(provided & _parties(contract)) or _bought_by(of, contract)
            placed_by_name += concerns
        if concerns:
            weaver.contract(chains.follow(contract))
    elsewhere: list[Relation] = []
    for design, relations in networks:
        if here & {*design.areas}:
            for said in design.commissioners:
                weaver.add(said, COMMISSIONER)
            for member in design.members:
                if member.belongs(day):
                    weaver.add(member.organisation, MEMBER)
            weaver.relate(relations)
        else:
            elsewhere += relations
    # Of networks for no place or another, only what ties two that are here anyway.
    there = set(weaver.roles)
    weaver.relate(elsewhere, lambda source, target: source in there and target in there)
    notes = []
    if placed_by_name:
        notes.append(
            f"{placed_by_name} contracts name neither areas nor services: they were placed by a supplier "
            "that provides here, or by the name of their buyer."
        )
    return weaver.woven(notes)


def _parties(contract: Contract) -> set[str]:
    found = {*contract.buyers, *contract.suppliers}
    found.update(one for lot in contract.lots for one in lot.suppliers)
    found.update(one.payee for one in contract.subcontracts)
    found.update(one.payer for one in contract.subcontracts if one.payer is not None)
    return found


def _providers(facts: Facts) -> set[str]:
    return {service.organisation for service in facts.directory.services if service.organisation}


_OF_COUNCILS = {
    "council", "borough", "metropolitan", "city", "county", "district", "london", "royal", "of", "the", "mbc",
    "unitary", "authority", "and", "local",
}  # fmt: skip


def _bought_by(of: Assessment, contract: Contract) -> bool:
    """Whether a buyer is the council of the locality, by its name: “Trafford Borough Council”."""
    facts = of.facts
    if of.facts.hierarchy.areas[of.locality].level != "authority":
        return False
    area = _bare(facts.hierarchy.areas[of.locality].name)
    names = (facts.directory.organisation_name(buyer) for buyer in contract.buyers)
    return bool(area) and any("council" in name.casefold() and _bare(name) == area for name in names)


def _bare(name: str) -> tuple[str, ...]:
    return tuple(word for word in re.findall(r"\w+", name.casefold()) if word not in _OF_COUNCILS)
