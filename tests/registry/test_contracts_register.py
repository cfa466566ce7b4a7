from tests.registry.files import changes, counts, fill, notes, quarantined, send

REGISTER = """
    id,title,buyer_name,supplier_name,supplier_identifiers,value,start,end,extension_months,method,needs,status
    C1,Meals,Saltmarsh,Quay Kitchen,GB-CHC:1234567,"1,200",2025-04-01,2027-03-31,12,Restricted,hedgerow:food,
    C2,Alliance,Saltmarsh,Advice;Pier Law,GB-COH:123456;,£900,2025-04-01,2030-03-31,,by magic,,Live
    C3,Cleaning,Saltmarsh,TBC,,1,2015-04-01,2018-03-31,,,,Expired
    C4,Home support,Saltmarsh,,,2000000,2027-04-01,2032-03-31,,,hedgerow:food,planned
"""


def test_a_contracts_register_becomes_contracts_and_plans(registry):
    fill(registry)
    made = send(registry, "contracts", REGISTER)
    assert counts(made) == (4, 0, 0, 0)
    found = {one["title"]: one for one in registry.items("/v1/contracts")}
    assert set(found) == {"Meals", "Alliance", "Cleaning"}
    meals, alliance, old = (found[title] for title in ("Meals", "Alliance", "Cleaning"))
    (kitchen,) = registry.items("/v1/organisations", params={"identifier": "GB-CHC:1234567"})
    assert meals["supplier_ids"] == [kitchen["id"]]
    assert (meals["value_gbp"], meals["extended_to"], meals["method"]) == (1_200, "2028-03-31", "selective")
    assert meals["needs"] == ["hedgerow:food"]
    assert len(alliance["supplier_ids"]) == 2
    assert (old["status"], old["supplier_ids"]) == ("terminated", [])
    (plan,) = registry.items("/v1/pipeline")
    assert (plan["title"], plan["start"]) == ("Home support", "2027-04-01")
    assert [(line, column) for line, column, _ in notes(registry, made)] == [
        (3, "method"),
        (4, "supplier_name"),
    ]


def test_the_same_register_again_changes_nothing_and_a_new_edition_only_what_is_new(registry):
    fill(registry)
    send(registry, "contracts", REGISTER)
    before = changes(registry)
    assert counts(send(registry, "contracts", REGISTER)) == (0, 0, 4, 0)
    assert changes(registry) == before
    edition = REGISTER.replace("2027-03-31", "2028-03-31").replace(",planned", ",active")
    assert counts(send(registry, "contracts", edition)) == (1, 1, 2, 0)
    assert registry.items("/v1/pipeline") == []
    assert len(registry.items("/v1/contracts")) == 4


def test_rows_that_cannot_be_are_quarantined_with_their_reasons(registry):
    made = send(
        registry,
        "contracts",
        """
        id,title,status,value,start,end,supplier_name,supplier_identifiers,area_codes,published,extension_months
        ,No id,,,,,,,,,
        1,,,,,,,,,,
        2,Wrong status,won,,,,,,,,
        3,Wrong value,,lots,,,,,,,
        4,Wrong dates,,,2026-01-01,2025-01-01,,,,,
        5,Wrong day,,,01/02/2025,,,,,,
        6,Wrong area,,,,,,,E0800009,,
        7,Wrong flag,,,,,,,,perhaps,
        8,Wrong months,,,,,,,,,0
        9,Too many numbers,,,,,A;B,GB-COH:1;GB-COH:2;GB-COH:3,,,
        10,Good,,,,,A,,,,
        10,Good but other,,,,,A,,,,
        """,
    )
    assert counts(made) == (1, 0, 0, 11)
    assert [column for _, column, _ in quarantined(registry, made)] == [
        *("id", "title", "status", "value", "end", "start", "area_codes", "published", "extension_months"),
        *("supplier_identifiers", "id"),
    ]


def test_several_contracts_of_one_process_keep_together(registry):
    made = send(
        registry,
        "contracts",
        """
        id,ocid,title,supplier_name,value
        L1,ocds-x-1,North,Quay Kitchen,10
        L2,ocds-x-1,South,Saltmarsh Advice,20
        """,
    )
    assert counts(made) == (2, 0, 0, 0)
    found = registry.items("/v1/contracts", params={"ocid": "ocds-x-1"})
    assert sorted((one["title"], one["value_gbp"]) for one in found) == [("North", 10), ("South", 20)]
