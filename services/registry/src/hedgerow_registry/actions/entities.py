"""The kinds of record the registry keeps: their tables, keys and parts."""

from hedgerow_registry import tables
from hedgerow_registry.actions.records import Entity, Part
from hedgerow_registry.domain.forms import legal_form_code
from hedgerow_registry.domain.hsds.serving import term_id
from hedgerow_registry.domain.sizes import size_band
from hedgerow_registry.domain.words import name_key
from hedgerow_registry.store import merges

ORGANISATIONS = Entity(
    "organisation",
    tables.Organisation,
    key=["id"],
    parts=[
        Part("identifiers", tables.OrganisationIdentifier, "organisation_id", ("scheme", "identifier")),
        Part("aliases", tables.OrganisationAlias, "organisation_id", ("alias",)),
        Part("owner_ids", tables.OrganisationOwner, "organisation_id", ("owner_id",)),
    ],
    owned=True,
    change_id=lambda record: str(record["id"]),
    told_by=merges.canonical,
    derived={
        "name_key": lambda record: name_key(record["name"]),
        "legal_form_code": lambda record: legal_form_code(record["legal_form"]),
        "size_band": lambda record: size_band(record["size"]),
    },
    later=("public_service_mutual", "public_service_mutual_evidence", "public_service_mutual_on"),
)
# What changes of these is told as a change of the organisations concerned.
INTERESTS = Entity(
    "interest",
    tables.Interest,
    key=["id"],
    owned=True,
    change_id=lambda record: str(record["subject_id"]),
    told=False,
)
OWNERSHIP_STATEMENTS = Entity(
    "ownership statement",
    tables.OwnershipStatement,
    key=["id"],
    owned=True,
    change_id=lambda record: str(record["id"]),
    told=False,
)
MEMBERSHIPS = Entity(
    "membership",
    tables.Membership,
    key=["id"],
    owned=True,
    change_id=lambda record: str(record["organisation_id"]),
    told=False,
)
FIGURES = Entity(
    "organisation figure",
    tables.OrganisationFigure,
    key=["organisation_id", "figure", "as_of"],
    owned=False,
    change_id=lambda record: str(record["organisation_id"]),
    told=False,
)
SERVICES = Entity(
    "service",
    tables.Service,
    key=["id"],
    parts=[
        Part("needs", tables.ServiceNeed, "service_id", ("need_id",)),
        Part("area_codes", tables.ServiceArea, "service_id", ("area_code",)),
    ],
    owned=True,
    change_id=lambda record: str(record["id"]),
    derived={"name_key": lambda record: name_key(record["name"])},
    later=("circumstances",),
)
SITES = Entity("site", tables.Site, key=["id"], owned=True, change_id=lambda record: str(record["id"]))
PROCESSES = Entity(
    "process",
    tables.ContractingProcess,
    key=["id"],
    parts=[
        Part("parties", tables.ProcessParty, "process_id", ("role", "organisation_id")),
        Part("needs", tables.ProcessNeed, "process_id", ("need_id",)),
        Part("area_codes", tables.ProcessArea, "process_id", ("area_code",)),
    ],
    owned=True,
    change_id=lambda record: str(record["id"]),
)
CONTRACTS = Entity(
    "contract",
    tables.Contract,
    key=["id"],
    parts=[
        Part("parties", tables.ContractParty, "contract_id", ("role", "organisation_id", "vcse")),
        Part("needs", tables.ContractNeed, "contract_id", ("need_id",)),
        Part("area_codes", tables.ContractArea, "contract_id", ("area_code",)),
        Part("service_ids", tables.ContractService, "contract_id", ("service_id",)),
    ],
    owned=True,
    change_id=lambda record: str(record["id"]),
)
NEEDS = Entity(
    "need",
    tables.Need,
    key=["id"],
    owned=False,
    change_id=lambda record: str(record["id"]),
    derived={"feed_id": lambda record: term_id(record["id"])},
)
CROSSWALK = Entity(
    "crosswalk",
    tables.Crosswalk,
    key=["from_id", "to_id"],
    owned=False,
    change_id=lambda record: f"{record['from_id']}>{record['to_id']}",
)
BOUNDARIES = Entity(
    "boundary",
    tables.Boundary,
    key=["area_code"],
    owned=False,
    change_id=lambda record: str(record["area_code"]),
)
RESIDENTS = Entity(
    "residents",
    tables.Residents,
    key=["area_code", "period", "sex", "age_from", "age_to"],
    owned=False,
    change_id=lambda record: str(record["area_code"]),
)
INDICES = Entity(
    "index",
    tables.IndexValue,
    key=["index_name", "area_code", "period"],
    owned=False,
    change_id=lambda record: f"{record['index_name']}/{record['area_code']}",
)
DEMAND = Entity(
    "demand",
    tables.Demand,
    key=["need_id", "area_code", "period"],
    owned=False,
    change_id=lambda record: f"{record['need_id']}/{record['area_code']}/{record['period']}",
)
# Nobody follows these: a postcode is looked up when it is asked about.
POSTCODES = Entity(
    "postcode",
    tables.Postcode,
    key=["postcode"],
    owned=False,
    change_id=lambda record: str(record["postcode"]),
    told=False,
)
AREAS = Entity(
    "area",
    tables.Area,
    key=["code"],
    parts=[
        Part("parent_codes", tables.AreaParent, "code", ("parent_code",)),
        Part("successor_codes", tables.AreaSuccessor, "code", ("successor_code",)),
    ],
    owned=False,
    change_id=lambda record: str(record["code"]),
    derived={"name_key": lambda record: name_key(record["name"])[:300]},
)
