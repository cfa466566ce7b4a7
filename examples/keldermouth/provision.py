"""Services and sites: the story's own, then the neighbourhood's, laid so that the promised cells hold."""

from dataclasses import dataclass, field
from math import hypot
from random import Random

from geography import AUTHORITY, SOUTH_OF_RIVER, WARDS, Place
from needs import DIRECTORY, IN_DIRECTORY, TAXONOMY
from organisations import Organisation, make_id, web_address
from shapely.geometry import MultiPolygon, Point, Polygon
from story import ALL, FILL, PROMISED, SERVICES

TODAY = "2026-11-22"
_BY_KEY = {ward.key: ward for ward in WARDS}
_KEYS = [ward.key for ward in WARDS]


@dataclass
class Service:
    id: str
    name: str
    organisation: Organisation
    needs: list[str]
    wards: list[str]
    area_codes: list[str]
    minimum_age: int | None = None
    maximum_age: int | None = None
    capacity: int | None = None
    valid_from: str = ""
    valid_to: str = ""
    status: str = "active"
    description: str = ""
    assured_on: str = ""
    phone: str = ""
    in_directory: bool = False
    sited_in: list[str] = field(default_factory=list)

    @property
    def live(self) -> bool:
        return self.status == "active" and (not self.valid_to or self.valid_to >= TODAY)

    def need_ids(self) -> str:
        filed = [
            f"{DIRECTORY}:{IN_DIRECTORY[need]}"
            if self.in_directory and need in IN_DIRECTORY
            else f"{TAXONOMY}:{need}"
            for need in self.needs
        ]
        return ";".join(filed)


@dataclass
class Site:
    id: str
    service_id: str
    name: str
    address: str
    postcode: str
    area_code: str
    lon: float
    lat: float


# What a neighbourhood service is called, whom it takes, and how many.
_SHAPES: dict[str, list[tuple[str, int | None, int | None, int]]] = {
    "food": [
        ("Community Lunch", None, None, 60),
        ("Food Pantry", None, None, 140),
        ("Soup and Company", 55, None, 45),
    ],
    "debt-advice": [("Money Drop-in", 18, None, 70), ("Debt Help Course", 18, None, 40)],
    "housing-advice": [("Housing Surgery", 16, None, 80)],
    "mental-health": [("Counselling", 18, None, 90), ("Wellbeing Group", 18, None, 40)],
    "adult-social-care": [
        ("Care Home", 65, None, 42),
        ("Home Care", 18, None, 110),
        ("Day Centre", 65, None, 35),
    ],
    "youth-work": [
        ("Youth Club", 11, 17, 60),
        ("Holiday Programme", 8, 15, 80),
        ("Drop-in for Teens", 13, 18, 40),
    ],
    "early-years": [
        ("Day Nursery", 0, 4, 58),
        ("Stay and Play", 0, 5, 40),
        ("Pre-school Sessions", 2, 4, 32),
    ],
    "carers": [("Carers' Coffee Morning", 18, None, 30), ("Respite Sitters", 18, None, 24)],
    "digital-inclusion": [("Tablet Tuesdays", 50, None, 25), ("Computer Club", None, None, 40)],
}
_STREETS = {
    "core": [
        "Staithe Street",
        "Customs Row",
        "Bishop's Lane",
        "Fleetgate",
        "Mariners' Court",
        "Silver Staith",
    ],
    "docks": [
        "Ice House Road",
        "Trawler Way",
        "Dock Street North",
        "Netmakers' Row",
        "Bonded Lane",
        "Graving Road",
    ],
    "inner": ["Ropery Lane", "Hemp Street", "Alma Terrace", "Tanyard Road", "Northgate Row", "Chapel Ground"],
    "estate": [
        "Greenfinch Road",
        "Marsh Lane",
        "Lapwing Avenue",
        "Teal Close",
        "Curlew Way",
        "Sedge Crescent",
    ],
    "suburb": ["Beacon Drive", "Willow Garth", "Lantern Avenue", "Park Rise", "Linden Way", "Cliff Lane"],
    "resort": ["Promenade", "Pier Road", "Marine Parade", "Sandhills Road", "Bathing Lane", "Tern Avenue"],
    "headland": ["Ness Road", "Lifeboat Row", "Signal Lane", "Battery Road", "Spit Lane", "Warren Road"],
    "market": [
        "Buttercross",
        "Sheep Street",
        "Millstream Road",
        "Minster Close",
        "Beastgate",
        "Orchard Lane",
    ],
    "village": ["Church Lane", "The Green", "Wold Road", "Mill Lane", "Fen Bank", "Drovers' Way"],
}
_INWARD = "ABDEFGHJLNPQRSTUWXYZ"


def _targets(need: str) -> tuple[set[str], set[str]]:
    empty, single = PROMISED[need]
    return set(empty.split()), set(single.split())


def _told(place: Place, bodies: dict[str, Organisation]) -> list[Service]:
    found = []
    for told in SERVICES:
        wards = _KEYS if told.wards == ALL else told.wards.split()
        codes = [AUTHORITY] if told.wards == ALL else sorted(place.ward_code(key) for key in wards)
        body = bodies[told.organisation]
        found.append(
            Service(
                make_id("service", told.name),
                told.name,
                body,
                told.needs.split(),
                list(wards),
                codes,
                *told.ages,
                told.capacity,
                told.valid_from,
                told.valid_to,
                told.status,
                told.description,
                in_directory=body.key in ("stillwater", "larder", "openshelf", "carers"),
                sited_in=told.sites.split(),
            )
        )
    return found


def _apart(one: str, other: str) -> float:
    a, b = _BY_KEY[one], _BY_KEY[other]
    across = 8.0 if (one in SOUTH_OF_RIVER) != (other in SOUTH_OF_RIVER) else 0.0
    return hypot(a.x - b.x, a.y - b.y) + across


class _Neighbourhood:
    """Adds small services one at a time, never where the story wants a gap or a single provider."""

    def __init__(
        self, place: Place, services: list[Service], bodies: list[Organisation], rng: Random
    ) -> None:
        self.place, self.services, self.rng = place, services, rng
        self.bodies = [body for body in bodies if body.home]
        self.names = {service.name for service in services}

    def providers(self, need: str, ward: str) -> set[str]:
        return {s.organisation.key for s in self.services if s.live and need in s.needs and ward in s.wards}

    def add(self, need: str, ward: str) -> bool:
        there = self.providers(need, ward)
        young = need == "mental-health" and self.rng.random() < 0.3
        offer = "mental-health-young" if young else need
        able = [b for b in self.bodies if (offer in b.offers or need in b.offers) and b.key not in there]
        if not able:
            return False
        held = {body.key: sum(s.organisation is body for s in self.services) for body in able}
        body = min(able, key=lambda b: (_apart(b.home, ward) + 1.3 * held[b.key], b.key))
        title, low, high, capacity = _SHAPES[need][int(self.rng.random() * len(_SHAPES[need]))]
        if need == "mental-health" and "mental-health-young" in body.offers:
            title, low, high = "Listening Ear for 11 to 15s", 11, 15
        if need == "adult-social-care":
            at_home = "Homecare" in body.name or body.name.endswith("Care Services Limited")
            title, low, high, capacity = _SHAPES[need][1 if at_home else 0 if self.rng.random() < 0.6 else 2]
        if need == "early-years" and "church" in body.legal_form:
            title, low, high, capacity = _SHAPES[need][1]
        plain = body.name.removesuffix(" Limited").removesuffix(" CIC")
        if need == "adult-social-care" and title == "Care Home" and not plain.endswith(("House", "Home")):
            plain = plain.removesuffix(" Care").removesuffix(" Residential")
        name = f"{plain}: {title}" + ("" if ward == body.home else f" ({_BY_KEY[ward].name})")
        if name in self.names:
            name += " at the " + ("Hall", "Annexe", "Old School")[int(self.rng.random() * 3)]
        if name in self.names:
            return False
        self.names.add(name)
        wards = [ward]
        empty, single = _targets(need)
        if self.rng.random() < 0.28:
            near = [w for w in sorted(_KEYS, key=lambda w: (_apart(w, ward), w))[1:3] if _apart(w, ward) < 5]
            wards += [w for w in near if w not in empty | single and body.key not in self.providers(need, w)][
                :1
            ]
        started = f"{2004 + int(self.rng.random() * 20)}-{('01', '04', '09')[int(self.rng.random() * 3)]}-01"
        ends = (
            ("2027-08-31", "2028-03-31", "2029-03-31")[int(self.rng.random() * 3)]
            if self.rng.random() < 0.15
            else ""
        )
        scaled = round(capacity * (0.6 + 0.9 * self.rng.random()))
        self.services.append(
            Service(
                make_id("service", name),
                name,
                body,
                [need],
                wards,
                sorted(self.place.ward_code(w) for w in wards),
                low,
                high,
                scaled,
                started,
                ends,
                in_directory=body.sector in ("charity", "informal") and self.rng.random() < 0.4,
                sited_in=[] if title in ("Home Care", "Respite Sitters") else [ward],
            )
        )
        return True

    def fill(self) -> None:
        for need, wanted in FILL.items():
            empty, single = _targets(need)
            open_wards = [key for key in _KEYS if key not in empty | single]
            for ward in open_wards:
                while len(self.providers(need, ward)) < 2 and self.add(need, ward):
                    wanted -= 1
            spins = 0
            while wanted > 0 and spins < 400:
                spins += 1
                ward = open_wards[int(self.rng.random() * len(open_wards))]
                wanted -= self.add(need, ward)

    def narrow(self) -> None:
        """Some services state small areas instead of their ward, where two others still cover it."""
        small = {ward.ward: ward.members for ward in self.place.wards}
        for service in self.services:
            if not service.organisation.home or len(service.wards) != 1 or self.rng.random() > 0.3:
                continue
            ward, need = service.wards[0], service.needs[0]
            if not service.live or len(self.providers(need, ward) - {service.organisation.key}) < 2:
                continue
            chosen = [code for code in small[ward] if self.rng.random() < 0.55]
            if chosen:
                service.area_codes, service.wards = chosen, []


def services_of(place: Place, bodies: list[Organisation], rng: Random) -> list[Service]:
    """All services, each with what a council analyst would know of it."""
    services = _told(place, {body.key: body for body in bodies})
    neighbourhood = _Neighbourhood(place, services, bodies, rng)
    neighbourhood.fill()
    neighbourhood.narrow()
    for service in services:
        # Most were looked at in the last two years; one in eight never.
        if rng.random() > 0.12:
            month = 1 + int(rng.random() * 12)
            service.assured_on = f"{2024 + (rng.random() < 0.6)}-{month:02d}-{1 + int(rng.random() * 28):02d}"
        service.phone = f"01632 960{int(rng.random() * 1000):03d}"
        if not service.description:
            service.description = _describe(service)
    return services


def _describe(service: Service) -> str:
    low, high = service.minimum_age, service.maximum_age
    ages = {
        (False, False): "Open to everyone",
        (True, False): f"For people aged {low} and over",
        (False, True): f"For people up to {high}",
        (True, True): f"For ages {low} to {high}",
    }[low is not None, high is not None]
    names = [_BY_KEY[key].name for key in service.wards]
    if len(names) in (0, len(_KEYS)):
        return f"{ages}."
    return f"{ages} in {', '.join(names[:-1]) + ' and ' if len(names) > 1 else ''}{names[-1]}."


def sites_of(place: Place, services: list[Service], rng: Random) -> list[Site]:
    """Where services are delivered: a lived-in spot of the ward, an address, a postcode of no post town."""
    small = {area.code: area for area in place.small}
    found = []
    held: dict[tuple[str, str], tuple[str, str, str, float, float]] = {}
    for service in services:
        for ward in service.sited_in:
            spot = held.get((service.organisation.key, ward))
            if spot is None:
                homes = place.homes[ward]
                while spot is None:
                    lon, lat, code = homes[int(rng.random() * len(homes))]
                    lon = round(lon + (rng.random() - 0.5) * 0.0012, 5)
                    lat = round(lat + (rng.random() - 0.5) * 0.0008, 5)
                    if _inside(small[code].geometry, lon, lat):
                        streets = _STREETS[_BY_KEY[ward].setting]
                        number = 1 + int(rng.random() * 140)
                        street = streets[int(rng.random() * len(streets))]
                        town = (
                            _BY_KEY[ward].name
                            if _BY_KEY[ward].setting in ("village", "headland")
                            else _town(ward)
                        )
                        spot = (f"{number} {street}, {town}", _postcode(ward, rng), code, lon, lat)
                held[service.organisation.key, ward] = spot
            address, postcode, code, lon, lat = spot
            name = f"{service.name}, {_BY_KEY[ward].name}" if len(service.sited_in) > 1 else service.name
            found.append(Site(make_id("site", f"{service.name}/{ward}"), service.id, name, address, postcode,
            code,
                              lon, lat))  # fmt: skip
    return found


def _inside(shape: Polygon | MultiPolygon, lon: float, lat: float) -> bool:
    return bool(shape.contains(Point(lon, lat)))


def _town(ward: str) -> str:
    setting = _BY_KEY[ward].setting
    if setting == "market":
        return "Holme Market"
    return "Marram" if ward in ("MS", "MC") else "Southbank" if ward == "SB" else "Keldermouth"


def _postcode(ward: str, rng: Random) -> str:
    district = 1 + _KEYS.index(ward)
    letters = "".join(_INWARD[int(rng.random() * len(_INWARD))] for _ in range(2))
    return f"ZQ{district} {1 + int(rng.random() * 9)}{letters}"


def organisation_row(body: Organisation) -> dict[str, str]:
    return {
        "id": body.id,
        "name": body.name,
        "identifiers": f"{body.scheme}:{body.number}" if body.scheme else "",
        "sector": body.sector,
        "legal_form": body.legal_form,
        "size": body.size,
        "status": "active",
        "url": "" if body.sector == "informal" else web_address(body.name),
        "description": body.description,
        "owner_ids": ";".join(make_id("organisation", owner) for owner in body.owners),
        "aliases": body.aliases,
    }
