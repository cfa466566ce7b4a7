"""Contracts, plans and their parts on the wire."""

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from hedgerow_registry.api.wire import Body, LongText, View
from hedgerow_registry.domain import contracts as terms
from hedgerow_registry.domain import gss, ids, taxonomy
from hedgerow_registry.domain.ocds.currencies import CURRENCIES
from hedgerow_registry.store.contracts import Json, Links
from hedgerow_registry.store.sight import Sight

# A field of this type may be called `date` itself.
Day = date
Stage = Literal["planning", "tender", "award", "contract"]
Status = Literal["pending", "active", "cancelled", "terminated"]
PlanStatus = Literal["planning", "planned", "active", "cancelled", "unsuccessful", "complete", "withdrawn"]
Method = Literal["open", "selective", "limited", "direct"]
Category = Literal["goods", "works", "services"]
Title = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]
OwnId = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=10_000)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]


class Money(BaseModel):
    """An amount in a currency of ISO 4217."""

    amount: Number
    currency: str = "GBP"

    @field_validator("currency")
    @classmethod
    def _known(cls, sent: str) -> str:
        if sent not in CURRENCIES:
            raise ValueError("not a code of ISO 4217")
        return sent


class Flag(BaseModel):
    """What to know before relying on the record."""

    code: str
    says: str


class Party(BaseModel):
    """An organisation with a part in it. `vcse` is what the publisher says of it."""

    id: str
    name: str
    role: str
    vcse: bool | None = None


class Lot(BaseModel):
    id: OwnId
    title: Text | None = None
    status: Text | None = None
    supplier_ids: list[str] = []
    value: Money | None = None


class Bid(BaseModel):
    id: OwnId
    status: Text | None = None
    bidder_ids: list[str] = []
    lot_ids: list[OwnId] = []
    value: Money | None = None
    won: bool = False


class Subcontract(BaseModel):
    """One link of the chain. `fee_share` is what the paying side keeps of what it receives."""

    id: OwnId
    from_id: str | None = Field(default=None, description="Who pays")
    to_id: str | None = Field(default=None, description="Who is paid")
    tier: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="1 is paid by a supplier"
    )
    fee_share: Share | None = None
    value: Money | None = None


class Extension(BaseModel):
    """An option to extend. The time of one that has been used is in the end of the contract already."""

    id: OwnId
    description: Text | None = None
    months: Annotated[int, Field(ge=1, le=1200)] | None = None
    until: date | None = None
    used: bool = False


class Amendment(BaseModel):
    id: OwnId | None = None
    date: Day | None = None
    description: Text | None = None
    rationale: Text | None = None


class SocialValue(BaseModel):
    """A measure of social value: what was claimed for the contract beside what has been evidenced."""

    id: OwnId
    measure: Text | None = None
    unit: Text | None = None
    claimed: Number | None = None
    evidenced: Number | None = None
    evidence: Text | None = None
    date: Day | None = None


class Funding(BaseModel):
    """Money that goes into the contract: of a buyer, which is its own, or of another."""

    id: OwnId
    title: Text | None = None
    organisation_id: str | None = None
    value: Money | None = None


class FundingView(Funding):
    own: bool


class CostPart(BaseModel):
    id: OwnId
    title: Text | None = None
    value: Money | None = None


class WholeLifeCost(BaseModel):
    """What it costs from beginning to end, beside its price: maintenance, support, leaving it."""

    value: Money | None = None
    years: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] | None = None
    parts: list[CostPart] = []


class Reserved(BaseModel):
    """For whom it is reserved (codes of OCDS `reservedParticipation`), and the rule that allows it."""

    model_config = {"populate_by_name": True}

    for_: list[OwnId] = Field(alias="for", min_length=1, max_length=20)
    under: Text | None = None


class Transaction(BaseModel):
    id: str
    date: Day | None
    payer_id: str | None
    payee_id: str | None
    value: Money | None


class Milestone(BaseModel):
    id: str
    title: str | None
    status: str | None
    due: date | None
    met: date | None


class Implementation(BaseModel):
    transactions: list[Transaction] = []
    milestones: list[Milestone] = []


class _Written(Body):
    """What a contract and a plan have in common when they are sent."""

    title: Title
    description: LongText | None = None
    buyer_ids: list[str] = Field(default=[], max_length=100)
    value: Money | None = None
    start: date | None = None
    end: date | None = None
    method: Method | None = None
    category: Category | None = None
    programme: Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)] | None = None
    reserved: Reserved | None = None
    needs: list[Annotated[str, Field(max_length=300)]] = Field(default=[], max_length=1000)
    area_codes: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=10_000)
    published: bool = True

    @field_validator("needs")
    @classmethod
    def _need_ids(cls, sent: list[str]) -> list[str]:
        return [taxonomy.need_id(*taxonomy.split(need)) for need in sent]

    @field_validator("area_codes")
    @classmethod
    def _codes(cls, sent: list[str]) -> list[str]:
        return [gss.area_code(code) for code in sent]

    @model_validator(mode="after")
    def _in_order(self) -> "_Written":
        if self.start is not None and self.end is not None and self.end < self.start:
            raise ValueError("it ends before it starts")
        return self

    def fields(self) -> Json:
        """As the actions take them, organisations' ids in lower case."""
        made: Json = _lowered(self.model_dump(by_alias=True))
        return made


class PlanBody(_Written):
    """What is planned: an entry of the pipeline, published without obligation."""

    status: PlanStatus | None = "planned"
    notice_on: date | None = Field(default=None, description="When a notice is to be expected")
    opens_on: date | None = None
    closes_on: date | None = None


class ContractBody(_Written):
    """A contract as it is sent."""

    ocid: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300)] | None = (
        Field(default=None, description="Of a new contract: its process; one of its own unless said")
    )
    status: Status | None = "active"
    supplier_ids: list[str] = Field(default=[], max_length=500)
    extended_to: date | None = Field(
        default=None,
        description="The end if all options are used; follows from `extensions` where there are any",
    )
    signed_on: date | None = None
    awarded_on: date | None = None
    advertised_on: date | None = None
    service_ids: list[str] = Field(default=[], max_length=10_000)
    successor_ocid: Annotated[str, StringConstraints(min_length=1, max_length=300)] | None = None
    lots: list[Lot] = Field(default=[], max_length=1000)
    bids: list[Bid] = Field(default=[], max_length=1000)
    subcontracts: list[Subcontract] = Field(default=[], max_length=1000)
    extensions: list[Extension] = Field(default=[], max_length=100)
    amendments: list[Amendment] = Field(default=[], max_length=1000)
    social_value: list[SocialValue] = Field(default=[], max_length=1000)
    funding: list[Funding] = Field(default=[], max_length=1000)
    whole_life_cost: WholeLifeCost | None = None

    @field_validator("service_ids")
    @classmethod
    def _ids(cls, sent: list[str]) -> list[str]:
        lowered = [id.lower() for id in sent]
        if not all(map(ids.is_uuid, lowered)):
            raise ValueError("an id is a UUID")
        return lowered

    @field_validator("lots", "bids", "subcontracts", "extensions", "social_value", "funding")
    @classmethod
    def _each_once(cls, sent: list[Any]) -> list[Any]:
        if len({one.id for one in sent}) < len(sent):
            raise ValueError("an id comes twice")
        return sent

    def fields(self) -> Json:
        made = super().fields()
        return {**made, "services": made["service_ids"]}


def _lowered(value: Any) -> Any:
    if isinstance(value, list):
        return [_lowered(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for name, part in value.items():
        if name in ("from_id", "to_id", "organisation_id"):
            made[name] = None if part is None else part.lower()
        elif name in ("buyer_ids", "supplier_ids", "bidder_ids"):
            made[name] = [id.lower() for id in dict.fromkeys(part)]
        else:
            made[name] = _lowered(part)
    return made


class PlanItem(View):
    """An entry of the pipeline: what is planned or out to tender, for which needs, where and when."""

    id: str
    ocid: str
    title: str
    description: str | None
    stage: Stage
    status: str | None
    buyer_ids: list[str]
    buyers: list[Party]
    notice_on: date | None
    opens_on: date | None
    closes_on: date | None
    start: date | None
    end: date | None
    value: Money | None = Field(description="For those who may see money")
    needs: list[str]
    area_codes: list[str]
    method: str | None
    category: str | None
    programme: str | None
    reserved: Reserved | None
    published: bool
    flags: list[Flag]


class ContractItem(View):
    """A contract: who with whom, over what, from when to when."""

    id: str
    ocid: str
    title: str
    stage: Stage
    status: str | None
    buyer_ids: list[str]
    supplier_ids: list[str]
    value: Money | None = Field(description="In its own currency, for those who may see money")
    value_gbp: float | None = Field(description="Where its currency is the pound")
    start: date | None
    end: date | None
    extended_to: date | None = Field(
        description="The end if every extension option is used; null without any"
    )
    in_force: bool = Field(description="On the day asked about, else today")
    signed_on: date | None
    awarded_on: date | None
    advertised_on: date | None
    term_days: int | None
    lead_in_days: int | None = Field(description="From the award, else the signature, to the start")
    needs: list[str]
    area_codes: list[str]
    service_ids: list[str]
    method: str | None
    category: str | None
    programme: str | None
    reserved: Reserved | None
    published: bool
    flags: list[Flag]


class ContractView(ContractItem):
    """A contract with all its parts."""

    own_id: str = Field(description="Its id in its process")
    award_id: str | None
    description: str | None
    method_details: str | None
    parties: list[Party]
    successor_id: str | None = Field(description="The contract that follows it")
    successor_ocid: str | None
    lots: list[Lot]
    bids: list[Bid]
    subcontracts: list[Subcontract]
    extensions: list[Extension]
    amendments: list[Amendment]
    social_value: list[SocialValue]
    funding: list[FundingView]
    whole_life_cost: WholeLifeCost | None
    implementation: Implementation


def plan_fields(row: Any, links: Links, details: Json, names: dict[str, str], sight: Sight) -> Json:
    """What a plan item is made of."""
    sight = sight.of_record(row)
    buyers = links.with_role(row.id, "buyer")
    return {
        **_provenance(row),
        **{name: getattr(row, name) for name in _PLAN},
        "start": row.starts,
        "end": row.ends,
        "buyer_ids": buyers,
        "buyers": [Party(id=id, name=names.get(id, id), role="buyer") for id in buyers],
        "value": _money({"amount": row.amount, "currency": row.currency}, sight),
        "needs": links.needs.get(row.id, []),
        "area_codes": links.area_codes.get(row.id, []),
        "reserved": details["reserved"],
        "flags": details["flags"],
    }


_PLAN = (
    *("id", "ocid", "title", "description", "stage", "status", "notice_on", "opens_on", "closes_on"),
    *("method", "category", "programme", "published"),
)
_CONTRACT = (
    *("id", "ocid", "title", "stage", "status", "extended_to", "signed_on", "awarded_on", "advertised_on"),
    *("term_days", "lead_in_days", "method", "category", "programme", "published"),
)
_PARTS = ("lots", "bids", "subcontracts", "extensions", "amendments", "social_value", "funding")


def contract_fields(row: Any, links: Links, details: Json, sight: Sight, *, at: date) -> Json:
    """What a contract item is made of."""
    sight = sight.of_record(row)
    return {
        **_provenance(row),
        **{name: getattr(row, name) for name in _CONTRACT},
        "start": row.starts,
        "end": row.ends,
        "buyer_ids": links.with_role(row.id, "buyer"),
        "supplier_ids": links.with_role(row.id, "supplier"),
        "value": _money({"amount": row.amount, "currency": row.currency}, sight),
        "value_gbp": sight.money(row.value_gbp),
        "in_force": terms.in_force(row.status, row.starts, row.ends, at=at),
        "needs": links.needs.get(row.id, []),
        "area_codes": links.area_codes.get(row.id, []),
        "service_ids": links.service_ids.get(row.id, []),
        "reserved": details["reserved"],
        "flags": details["flags"],
    }


def contract_parts(
    row: Any, links: Links, details: Json, names: dict[str, str], sight: Sight, successor: str | None
) -> Json:
    """What a whole contract has beside what its item is made of."""
    priced = _priced(details, sight.of_record(row))
    return {
        "own_id": row.own_id,
        "award_id": row.award_id,
        "description": row.description,
        "method_details": row.method_details,
        "parties": [
            Party(id=id, name=names.get(id, id), role=role, vcse={"yes": True, "no": False}.get(vcse))
            for role, id, vcse in links.parties.get(row.id, [])
        ],
        "successor_id": successor,
        "successor_ocid": row.successor_ocid,
        **{name: priced[name] for name in (*_PARTS, "whole_life_cost", "implementation")},
    }


def _provenance(row: Any) -> Json:
    return {name: getattr(row, name) for name in View.model_fields}


def _money(value: Json, sight: Sight) -> Json | None:
    if value["amount"] is None or not sight.sees_money:
        return None
    return {"amount": value["amount"], "currency": value["currency"] or "XXX"}


def _priced(value: Any, sight: Sight) -> Any:
    """Details with a `value` in the place of amount, currency and pounds, for those who may see it."""
    if isinstance(value, list):
        return [_priced(one, sight) for one in value]
    if not isinstance(value, dict):
        return value
    made = {name: _priced(part, sight) for name, part in value.items()}
    if "amount" in made:
        made["value"] = _money(made, sight)
        for name in ("amount", "currency", "value_gbp"):
            del made[name]
    return made
