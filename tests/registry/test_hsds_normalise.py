from datetime import date
from typing import Any

import pytest
from hedgerow_registry.domain.hsds import NeedTerm, Normalised, normalise
from hedgerow_registry.domain.hsds.people import is_personal_mailbox, role_in
from hedgerow_registry.domain.ids import record_id
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.registry.service_records import SERVICE, of_version_1, of_version_3

ORGANISATION = "22222222-2222-4222-8222-222222222222"


def texts(one: Normalised, pointer: str | None = None) -> list[str]:
    return [note.text for note in one.notes if pointer in (None, note.pointer)]


def test_a_service_of_version_1_is_read_whole() -> None:
    one = normalise(of_version_1(), source="swim")

    service = one.service
    assert service is not None
    assert service.id == record_id("swim", "service", "1502")
    assert service.source_id == "1502"
    assert service.name == "Toddler swim"
    assert service.organisation_id == record_id("swim", "organisation", "77")
    assert (service.minimum_age, service.maximum_age) == (0, 5)
    assert service.area_codes == ("E06000023",)
    assert service.needs == ("esdServices:293",)
    assert service.url == "https://www.swim.example"
    assert service.phone == "0117 496 0000"
    assert service.assured_on == date(2023, 4, 13)
    assert one.need_terms == (NeedTerm("esdServices", "293", "Swimming", None),)
    (site,) = one.sites
    assert (site.name, site.address, site.postcode) == ("Central Baths", "1 Pool Lane, Bristol", "BS1 4QA")
    assert (site.lon, site.lat) == (-2.5879, 51.4545)
    assert one.organisation is not None
    assert one.organisation.url == "https://swim.example"


def test_version_1_is_spelled_over_to_3_1() -> None:
    document = normalise(of_version_1(), source="swim").document

    assert document["eligibility_description"] == "Under fives"
    assert document["schedules"][0]["freq"] == "WEEKLY"
    assert document["schedules"][0]["interval"] == 1
    assert document["cost_options"][0]["amount"] == 3.5
    assert document["languages"][0]["name"] == "Polish"
    assert document["funding"][0]["source"] == "Council"
    assert document["organization"]["website"] == "https://swim.example"
    location = document["service_at_locations"][0]["location"]
    assert location["location_type"] == "physical"
    assert location["accessibility"][0]["description"] == "Hoist"
    assert location["addresses"][0]["address_type"] == "physical"
    assert document["service_at_locations"][0]["schedules"][0]["byday"] == "SA"
    labelled = {a["link_type"]: a["value"] for a in document["attributes"] if "value" in a}
    assert labelled == {
        "attending_type": "Venue",
        "attending_access": "Drop-in",
        "deliverable_type": "Social activity",
    }
    assert document["hedgerow_unmapped"]["holiday_schedules"][0]["start_date"] == "2024-12-25"
    assert document["hedgerow_unmapped"]["reviews"][0]["title"] == "Warm water"
    assert document["hedgerow_unmapped"]["id"] == "1502"


def test_nothing_of_a_record_is_lost_but_the_person() -> None:
    sent = of_version_1(pc_metadata={"colour": "blue", "nested": [{"deep": [1, 2.5, True, "x"]}]})
    held = {str(leaf) for leaf in leaves(normalise(sent).document)}

    lost = {leaf for leaf in map(str, leaves(sent)) if leaf not in held}

    assert (
        lost
        == {
            "Ann Persona",
            " Toddler  swim ",
            "<p>Splash!</p>",
            "www.swim.example",
            "weekly",
            "51.4545",
            "-2.5879",
            "3.50",
        }
        - held
    )


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in leaves(inner)]
    return [] if value is None or value == "" else [value]


def test_a_service_of_version_3_is_read() -> None:
    one = normalise(
        of_version_3(
            organization={
                "id": ORGANISATION,
                "name": "Advice CIC",
                "legal_status": "CIC",
                "organization_identifiers": [
                    {"id": "i", "identifier_scheme": "GB-COH", "identifier": "1234567"},
                    {"id": "j", "identifier_scheme": "GB-COH", "identifier": "no"},
                ],
            },
            minimum_age=16,
            maximum_age=17.5,
            attributes=[
                {
                    "id": "33333333-3333-4333-8333-333333333333",
                    "link_entity": "service",
                    "taxonomy_term": {
                        "id": "44444444-4444-4444-8444-444444444444",
                        "code": "BD-1800",
                        "name": "Food",
                        "taxonomy": "Open Eligibility",
                    },
                }
            ],
            service_areas=[
                {"id": "a", "name": "Trafford", "extent": '{"code":"E08000009"}', "extent_type": "geojson"}
            ],
            schedules=[{"id": "s", "valid_from": "2024-01-01", "valid_to": "2024-12-31"}],
            capacities=[
                {
                    "id": "c",
                    "unit": {"id": "u", "name": "Places"},
                    "available": 2,
                    "maximum": 12,
                    "updated": "2024-01-01",
                }
            ],
        )
    )

    service = one.service
    assert service is not None
    assert service.needs == ("open-eligibility:BD-1800",)
    assert service.area_codes == ("E08000009",)
    assert (service.minimum_age, service.maximum_age) == (16, 17.5)
    assert service.capacity == 12
    assert (service.valid_from, service.valid_to) == (date(2024, 1, 1), date(2024, 12, 31))
    assert one.organisation is not None
    assert one.organisation.identifiers == ("GB-COH:01234567",)
    assert one.organisation.legal_form == "CIC"
    assert any("identifier kept in the document only" in text for text in texts(one))


def test_audience_labels_are_trimmed_and_nested_ones_become_a_hierarchy() -> None:
    audience = [
        {"id": "1", "audienceType": "Disabled People "},
        {"id": "2", "audienceType": "Disabled People"},
        {"id": "3", "audienceType": "Parents>Grandparents"},
    ]

    one = normalise(of_version_3(pc_targetAudience=audience))

    assert one.service is not None
    assert one.service.needs == (
        "pc_targetAudience:disabled-people",
        "pc_targetAudience:parents.grandparents",
    )
    assert one.need_terms == (
        NeedTerm("pc_targetAudience", "disabled-people", "Disabled People", None),
        NeedTerm("pc_targetAudience", "parents", "Parents", None),
        NeedTerm("pc_targetAudience", "parents.grandparents", "Grandparents", "parents"),
    )
    assert "audience label trimmed" in texts(one, "/pc_targetAudience/0")
    assert "nested label split into a hierarchy" in texts(one)


def test_the_terms_above_a_term_of_version_1_come_with_it() -> None:
    top = {"id": "esd:1", "name": "Leisure", "vocabulary": "esd"}
    term = {"id": "esd:293", "name": "Swimming", "vocabulary": "esd", "parent": top}

    one = normalise(of_version_1(service_taxonomys=[{"id": "t", "taxonomy": term}]))

    assert one.need_terms == (NeedTerm("esd", "1", "Leisure", None), NeedTerm("esd", "293", "Swimming", "1"))
    assert one.service is not None
    assert one.service.needs == ("esd:293",)


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ("active", "active", None),
        ("Temporarily_Closed", "temporarily closed", "status read as temporarily closed"),
        ("archived", "defunct", "status read as defunct"),
        ("purple", "inactive", "unknown status taken as inactive"),
        (None, "active", "no status given: taken as active"),
    ],
)
def test_a_status_is_one_of_four_and_what_was_read_is_said(
    sent: str | None, status: str, said: str | None
) -> None:
    one = normalise({"id": SERVICE, "name": "A", "status": sent, "fees": "none"})

    assert one.service is not None
    assert one.service.status == status
    assert texts(one, "/status") == ([said] if said else [])


@pytest.mark.parametrize(
    ("sent", "url"),
    [
        ("https://a.example/x?y=1", "https://a.example/x?y=1"),
        ("www.a.example", "https://www.a.example"),
        ("http:www.a.example", "http://www.a.example"),
        ("https:/a.example", "https://a.example"),
        ("a.example:8080/x", "https://a.example:8080/x"),
        ("https://a.example/a b", "https://a.example/a%20b"),
        ("Warmley Community Centre", None),
        ("example/counselling", None),
        ("javascript:alert(1)", None),
        ("https://", None),
    ],
)
def test_an_address_is_completed_only_where_its_host_can_be_one(sent: str, url: str | None) -> None:
    one = normalise(of_version_3(url=sent))

    assert one.service is not None
    assert one.service.url == url
    assert bool(texts(one, "/url")) == (sent != url)
    if url is None:
        assert one.document["hedgerow_unmapped"]["url"] == sent


@pytest.mark.parametrize(
    ("sent", "written"),
    [
        ("9am", "09:00"),
        ("4.30pm", "16:30"),
        ("12:15 a.m.", "00:15"),
        ("0930", "09:30"),
        ("2020-01-01T09:30:00", "09:30"),
        ("24:00", "24:00"),
        ("18:00:00+01:00", "18:00:00+01:00"),
        ("after school", "after school"),
    ],
)
def test_a_time_of_day_in_other_words_is_written_as_the_standard_does(sent: str, written: str) -> None:
    one = normalise(of_version_3(schedules=[{"byday": "MO", "opens_at": sent}]))
    assert one.document["schedules"][0]["opens_at"] == written
    assert bool(texts(one, "/schedules/0/opens_at")) == (sent != written or " " in sent)


@pytest.mark.parametrize(
    ("sent", "amount", "currency", "described"),
    [
        ("£3.50", 3.5, "GBP", None),
        ("€ 4", 4, "EUR", None),
        ("GBP 1,250", 1250, "GBP", None),
        ("1,250.50", 1250.5, None, None),
        ("$5", None, None, "$5"),
        ("free", None, None, "free"),
        ("from £5", None, None, "from £5"),
        (12, 12, None, None),
    ],
)
def test_a_price_is_read_as_people_write_it_and_words_for_one_describe_it(
    sent: Any, amount: float | None, currency: str | None, described: str | None
) -> None:
    one = normalise(of_version_3(cost_options=[{"option": "adult", "amount": sent}]))
    (cost,) = one.document["cost_options"]
    read = tuple(cost.get(name) for name in ("amount", "currency", "amount_description"))
    assert read == (amount, currency, described)
    assert bool(texts(one, "/cost_options/0/amount")) == isinstance(sent, str)


def test_a_currency_in_a_price_does_not_replace_the_one_that_is_told() -> None:
    cost = {"amount": "£3.50", "currency": "EUR"}
    (kept,) = normalise(of_version_3(cost_options=[cost])).document["cost_options"]
    assert (kept["amount"], kept["currency"], kept["hedgerow_unmapped"]) == (3.5, "EUR", {"amount": "GBP"})


def test_words_for_a_price_do_not_replace_its_description() -> None:
    cost = {"amount": "free", "amount_description": "for members"}
    (kept,) = normalise(of_version_3(cost_options=[cost])).document["cost_options"]
    assert kept["amount_description"] == "for members"
    assert kept["hedgerow_unmapped"] == {"amount": "free"}


def test_a_place_that_is_only_named_is_not_guessed() -> None:
    one = normalise(of_version_3(service_areas=[{"name": "Bristol"}, {"name": "Ward E0500123"}]))

    assert one.service is not None
    assert one.service.area_codes == ()
    assert "service area without a GSS code: not placed, nothing guessed" in texts(one, "/service_areas/0")
    assert "E0500123 is not a GSS code" in texts(one, "/service_areas/1")


def test_coordinates_that_are_not_in_the_country_leave_the_site_without_a_point() -> None:
    places = [{"id": "1", "location": {"id": "2", "name": "Hall", "latitude": -2.3, "longitude": 53.4}}]

    one = normalise(of_version_3(service_at_locations=places))

    assert (one.sites[0].lon, one.sites[0].lat) == (None, None)
    assert "site without a point: outside the United Kingdom: longitude and latitude look swapped" in texts(
        one
    )
    assert one.document["service_at_locations"][0]["location"]["latitude"] == -2.3


def test_a_virtual_place_is_no_site() -> None:
    places = [{"id": "1", "location": {"id": "2", "name": "Zoom", "location_type": "virtual"}}]

    assert normalise(of_version_3(service_at_locations=places)).sites == ()


@pytest.mark.parametrize(
    ("record", "pointer", "reason"),
    [
        (None, "", "not a JSON object"),
        ("text", "", "not a JSON object"),
        ({"name": "A"}, "/id", "the service has no id"),
        ({"id": "1", "name": "<p> </p>"}, "/name", "the service has no name"),
        ({"id": "1"}, "/name", "the service has no name"),
        (
            {"id": "1", "name": "T", "taxonomy": "x", "term_uri": "y"},
            "",
            "this is a taxonomy term, not a service",
        ),
        (
            {"id": "1", "name": "O", "organization_identifiers": []},
            "",
            "this is an organisation, not a service",
        ),
    ],
)
def test_what_is_no_service_is_told_why(record: object, pointer: str, reason: str) -> None:
    one = normalise(record)

    assert one.service is None
    assert [(problem.pointer, problem.reason) for problem in one.problems] == [(pointer, reason)]


def test_a_record_nested_without_end_is_refused() -> None:
    nested: Any = "end"
    for _ in range(5_000):
        nested = {"in": nested}

    assert (
        normalise(of_version_3(vendor=nested)).problems[0].reason
        == "nested more deeply than any record of the standard"
    )


def test_a_service_at_location_is_unwrapped() -> None:
    one = normalise({"id": "p1", "location": {"id": "l1", "name": "Hall"}, "service": of_version_3()})

    assert one.service is not None
    assert one.service.name == "Advice line"
    assert [site.name for site in one.sites] == ["Hall"]


def test_an_organisation_without_an_id_gets_one_from_its_name() -> None:
    first = normalise(of_version_3(organization={"name": "Swim  Ltd"}), source="s").organisation
    second = normalise(
        of_version_1(organization={"name": "swim ltd", "url": "x.example"}), source="s"
    ).organisation

    assert first is not None
    assert second is not None
    assert first.id == second.id


def test_a_person_is_not_kept_and_a_role_is() -> None:
    contacts = [
        {
            "id": "1",
            "name": "Ann Persona",
            "email": "ann.persona@a.example",
            "phones": [{"number": "07700 900123"}],
        },
        {
            "id": "2",
            "name": "Bookings team",
            "email": "bookings@a.example",
            "phones": [{"number": "0117 496 0001"}],
        },
        {
            "id": "3",
            "name": "Bob Persona",
            "title": "Centre Manager",
            "phones": [{"number": "0117 496 0002"}],
        },
        {"id": "4", "name": "Mrs J Persona", "title": "Mrs"},
        "Carol Persona",
    ]

    one = normalise(of_version_3(contacts=contacts, assurer_email="bob.persona@a.example"))

    said = str(one.document)
    assert "Persona" not in said
    assert "persona" not in said
    assert "07700" not in said
    kept = one.document["contacts"]
    assert [contact.get("name") for contact in kept] == ["Bookings team", None]
    assert kept[1]["title"] == "Centre Manager"
    assert kept[1]["phones"][0]["number"] == "0117 496 0002"
    assert "number of a person without a role not kept" in texts(one, "/contacts/0/phones")
    assert "name of a person not kept" in texts(one, "/contacts/0/name")
    assert "mailbox of a person not kept" in texts(one, "/assurer_email")


def test_persons_in_vendor_fields_and_histories_are_not_kept() -> None:
    one = normalise(
        of_version_3(
            pc_metadata={
                "assured_by": "Ann Persona",
                "checked_by": "Quality team",
                "contact_name": "Bob Persona",
            },
            metadata=[
                {
                    "id": "m",
                    "resource_type": "contact",
                    "last_action_date": "2024-01-01",
                    "last_action_type": "update",
                    "field_name": "name",
                    "previous_value": "Ann Persona",
                    "replacement_value": "Bob Persona",
                    "updated_by": "Carol Persona",
                }
            ],
        )
    )

    assert "Persona" not in str(one.document)
    assert one.document["hedgerow_unmapped"]["pc_metadata"] == {"checked_by": "Quality team"}
    assert one.document["metadata"][0]["updated_by"] == ""


@pytest.mark.parametrize(
    "name", ["Swim Ltd", "Enquiries", "Reception, first floor desk", "St Agnes Church office"]
)
def test_roles_and_bodies_stay(name: str) -> None:
    assert role_in(name, known=["Swim Ltd"]) == name


@pytest.mark.parametrize("name", ["Ann Persona", "Dr Persona, Surgery", "J. Persona", "Reverend Persona"])
def test_persons_go(name: str) -> None:
    assert "Persona" not in role_in(name)


@pytest.mark.parametrize(
    ("mailbox", "personal"),
    [
        ("info@a.example", False),
        ("bristol@a.example", False),
        ("community.meals@a.example", False),
        ("j.persona@a.example", True),
        ("susan@a.example", True),
        ("david.persona@a.example", True),
        ("margaretpersona57@gmail.com", True),
        ("marketing@gmail.com", False),
    ],
)
def test_a_mailbox_reads_as_a_persons_or_not(mailbox: str, personal: bool) -> None:
    assert is_personal_mailbox(mailbox) is personal


names = st.sampled_from(
    ["id", "name", "status", "description", "url", "email", "organization", "contacts", "phones",
    "eligibilitys",
     "service_taxonomys", "taxonomy", "taxonomy_term", "attributes", "service_at_locations",
     "location", "latitude",
     "longitude", "physical_addresses", "addresses", "postal_code", "schedules",
     "regular_schedules", "valid_to",
     "byday", "service_areas", "extent", "uri", "minimum_age", "maximum_age", "capacities", "unit",
     "available",
     "updated", "languages", "language", "number", "title", "pc_targetAudience", "audienceType",
     "pc_metadata",
     "assured_date", "assured_by", "last_modified", "metadata", "hedgerow_unmapped", "path",
     "parent", "parent_id",
     "vocabulary", "code", "Id", "serviceAreas", "service", "link_type", "additional_urls",
     "cost_options", "amount"]
)  # fmt: skip
words = st.one_of(
    st.text(max_size=12),
    st.sampled_from(
        ["", " ", SERVICE, "E06000023", "www.a.example", "http:a.example", "<p>x</p>",
        "&amp;lt;p&amp;gt;", "A>B>C",
         "ann@a.example", "Ann Persona", "2024-01-01", "31/12/2023", "2024-01-01T10:00:00", "12",
         "1e5", "-3.5",
         "Closed", "MO, TU ;WE", "esd:12", "\x00", "\ud800",
         "data:image/png;base64,AAAA", "Ann Persona, Manager"]
    ),
)  # fmt: skip
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), words),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(names, st.text(max_size=6)), inner, max_size=6),
    ),
    max_leaves=25,
)
records = st.dictionaries(names, values, max_size=10).map(lambda fields: {"id": "7", "name": "A", **fields})


@settings(max_examples=600)
@given(st.one_of(values, records))
def test_normalising_never_raises_and_is_done_once(record: Any) -> None:
    one = normalise(record, source="s")

    assert (one.service is None) == bool(one.problems)
    if one.service is None:
        return
    again = normalise(one.document, source="s")
    assert again.document == one.document
    assert (again.service, again.organisation, again.sites) == (one.service, one.organisation, one.sites)
    assert again.need_terms == one.need_terms
