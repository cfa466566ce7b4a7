"""What an authority has not published is to others as what is not there: in each answer, byte for byte."""

import pytest

from tests.network.feeding import feed
from tests.network.world import TOWN, records
from tests.support.identity import identity

AT = "/v1/localities/E06000001"
OURS, THEIRS = "E06000001", "E06000002"

# Of theirs one is published, one follows it, one is in force beside ours for the same need, one is over.
CONTRACTS = """
    id     | services | start      | end        | buyers | areas     | authority | published | successor
    shown  | s2       | 2025-01-01 | 2027-01-01 | town   | E05000001 | E06000002 |           | after
    ours   | s1       | 2025-01-01 | 2026-03-31 | town   | E05000001 | E06000001 | no        |
    after  |          | 2026-04-01 | 2027-03-01 | town   | E06000001 | E06000002 | no        |
    beside | s1;s4    | 2025-01-01 | 2026-04-30 | town   | E06000001 | E06000002 | no        |
    over   | s3       | 2024-01-01 | 2025-03-31 | town   | E06000001 | E06000002 | no        |
    """
HIDDEN = ("after", "beside", "over")
QUESTIONS = (
    "cover",
    "gaps",
    "gaps?kind=future&until=2027-06-30",
    "horizon?until=2027-06-30",
    "overlaps",
    "overlaps?by=contract",
    "overlaps?by=provider",
    "overlap-groups?kind=paid-twice",
    "overlap-groups",
    "explained/food",
    "explained/debt",
    "explained/food?answer=access",
    "cover/food/E05000001",
    "fragility?by=contract",
    "fragility?by=contract&pairs=true",
    "fragility/beside?by=contract",
    "weak-points?by=contract",
    "structure",
    "graph",
    "summary",
)


def answers(client, **caller):
    headers = identity("network", **caller)
    return {path: client.get(f"{AT}/{path}", headers=headers).text for path in QUESTIONS}


@pytest.mark.parametrize("role", ["reader", "commissioner"])
def test_what_another_authority_has_not_published_is_answered_as_what_is_not_there(database, network, role):
    made = records(**TOWN, contracts=CONTRACTS)
    for _, id, data in made:
        if id in HIDDEN:
            data["title"] = f"Secret {id}"
    behind = feed(database, made)
    with network() as client:
        # Who may know of all asks first: what is kept for it is not for others.
        everything = answers(client)
        told = answers(client, role=role, authorities=(OURS,))
        both = answers(client, role=role, authorities=(OURS, THEIRS))
        feed(database, [(kind, id, None) for kind, id, _ in made if id in HIDDEN], after=behind)
        gone = answers(client, role=role, authorities=(OURS,))
    for path in QUESTIONS:
        assert "Secret" not in told[path], path
        assert told[path].replace(f'"registry_seq":{behind}', f'"registry_seq":{behind + 3}') == gone[path]
    said = {path for path in QUESTIONS if "Secret" in everything[path]}
    named = ("overlaps", "overlaps?by=contract", "explained/debt", "fragility?by=contract", "structure")
    assert said >= {*named, "gaps?kind=future&until=2027-06-30"}
    # Theirs is told to who acts for both, and ours to us.
    assert {path for path in QUESTIONS if "Secret" in both[path]} == said
    assert "Contract ours" in told["structure"]
    assert "Contract ours" in told["gaps?kind=future&until=2027-06-30"]
