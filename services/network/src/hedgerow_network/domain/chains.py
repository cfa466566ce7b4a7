"""Contracts down to the front line: how many tiers there are, and what of the money comes through."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter

from hedgerow_network.domain.contracts import Contract, Subcontract

# Half a penny: what rounding in the figures that were sent may make.
_PENNY = 0.005


@dataclass(frozen=True)
class Chain:
    """One contract, followed down.

    tiers: supplier → how far down it stands, 1 = paid by the commissioner; of several ways the longest ·
    value, front_line, fees, untraced: pounds; value = front_line + fees + untraced, all None where the value
    is not known · received: organisation → pounds that reach it, as far as they can be followed · delivers:
    organisation → pounds of them that it is to deliver for · unclear: why money could not be followed
    """

    contract: Contract
    tiers: Mapping[str, int]
    value: float | None
    front_line: float | None
    fees: float | None
    untraced: float | None
    received: Mapping[str, float] = field(default_factory=dict)
    delivers: Mapping[str, float] = field(default_factory=dict)
    unclear: tuple[str, ...] = ()

    @property
    def depth(self) -> int:
        """How many tiers of suppliers there are; 0 for a contract without any."""
        return max(self.tiers.values(), default=0)


class _Flow:
    """Money on its way down one contract."""

    def __init__(self) -> None:
        self.received: dict[str, float] = {}
        self.delivers: dict[str, float] = {}
        self.front_line = 0.0
        self.fees = 0.0
        self.untraced = 0.0
        self.unclear: list[str] = []

    def lose(self, amount: float, why: str) -> None:
        self.untraced += amount
        if why not in self.unclear:
            self.unclear.append(why)

    def arrive(self, organisation: str, amount: float) -> None:
        self.received[organisation] = self.received.get(organisation, 0.0) + amount

    def deliver(self, organisation: str, amount: float) -> None:
        if amount > 0:
            self.delivers[organisation] = self.delivers.get(organisation, 0.0) + amount
        self.front_line += amount


def follow(contract: Contract) -> Chain:
    """Follow a contract from its suppliers through its subcontracts.

    A payer keeps `fee_share` of what it receives and passes the rest on. Where the payments to its
    subcontractors are stated, what is left beside fee and payments is for work of its own. Nothing is split
    by guessing: money whose way is not known is *untraced*, unless every way it could go ends at the front
    line.

    Edges: no suppliers: depth 0, and the value is untraced. Subcontracts in a circle: the tiers stand on the
    suppliers alone, and the value is untraced. A subcontract without a payer is the only supplier's, if there
    is one.

    >>> tiers = (Subcontract("sub", "prime", fee_share=0.12), Subcontract("local", "sub", fee_share=0.08))
    >>> chain = follow(Contract("c", "C", suppliers=("prime",), value_gbp=10e6, subcontracts=tiers))
    >>> chain.depth, round(chain.front_line), round(chain.fees)
    (3, 8096000, 1904000)
    """
    suppliers = _suppliers(contract)
    unclear: list[str] = []
    below = _below(contract, suppliers, unclear)
    try:
        order = _order(suppliers, below)
    except CycleError:
        return _circular(contract, suppliers)
    tiers = _tiers(suppliers, below, order)
    for one in contract.subcontracts:
        # Where nobody says who pays, the tier that is stated still says how far down it is.
        if one.payer is None and one.payee not in tiers:
            tiers[one.payee] = (one.tier or 1) + 1
    if contract.value_gbp is None:
        return Chain(contract, tiers, None, None, None, None, unclear=("The value is not known.",))
    flow = _Flow()
    flow.unclear += unclear
    _enter(flow, contract, suppliers, below)
    for organisation in order:
        if organisation in flow.received:
            _pass_on(flow, organisation, below.get(organisation, ()), below)
    return Chain(
        contract,
        tiers,
        contract.value_gbp,
        flow.front_line,
        flow.fees,
        flow.untraced,
        flow.received,
        flow.delivers,
        tuple(flow.unclear),
    )


def _suppliers(contract: Contract) -> tuple[str, ...]:
    return tuple(sorted({*contract.suppliers, *(one for lot in contract.lots for one in lot.suppliers)}))


def _below(
    contract: Contract, suppliers: Sequence[str], unclear: list[str]
) -> dict[str, tuple[Subcontract, ...]]:
    """The subcontracts of each payer."""
    found: dict[str, list[Subcontract]] = {}
    for one in contract.subcontracts:
        payer = one.payer
        if payer is None:
            if len(suppliers) != 1 or suppliers[0] == one.payee:
                unclear.append("A subcontract does not say who pays it.")
                continue
            payer = suppliers[0]
        found.setdefault(payer, []).append(one)
    return {payer: tuple(found[payer]) for payer in sorted(found)}


def _order(suppliers: Sequence[str], below: Mapping[str, Sequence[Subcontract]]) -> list[str]:
    """Payers before payees; raises CycleError."""
    paid_by: dict[str, set[str]] = {supplier: set() for supplier in suppliers}
    for payer, ones in below.items():
        paid_by.setdefault(payer, set())
        for one in ones:
            paid_by.setdefault(one.payee, set()).add(payer)
    sorter = TopologicalSorter({name: sorted(paid_by[name]) for name in sorted(paid_by)})
    return list(sorter.static_order())


def _tiers(
    suppliers: Sequence[str], below: Mapping[str, Sequence[Subcontract]], order: Sequence[str]
) -> dict[str, int]:
    tiers = dict.fromkeys(suppliers, 1)
    for organisation in order:
        # A payer that nobody is said to pay stands beside the suppliers.
        here = tiers.setdefault(organisation, 1)
        for one in below.get(organisation, ()):
            tiers[one.payee] = max(tiers.get(one.payee, 0), here + 1)
    return tiers


def _enter(
    flow: _Flow, contract: Contract, suppliers: Sequence[str], below: Mapping[str, Sequence[Subcontract]]
) -> None:
    """Give the value to the suppliers."""
    value = contract.value_gbp or 0.0
    if not suppliers:
        flow.lose(value, "No supplier is named.")
    elif len(suppliers) == 1:
        flow.arrive(suppliers[0], value)
    elif (shares := _by_lot(contract)) is not None:
        for supplier, amount in shares.items():
            flow.arrive(supplier, amount)
    elif not any(supplier in below for supplier in suppliers):
        # However it is split, it stays with who delivers.
        flow.front_line += value
    else:
        flow.lose(value, "How the value is split among several suppliers is not known.")


def _by_lot(contract: Contract) -> dict[str, float] | None:
    """What each supplier gets, where the lots say all of it."""
    shares: dict[str, float] = {}
    for lot in contract.lots:
        if lot.value_gbp is None or len(lot.suppliers) != 1:
            return None
        shares[lot.suppliers[0]] = shares.get(lot.suppliers[0], 0.0) + lot.value_gbp
    known = abs(sum(shares.values()) - (contract.value_gbp or 0.0)) <= _PENNY * max(len(contract.lots), 1)
    return shares if shares and known else None


def _pass_on(
    flow: _Flow,
    payer: str,
    ones: Sequence[Subcontract],
    below: Mapping[str, Sequence[Subcontract]],
) -> None:
    amount = flow.received[payer]
    if not ones:
        flow.deliver(payer, amount)
        return
    stated = sum(one.value_gbp or 0.0 for one in ones)
    if stated > amount + _PENNY * len(ones):
        flow.lose(amount, "Subcontracts are worth more than what their payer receives.")
        return
    fee_shares = {one.fee_share for one in ones if one.fee_share is not None}
    unstated = [one for one in ones if one.value_gbp is None]
    if len(fee_shares) > 1:
        flow.lose(amount, "Subcontracts of one payer state different fees.")
        return
    for one in ones:
        if one.value_gbp is not None:
            flow.arrive(one.payee, one.value_gbp)
    rest = max(amount - stated, 0.0)
    if not fee_shares:
        if rest > _PENNY * len(ones):
            flow.lose(rest, "What a payer keeps is not known: a fee, or work of its own.")
        return
    fee = min(amount * fee_shares.pop(), rest)
    flow.fees += fee
    rest -= fee
    if not unstated:
        flow.deliver(payer, rest)
    elif len(unstated) == 1:
        flow.arrive(unstated[0].payee, rest)
    elif not any(one.payee in below for one in unstated):
        flow.front_line += rest
    else:
        flow.lose(rest, "How a payer splits what it passes on is not known.")


def _circular(contract: Contract, suppliers: Sequence[str]) -> Chain:
    value = contract.value_gbp
    nothing = None if value is None else 0.0
    return Chain(
        contract,
        dict.fromkeys(suppliers, 1),
        value,
        nothing,
        nothing,
        value,
        unclear=("The subcontracts go round in a circle.",),
    )


@dataclass(frozen=True)
class Money:
    """Several contracts together, in pounds; `unknown`: how many of them have no known value."""

    value: float
    front_line: float
    fees: float
    untraced: float
    unknown: int


def together(chains: Iterable[Chain]) -> Money:
    """The sums over contracts; those of unknown value are counted and not summed."""
    known, unknown = [], 0
    for chain in chains:
        if chain.value is None:
            unknown += 1
        else:
            known.append(chain)
    return Money(
        value=sum(chain.value or 0.0 for chain in known),
        front_line=sum(chain.front_line or 0.0 for chain in known),
        fees=sum(chain.fees or 0.0 for chain in known),
        untraced=sum(chain.untraced or 0.0 for chain in known),
        unknown=unknown,
    )


def layers(chains: Iterable[Chain]) -> dict[str, int]:
    """How far each party stands from the commissioners, 0 = a commissioner itself; the longest way counts.

    A body that buys in one contract and supplies in another is a commissioner.
    """
    found: dict[str, int] = {}
    buyers: set[str] = set()
    for chain in chains:
        buyers.update(chain.contract.buyers)
        for organisation, tier in chain.tiers.items():
            found[organisation] = max(found.get(organisation, 0), tier)
    return {**found, **dict.fromkeys(sorted(buyers), 0)}
