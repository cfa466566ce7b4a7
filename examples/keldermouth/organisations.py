"""Who is there: some hundred and twenty bodies of every sector, of whom none exists."""

from dataclasses import dataclass, field
from random import Random
from uuid import UUID, uuid5

from geography import WARDS

# Ids are UUIDs so that a KPI's subject (`organisation:<id>`) is the same id the registry keeps.
NAMESPACE = UUID("7f5b8a52-6f0e-5b7d-9d0c-2f7e6a4c1d90")


def make_id(kind: str, name: str) -> str:
    return str(uuid5(NAMESPACE, f"{kind}/{name}"))


@dataclass
class Organisation:
    key: str
    name: str
    sector: str
    legal_form: str
    size: str
    owners: list[str] = field(default_factory=list)
    scheme: str = ""
    number: str = ""
    description: str = ""
    aliases: str = ""
    home: str = ""
    offers: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return make_id("organisation", self.key)


_O = Organisation
# Bodies of the story. Numbers have the shape their register uses and lie outside what it has given out.
PRINCIPALS = [
    _O("council", "Keldermouth Borough Council", "public", "local authority", "large", scheme="GB-LAE",
       number="KMZQ"),
    _O("nhs", "Kelder Coast NHS Foundation Trust", "public", "nhs trust", "large", scheme="GB-NHS",
       number="XZQ9"),
    _O("college", "Keldermouth College", "public", "further education corporation", "large",
       scheme="GB-UKPRN",
       number="10999012"),
    _O("academies", "Lanthorn Learning Trust", "public", "academy trust", "large", scheme="GB-UKPRN",
       number="10999034"),
    _O("harbour", "Harbourlight Trust", "charity", "charitable company", "medium", scheme="GB-CHC",
       number="9900217",
       description="Refuge, outreach and recovery work. The only domestic abuse service of the borough."),
    _O("advice", "Keldermouth Advice Centre", "charity", "charitable company", "medium", scheme="GB-CHC",
       number="9900341", aliases="Advice Keldermouth"),
    _O("carers", "Kelder Carers' Centre", "charity", "charitable incorporated organisation", "small",
       scheme="GB-CHC",
       number="9900458"),
    _O("larder", "Tideway Larder", "charity", "charitable incorporated organisation", "small",
       scheme="GB-CHC",
       number="9900562"),
    _O("stillwater", "Stillwater Counselling", "charity", "charitable company", "small", scheme="GB-CHC",
       number="9900673"),
    _O("moorings", "The Moorings Project", "charity", "charitable incorporated organisation", "small",
       scheme="GB-CHC",
       number="9900784"),
    _O("marramyouth", "Marram Youth Trust", "charity", "charitable incorporated organisation", "small",
       scheme="GB-CHC", number="9900895"),
    _O("hospice", "St Ebba's Hospice, Keldermouth", "charity", "charitable company", "medium",
       scheme="GB-CHC",
       number="9900906"),
    _O("hospicetrading", "St Ebba's Hospice Trading Limited", "private", "private limited company", "small",
       ["hospice"], "GB-COH", "99100017"),
    _O("openshelf", "Open Shelf Libraries CIC", "social enterprise", "community interest company", "medium",
       scheme="GB-COH", number="99100128", description="Spun out of the council's library service in 2019."),
    _O("community", "Kelder Community Health CIC", "social enterprise", "community interest company", "large",
       scheme="GB-COH", number="99100239",
       description="Spun out of the NHS trust's community nursing in 2016."),
    _O("leisure", "Saltings Leisure Trust", "charity", "charitable company", "medium", scheme="GB-CHC",
       number="9901017", description="Spun out of the council's leisure department in 2012."),
    _O("fishergate", "Fishergate Homes", "mutual", "registered society", "large", scheme="GB-COH",
       number="RS990145"),
    _O("wolds", "Kelder and Wolds Housing Association", "mutual", "registered society", "large",
       scheme="GB-COH",
       number="RS990256"),
    _O("creditunion", "Two Banks Credit Union", "mutual", "credit union", "small", scheme="GB-COH",
       number="IP99036R"),
    _O("carecoop", "Estuary Homecare Co-operative", "mutual", "registered society", "small", scheme="GB-COH",
       number="RS990367"),
    # A group of three steps: four local names, one owner abroad.
    _O("quorvane", "Quorvane Group SE", "private", "european company", "large", scheme="XI-LEI",
       number="9999QUORVANEGROUP000", description="Listed group with its seat outside the United Kingdom."),
    _O("quorvaneuk", "Quorvane Care and Skills (UK) Limited", "private", "private limited company", "large",
       ["quorvane"], "GB-COH", "99100340"),
    _O("havenbridge", "Havenbridge Care Limited", "private", "private limited company", "medium",
       ["quorvaneuk"],
       "GB-COH", "99100451"),
    _O("sandpiper", "Sandpiper Homecare (Kelder) Limited", "private", "private limited company", "medium",
       ["quorvaneuk"], "GB-COH", "99100562"),
    _O("recovery", "Kelder Valley Recovery Limited", "private", "private limited company", "medium",
       ["quorvaneuk"],
       "GB-COH", "99100673"),
    _O("clinics", "Northbank Clinics Limited", "private", "private limited company", "small", ["quorvaneuk"],
       "GB-COH", "99100784"),
    _O("pathfold", "Pathfold Skills Limited", "private", "private limited company", "medium", ["quorvaneuk"],
       "GB-COH", "99100895"),
    # A not-for-profit in name, whose owner is not.
    _O("aldane", "Aldane Equity Partners LLP", "private", "limited liability partnership", "medium",
       scheme="GB-COH",
       number="OC990147"),
    _O("larkfield", "Larkfield Support Holdings Limited", "private", "private limited company", "medium",
       ["aldane"],
       "GB-COH", "99101013"),
    _O("kittiwake", "Kittiwake Support CIC", "social enterprise", "community interest company", "medium",
       ["larkfield"], "GB-COH", "99101124"),
    _O("larkhomes", "Larkfield Residential Limited", "private", "private limited company", "medium",
       ["larkfield"],
       "GB-COH", "99101235"),
]  # fmt: skip

_COMMUNITY = ("food", "youth-work", "digital-inclusion", "carers")
_CHURCH = ("food", "early-years", "debt-advice")
_HEALTH = ("mental-health",)
# Bodies of a neighbourhood: (home ward, name, kind).
_LOCAL = [
    ("OT", "Old Town Residents' Association", "group"), ("OT", "Customs House Arts CIC", "cic"),
    ("OT", "St Botolph's Quay Church", "church"), ("OT", "Kelder Recovery Friends", "group"),
    ("OT", "Seafarers' Rest", "charity"), ("OT", "Quayside Nursery", "nursery"),
    ("FD", "Fishdocks Community Association", "charity"), ("FD", "The Net Loft", "cic"),
    ("FD", "Dockside Boxing and Youth Club", "youth"), ("FD", "St Peter-by-the-Ice-House", "church"),
    ("FD", "Little Skippers Childcare", "nursery"), ("FD", "Pilot House Care Home", "care"),
    ("NG", "Northgate Neighbours", "group"), ("NG", "Northgate Methodist Mission", "church"),
    ("NG", "Lamplight Counselling", "health"), ("NG", "Kelder Refugee Welcome", "charity"),
    ("NG", "Acorn Lane Nursery", "nursery"), ("NG", "Priory Court Care Limited", "care"),
    ("RW", "Ropewalk Community Kitchen", "charity"), ("RW", "Hemp Yard Workshops CIC", "cic"),
    ("RW", "Ropewalk Gospel Hall", "church"), ("RW", "Twine Street Playgroup", "nursery"),
    ("RW", "Bridgefoot Care Limited", "care"),
    ("GW", "Greywell Together", "charity"), ("GW", "Greywell Boys' and Girls' Club", "youth"),
    ("GW", "St Hilda's Greywell", "church"), ("GW", "Greywell Tenants' Group", "group"),
    ("GW", "Seabank Nurseries Limited", "nursery"), ("GW", "Seabank House Care Limited", "care"),
    ("LH", "Lantern Hill Good Neighbours", "group"), ("LH", "All Saints, Lantern Hill", "church"),
    ("LH", "Hilltop Day Nursery", "nursery"), ("LH", "Lantern Hill Scouts and Guides", "youth"),
    ("LH", "Beacon Lodge Care Limited", "care"),
    ("SP", "Staithe Park Community Centre", "charity"), ("SP", "Staithe Park Baptist Church", "church"),
    ("SP", "Parkside Kindergarten", "nursery"), ("SP", "Staithe Park Sports and Youth", "youth"),
    ("SP", "Willow Garth Care Limited", "care"),
    ("OX", "Oxmarsh Community Pantry", "charity"), ("OX", "Oxmarsh Residents' Action", "group"),
    ("OX", "Marsh Lane Children's Centre Friends", "nursery"), ("OX", "Oxmarsh Care Services Limited",
     "care"),
    ("MS", "Marram Sands Pier Trust", "charity"), ("MS", "Sands Community Church", "church"),
    ("MS", "Bucket and Spade Nursery", "nursery"), ("MS", "Sea View Residential Limited", "care"),
    ("MS", "Promenade Court Care Limited", "care"), ("MS", "Sands Youth Collective", "youth"),
    ("MC", "Marram Cliff Village Hall Trust", "charity"), ("MC", "Cliff Top Residential Limited", "care"),
    ("MC", "St Clement's, Marram Cliff", "church"), ("MC", "Cliff Lane Playgroup", "nursery"),
    ("SC", "Scarholme Parish Hall Trust", "charity"), ("SC", "Scarholme Sunshine Playgroup", "nursery"),
    ("TH", "Thornwold Villages Car Scheme", "group"), ("TH", "Thornwold Forest School", "nursery"),
    ("TH", "Wold View Care Limited", "care"),
    ("UK", "Upper Kelder Benefice", "church"), ("UK", "Kelder Valley Homecare Limited", "care"),
    ("KB", "Ketterby Village Trust", "charity"), ("KB", "Ketterby Pre-school", "nursery"),
    ("SB", "Southbank Ferry Trust", "charity"), ("SB", "Southbank Elim Hall", "church"),
    ("SB", "Southbank Amateur Boxing Club", "youth"), ("SB", "Ferry House Care Limited", "care"),
    ("SB", "Men at the Slipway", "group"),
    ("EN", "Eastness Lifeboat Hall Trust", "charity"), ("EN", "Ness Point Care Limited", "care"),
    ("HE", "Holme Market Charities", "charity"), ("HE", "Holme Minster Parish", "church"),
    ("HE", "Holme Young People's Project", "youth"), ("HE", "Buttercross Nursery", "nursery"),
    ("HE", "Market Place Counselling", "health"), ("HE", "Holme Grange Care Limited", "care"),
    ("HW", "Holme West Hub CIC", "cic"), ("HW", "Millstream Nursery", "nursery"),
    ("HW", "St Guthlac's, Holme West", "church"), ("HW", "Holme Scouts and Guides", "youth"),
    ("HW", "Millstream Care Limited", "care"), ("HW", "Orchard Counselling Practice", "health"),
    ("SF", "Sallow Fen Rural Action", "charity"), ("SF", "Fenside Pre-school", "nursery"),
    ("SF", "Fen Villages Homecare Limited", "care"),
    ("BW", "Brackenwold Parishes Together", "group"), ("BW", "Bracken Hall Care Limited", "care"),
    ("BW", "Foxglove Montessori", "nursery"), ("BW", "St Wilfrid's, Brackenwold", "church"),
]  # fmt: skip
_KINDS = {
    "charity": ("charity", "charitable incorporated organisation", "small", "GB-CHC", _COMMUNITY),
    "cic": ("social enterprise", "community interest company", "small", "GB-COH", _COMMUNITY),
    "church": ("charity", "excepted church charity", "micro", "", _CHURCH),
    "group": ("informal", "unincorporated association", "micro", "", ("food", "carers", "digital-inclusion")),
    "youth": ("charity", "unincorporated charity", "micro", "GB-CHC", ("youth-work", "mental-health-young")),
    "health": ("charity", "charitable company", "small", "GB-CHC", _HEALTH),
    "nursery": ("private", "private limited company", "small", "GB-COH", ("early-years",)),
    "care": ("private", "private limited company", "small", "GB-COH", ("adult-social-care",)),
}
# Two of the local homes belong to the same holding as Kittiwake Support.
_OWNED = {"Sea View Residential Limited": "larkhomes", "Cliff Top Residential Limited": "larkhomes",
          "Priory Court Care Limited": "havenbridge"}  # fmt: skip


def locals_of(rng: Random) -> list[Organisation]:
    """The neighbourhood bodies, with numbers drawn from the unused end of each register."""
    found = []
    used: set[int] = set()
    for home, name, kind in _LOCAL:
        sector, form, size, scheme, offers = _KINDS[kind]
        if kind == "nursery" and ("group" in name or "Friends" in name or "school" in name):
            sector, form, scheme = "charity", "charitable incorporated organisation", "GB-CHC"
        number = ""
        if scheme:
            draw = 200 + int(rng.random() * 9700)
            while draw in used:
                draw += 1
            used.add(draw)
            number = f"99{draw + 10000:05d}" if scheme == "GB-CHC" else f"992{draw + 10000:05d}"
        owners = [_OWNED[name]] if name in _OWNED else []
        found.append(_O(name, name, sector, form, size, owners, scheme, number, home=home, offers=offers))
    return found


def all_organisations(rng: Random) -> list[Organisation]:
    """Principals first, then the bodies of each ward in the order of the wards."""
    order = [ward.key for ward in WARDS]
    return PRINCIPALS + sorted(locals_of(rng), key=lambda body: order.index(body.home))


def web_address(name: str) -> str:
    """An address under a name that can never be registered (RFC 2606)."""
    word = "".join(letter for letter in name.lower() if letter.isalnum())
    return f"https://{word[:28]}.example"
