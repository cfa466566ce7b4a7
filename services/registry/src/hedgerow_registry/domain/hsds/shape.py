"""The shape of HSDS 3.1: which entities there are, what each field holds, what must be there.

Facts of the published schemas (HSDS 3.1, Open Referral UK 3.0), and beside them the names that earlier
versions and vendors use for the same thing.
"""

from dataclasses import dataclass, field
from typing import Final

# Where fields without a place in HSDS 3.1 are kept, on the entity they came with.
UNMAPPED: Final = "hedgerow_unmapped"


@dataclass(frozen=True)
class Entity:
    """One kind of HSDS object.

    fields: name → kind. `id` own id · `ref:<entity>` id of another · `text` several lines · `line` one line ·
    `url` · `email` · `number` · `date` · `time` of day · `moment` date and time · `person` who did it ·
    `codes` comma-separated codes · `one:<entity>` · `many:<entity>` · `oneof:<words>`
    required: fields that must be there, with what stands for "not stated".
    spellings: names of other versions → field. main: the field a bare string stands for.
    id_kind: the kind under which an id that is no UUID is turned into one.
    needs: without these fields the object is no valid one and is kept with what has no place.
    """

    fields: dict[str, str]
    required: dict[str, str | int] = field(default_factory=dict)
    spellings: dict[str, str] = field(default_factory=dict)
    main: str | None = None
    id_kind: str = ""
    needs: frozenset[str] = frozenset()


def _fields(text: str) -> dict[str, str]:
    return dict(part.split("=") for part in text.split())


_TAIL = " attributes=many:attribute metadata=many:metadata"
_WEEKDAYS = "MO,TU,WE,TH,FR,SA,SU"
PLACES: Final = "physical,postal,virtual"
STATUSES: Final = ("active", "inactive", "defunct", "temporarily closed")

ENTITIES: Final[dict[str, Entity]] = {
    "service": Entity(
        _fields(
            "id=id organization_id=ref:organization program_id=ref:program name=line alternate_name=line"
            " description=text url=url additional_urls=many:url email=email status=status"
            " interpretation_services=text"
            " application_process=text fees_description=text wait_time=text fees=text accreditations=text"
            " eligibility_description=text minimum_age=number maximum_age=number assured_date=date"
            " assurer_email=email licenses=text alert=text last_modified=moment phones=many:phone"
            " schedules=many:schedule service_areas=many:service_area"
            " service_at_locations=many:service_at_location languages=many:language"
            " organization=one:organization"
            " funding=many:funding cost_options=many:cost_option program=one:program"
            " required_documents=many:required_document contacts=many:contact"
            " capacities=many:service_capacity" + _TAIL
        ),
        spellings=_fields(
            "organisation=organization organisation_id=organization_id fundings=funding"
            " regular_schedules=schedules regular_schedule=schedules service_area=service_areas phone=phones"
            " contact=contacts language=languages cost_option=cost_options"
            " required_document=required_documents"
            " service_at_location=service_at_locations licences=licenses assured_on=assured_date website=url"
            " additional_websites=additional_urls waiting_time=wait_time"
        ),
        id_kind="service",
    ),
    "organization": Entity(
        _fields(
            "id=id name=line alternate_name=line description=text email=email website=url"
            " additional_websites=many:url tax_status=line tax_id=line year_incorporated=number"
            " legal_status=line"
            " logo=line uri=url parent_organization_id=ref:organization funding=many:funding"
            " contacts=many:contact"
            " phones=many:phone locations=many:location programs=many:program"
            " organization_identifiers=many:organization_identifier" + _TAIL
        ),
        required={"name": "", "description": ""},
        spellings=_fields(
            "identifiers=organization_identifiers url=website fundings=funding contact=contacts"
            " phone=phones location=locations"
        ),
        main="name",
        id_kind="organisation",
    ),
    "organization_identifier": Entity(
        _fields(
            "id=id organization_id=ref:organization identifier_scheme=line identifier_type=line"
            " identifier=line" + _TAIL
        ),
        required={"identifier_type": "", "identifier": ""},
    ),
    "service_at_location": Entity(
        _fields(
            "id=id service_id=ref:service location_id=ref:location description=text"
            " service_areas=many:service_area contacts=many:contact phones=many:phone schedules=many:schedule"
            " location=one:location" + _TAIL
        ),
        spellings=_fields(
            "regular_schedule=schedules regular_schedules=schedules contact=contacts phone=phones"
        ),
        id_kind="site",
    ),
    "location": Entity(
        _fields(
            f"id=id location_type=oneof:{PLACES} url=url organization_id=ref:organization name=line"
            " alternate_name=line description=text transportation=text latitude=number longitude=number"
            " external_identifier=line external_identifier_type=line languages=many:language"
            " addresses=many:address contacts=many:contact accessibility=many:accessibility phones=many:phone"
            " schedules=many:schedule" + _TAIL
        ),
        required={"location_type": "physical"},
        spellings=_fields(
            "accessibility_for_disabilities=accessibility regular_schedule=schedules"
            " regular_schedules=schedules"
            " address=addresses lat=latitude lon=longitude lng=longitude language=languages"
        ),
    ),
    "address": Entity(
        _fields(
            "id=id location_id=ref:location attention=person address_1=line address_2=line city=line"
            " region=line"
            f" state_province=line postal_code=line country=line address_type=oneof:{PLACES}" + _TAIL
        ),
        required={
            "address_1": "",
            "city": "",
            "state_province": "",
            "postal_code": "",
            "country": "",
            "address_type": "physical",
        },
        spellings=_fields("postcode=postal_code county=state_province"),
        main="address_1",
    ),
    "phone": Entity(
        _fields(
            "id=id location_id=ref:location service_id=ref:service organization_id=ref:organization"
            " contact_id=ref:contact service_at_location_id=ref:service_at_location number=line"
            " extension=number"
            " type=line description=text languages=many:language" + _TAIL
        ),
        required={"number": ""},
        spellings=_fields("language=languages"),
        main="number",
    ),
    "contact": Entity(
        _fields(
            "id=id organization_id=ref:organization service_id=ref:service"
            " service_at_location_id=ref:service_at_location location_id=ref:location name=person title=line"
            " department=line email=email phones=many:phone" + _TAIL
        ),
        spellings=_fields("phone=phones"),
        main="name",
    ),
    "schedule": Entity(
        _fields(
            "id=id service_id=ref:service location_id=ref:location"
            " service_at_location_id=ref:service_at_location valid_from=date valid_to=date dtstart=date"
            f" timezone=number until=date count=number wkst=oneof:{_WEEKDAYS} freq=oneof:WEEKLY,MONTHLY"
            " interval=number byday=codes byweekno=codes bymonthday=codes byyearday=codes description=text"
            " opens_at=time closes_at=time schedule_link=url attending_type=line notes=text" + _TAIL
        ),
        spellings=_fields("weekday=byday"),
        main="description",
    ),
    "service_area": Entity(
        _fields(
            "id=id service_id=ref:service service_at_location_id=ref:service_at_location name=line"
            " description=text extent=text extent_type=line uri=line" + _TAIL
        ),
        spellings=_fields("service_area=name"),
        main="name",
    ),
    "language": Entity(
        _fields(
            "id=id service_id=ref:service location_id=ref:location phone_id=ref:phone name=line code=line"
            " note=text" + _TAIL
        ),
        spellings=_fields("language=name"),
        main="name",
    ),
    "accessibility": Entity(
        _fields("id=id location_id=ref:location description=text details=text url=url" + _TAIL),
        spellings=_fields("accessibility=description"),
        main="description",
    ),
    "funding": Entity(
        _fields("id=id organization_id=ref:organization service_id=ref:service source=text" + _TAIL),
        main="source",
    ),
    "cost_option": Entity(
        _fields(
            "id=id service_id=ref:service valid_from=date valid_to=date option=line currency=line"
            " amount=number"
            " amount_description=text" + _TAIL
        ),
        main="option",
    ),
    "required_document": Entity(
        _fields("id=id service_id=ref:service document=text uri=url" + _TAIL), main="document"
    ),
    "program": Entity(
        _fields(
            "id=id organization_id=ref:organization name=line alternate_name=line description=text" + _TAIL
        ),
        required={"name": "", "description": ""},
        main="name",
    ),
    "service_capacity": Entity(
        _fields(
            "id=id service_id=ref:service unit=one:unit unit_id=ref:unit available=number maximum=number"
            " description=text updated=moment" + _TAIL
        ),
        needs=frozenset({"unit", "available", "updated"}),
    ),
    "unit": Entity(
        _fields("id=id name=line scheme=line identifier=line uri=url" + _TAIL),
        required={"name": ""},
        main="name",
    ),
    "url": Entity(
        _fields("id=id label=line url=url organization_id=ref:organization service_id=ref:service" + _TAIL),
        main="url",
        needs=frozenset({"url"}),
    ),
    "attribute": Entity(
        _fields(
            "id=id link_id=ref:any taxonomy_term_id=ref:taxonomy_term link_type=line link_entity=line"
            " value=text"
            " taxonomy_term=one:taxonomy_term metadata=many:metadata label=line"
        ),
        spellings=_fields("linkid=link_id taxonomy=taxonomy_term"),
        main="value",
    ),
    "taxonomy_term": Entity(
        _fields(
            "id=id code=line name=line description=text parent_id=ref:taxonomy_term taxonomy=line"
            " taxonomy_detail=one:taxonomy language=line taxonomy_id=ref:taxonomy term_uri=url"
            " metadata=many:metadata"
        ),
        required={"name": "", "description": ""},
        spellings=_fields("term=name vocabulary=taxonomy"),
        main="name",
    ),
    "taxonomy": Entity(
        _fields("id=id name=line description=text uri=url version=line metadata=many:metadata"),
        required={"name": "", "description": ""},
        main="name",
    ),
    "metadata": Entity(
        _fields(
            "id=id resource_id=ref:any resource_type=line last_action_date=line last_action_type=line"
            " field_name=line previous_value=text replacement_value=text updated_by=person"
        ),
        required={
            "last_action_date": "",
            "last_action_type": "",
            "field_name": "",
            "previous_value": "",
            "replacement_value": "",
            "updated_by": "",
        },
    ),
}
