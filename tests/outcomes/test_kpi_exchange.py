"""Definitions leave as CSV or JSON and come back as they were."""

from typing import Any

import pytest

from tests.outcomes.sending import counts, send
from tests.support import apps
from tests.support.databases import Databases
from tests.support.http import Client, running
from tests.support.identity import identity

KPIS = (
    "id,name,unit,polarity,level,perspective,frequency,aggregation,description,target,minimum,owner,"
    "numerator,denominator,subjects,interval,suppress_below,leads_to,answered_by,valid_from\n"
    'kept,"Jobs, kept",%,higher,outcome,outward,annual,ratio_of_sums,"Of all ""found""",60,40,Work,'
    "Kept,Found,area;contract,wilson,5,,contract:C1;network:N1,\n"
    "found,Jobs found,people,higher,output,outward,monthly,sum,,,,,,,,,,kept,service:S9,2025-04-01\n"
)


def said(client: Client) -> list[Any]:
    return [{**kpi, "defined_at": None} for kpi in client.items("/v1/kpis")]


@pytest.mark.parametrize(
    ("format", "media_type"),
    [("csv", "text/csv"), ("json", "application/json"), ("ndjson", "application/x-ndjson")],
)
def test_definitions_that_were_exported_are_the_same_where_they_are_imported(
    outcomes: Client, made_databases: Databases, format: str, media_type: str
) -> None:
    assert counts(outcomes, "kpis", KPIS)[0] == 2
    exported = outcomes.get("/v1/kpis", params={"format": format}).content
    other_url = made_databases.migrated("hedgerow_outcomes")
    with running(apps.made("outcomes", other_url), headers=identity("outcomes")) as other:
        assert send(other, "kpis", exported, media_type)["counts"]["accepted"] == 2
        assert said(other) == said(outcomes)
    assert send(outcomes, "kpis", exported, media_type)["counts"]["unchanged"] == 2
