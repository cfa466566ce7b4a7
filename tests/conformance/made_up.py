"""Feeds that are made up: services with every field of the standard, and a directory of mixed quality."""

import random
from typing import Any

from tests.registry.hsds_generator import Maker

Record = dict[str, Any]
SERVICES = 10


def everything(schema: Record) -> list[Record]:
    """Services with every field that the standard knows."""
    return [Maker(schema, random.Random(number)).service() for number in range(SERVICES)]


def mixed(schema: Record) -> list[Record]:
    """Services of every version and quality, as a directory that grew over years has them."""
    sparse = [Maker(schema, random.Random(number), share=0.3).service() for number in range(100, 140)]
    return [*sparse, *map(_bare, range(5)), *map(_of_version_1, range(20)), *map(_online, range(5))]


def _bare(number: int) -> Record:
    return {"id": f"bare-{number}", "name": f"Club {number}", "status": "active"}


def _online(number: int) -> Record:
    way = ("Online", "By phone", "Video call", "Venue", "Online and at home")[number]
    return {
        "id": f"online-{number}",
        "name": f"Advice {number}",
        "status": "active",
        "attending_type": way,
        "organization": {"id": 7, "name": "Advice Body", "url": "www.advice.example"},
    }


def _of_version_1(number: int) -> Record:
    """A record of Open Referral UK 1.0 with its own names for things, and some of its usual faults."""
    return {
        "id": f"svc-{number}",
        "name": f"<b>Lunch&nbsp;club</b> {number}",
        "description": "<p>Hot meals.</p><ul><li>Monday</li></ul>",
        "status": ("Active", "archived", "live", "")[number % 4],
        "url": "lunch.example/club",
        "organization": {"id": f"org-{number % 3}", "name": f"Charity {number % 3}", "url": ""},
        "eligibilitys": [
            {"id": "e", "eligibility": "Over 60", "minimum_age": 60 + number % 5, "maximum_age": 99}
        ],
        "service_areas": [{"id": "a", "service_area": "Ward", "extent": f"E0500{number:04}"}],
        "service_taxonomys": [
            {
                "id": "t",
                "taxonomy": {"id": f"esd:{number % 4}", "name": f"Need {number % 4}", "vocabulary": "esd"},
            }
        ],
        "regular_schedules": [
            {"id": "r", "weekday": "MO", "opens_at": "12:00", "closes_at": "14:30" if number % 2 else "01:00"}
        ],
        "service_at_locations": [
            {
                "id": f"sal-{number}",
                "location": {
                    "id": f"loc-{number % 6}",
                    "name": "Hall",
                    "latitude": str(53.4 + number / 500),
                    "longitude": str(-2.3),
                    "physical_addresses": [
                        {
                            "id": "p",
                            "address_1": "1 Road",
                            "city": "Town",
                            "postal_code": f"m{number % 6 + 1}1ab",
                        }
                    ],
                },
            }
        ],
        "contacts": [
            {"id": "c", "name": "Ann Persona", "title": "Mrs", "phones": [{"number": "01632 960001"}]}
        ],
        "cost_options": [{"id": "f", "option": "Per meal", "amount": "4.50"}],
    }
