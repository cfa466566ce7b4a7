"""A real Open Referral feed with real faults: every record is accounted for, nothing foul is stored."""

import re

import pytest

AUTHORITY = "E06000023"


@pytest.fixture(scope="module")
def bristol(empty_platform, shared):
    body = (shared / "data" / "oruk_bristol" / "services.json").read_bytes()
    answer = empty_platform.send("hsds", body, "application/json", source="bristol")
    assert answer.status_code == 200, answer.text
    return empty_platform, answer.json(), body


def test_819_records_are_sent_and_each_is_accounted_for(bristol):
    _, made, _ = bristol
    assert sum(made["counts"].values()) == 819


def test_the_duplicate_id_and_the_empty_name_are_named(bristol):
    platform, made, _ = bristol
    bad = platform.items(made["receipts"], verdict="quarantined", limit=1000)
    assert any("name" in receipt["reason"] for receipt in bad)
    all_receipts = platform.items(made["receipts"], noted="true", limit=1000)
    keys = [receipt["key"] for receipt in platform.items(made["receipts"], limit=1000)]
    twice = {key for key in keys if key and keys.count(key) > 1}
    assert len(twice) == 1
    assert any(
        receipt["key"] in twice and re.search("sent before|again", receipt["reason"])
        for receipt in all_receipts
    )


def test_no_markup_and_no_image_is_stored_as_text(bristol):
    platform, _, _ = bristol
    services = platform.items("/v1/services", source="bristol", limit=1000)
    assert len(services) >= 817
    for service in services:
        for text in (service["name"], service["description"] or ""):
            assert not re.search(r"</?(p|br|div|span|ul|li|a|img|strong)\b", text, re.I), text[:200]
            assert "base64" not in text
            assert len(text) < 40_000


def test_a_second_import_is_all_unchanged(bristol):
    platform, first, body = bristol
    again = platform.send("hsds", body, "application/json", source="bristol").json()
    assert again["counts"]["accepted"] == again["counts"]["changed"] == 0
    assert again["counts"]["quarantined"] == first["counts"]["quarantined"]
