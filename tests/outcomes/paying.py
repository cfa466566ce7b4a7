"""Payment rules and figures for tests."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from hedgerow_outcomes.domain.payments.earning import Counted, Figures
from hedgerow_outcomes.domain.payments.rules import Rule
from hedgerow_outcomes.domain.periods import Period
from hedgerow_outcomes.domain.spellings import parse_period
from hedgerow_outcomes.store.rule_documents import RuleDocument

PAYER = "E06999001"


def document(*parts: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A rule of one year, by the quarter, of one payer and one contributor, unless said otherwise."""
    return {
        "title": "Support for families",
        "cadence": "quarter",
        "starts": "2025-04-01",
        "ends": "2026-03-31",
        "payers": [{"authority": PAYER, "share": 1}],
        "contributors": [{"subject": "organisation:A", "share": 1}],
        "parts": list(parts),
    } | fields


def rule(*parts: Mapping[str, Any], **fields: Any) -> Rule:
    return RuleDocument.model_validate(document(*parts, **fields)).rule()


def figures(rows: str) -> Figures:
    """Observations from lines of `kpi subject period value`; `-` for a value that is not known."""
    found: dict[tuple[str, str, str], list[Counted]] = {}
    for line in rows.strip().splitlines():
        kpi, subject, spelled, value = line.split()
        period = parse_period(spelled.replace("_", " "))
        said = None if value == "-" else Decimal(value)
        row = Counted(f"{kpi}/{subject}/{spelled}", kpi, subject, period, said)
        found.setdefault((kpi, subject, "value"), []).append(row)
    return Figures(found)


def quarter(year: int, number: int) -> Period:
    first = date(year, number * 3 - 2, 1)
    return parse_period(f"{first.year}-Q{number}")
