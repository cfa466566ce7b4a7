"""Identifiers of real registers: all but real faults are understood, and written in one way."""

import csv
import gzip
import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hedgerow_registry.domain.identifiers import identifier
from hedgerow_registry.errors import Malformed


def rows(path: Path) -> Iterator[dict[str, str]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    yield from csv.DictReader(io.StringIO(raw.decode("utf-8-sig")))


def test_of_160_000_org_ids_of_registers_only_two_that_cannot_be_are_refused(shared: Path) -> None:
    understood: Counter[str] = Counter()
    refused: set[str] = set()
    for path in sorted((shared / "data" / "org_identifiers").glob("*.csv*")):
        for row in rows(path):
            for column in ("org_id_a", "org_id_b"):
                sent = row.get(column)
                if not sent:
                    continue
                try:
                    made = identifier(sent)
                except Malformed:
                    refused.add(sent)
                    continue
                understood[made.scheme] += 1
                # What is written is understood again, and as the same.
                assert identifier(f"{made.scheme}:{made.identifier}") == made
    assert refused == {"GB-CHC-000000", "GB-CHC-19262026"}
    assert understood["GB-COH"] == 70_124
    assert set(understood) == {"GB-CHC", "GB-COH", "GB-LAE", "GB-MPR", "GB-NIC", "GB-SC", "GB-SHPE"}


def test_the_numbers_of_28_000_federated_charities_are_of_three_nations(shared: Path) -> None:
    found: Counter[str] = Counter()
    for row in rows(shared / "data" / "org_identifiers" / "federated-charities.csv.gz"):
        number = row["reg_number"]
        scheme = {"SC": "GB-SC", "NI": "GB-NIC"}.get(number[:2], "GB-CHC")
        found[identifier(f"{scheme}:{number}").scheme] += 1
    assert found == {"GB-CHC": 26_510, "GB-SC": 1_377, "GB-NIC": 429}


@pytest.mark.parametrize(
    ("file", "column", "scheme", "least"),
    [
        ("trafford_schools_and_colleges.csv", "unique_reference_number", "GB-EDU", 80),
        ("trafford_pharmacies.csv", "organisation_data_service_code", "GB-NHS", 40),
        ("charities_operating_in_trafford.csv", "registered_charity_number", "GB-CHC", 500),
        ("charities_operating_in_trafford.csv", "charity_company_registration_number", "GB-COH", 100),
    ],
)
def test_the_numbers_of_a_real_boroughs_files_are_understood(
    shared: Path, file: str, column: str, scheme: str, least: int
) -> None:
    sent = [row[column] for row in rows(shared / "data" / "trafford" / "providers" / file)]
    numbers = [one for one in sent if one not in ("", "NA")]
    assert len(numbers) >= least
    refused = []
    for number in numbers:
        try:
            identifier(f"{scheme}:{number}")
        except Malformed:
            refused.append(number)
    assert refused == []
