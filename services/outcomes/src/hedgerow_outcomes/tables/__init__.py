"""The rows of the outcomes database, one module a subject."""

from hedgerow_outcomes.tables.assessments import Assessment, Exemption
from hedgerow_outcomes.tables.breaches import Breach, WithdrawnBreach
from hedgerow_outcomes.tables.disclosure import Withheld
from hedgerow_outcomes.tables.ledger import LedgerEntry
from hedgerow_outcomes.tables.measures import (
    DAY_ZERO,
    Base,
    Change,
    ChangeClock,
    Day,
    Import,
    Kpi,
    KpiVersion,
    Learning,
    Observation,
    Receipt,
    Subject,
    Superseded,
    feed,
)
from hedgerow_outcomes.tables.payments import (
    PaymentRule,
    PaymentRulePayer,
    PaymentRuleVersion,
    Statement,
    StatementEvent,
    StatementLine,
)
from hedgerow_outcomes.tables.projection import Feed, Record

__all__ = [
    "DAY_ZERO",
    "Assessment",
    "Base",
    "Breach",
    "Change",
    "ChangeClock",
    "Day",
    "Exemption",
    "Feed",
    "Import",
    "Kpi",
    "KpiVersion",
    "Learning",
    "LedgerEntry",
    "Observation",
    "PaymentRule",
    "PaymentRulePayer",
    "PaymentRuleVersion",
    "Receipt",
    "Record",
    "Statement",
    "StatementEvent",
    "StatementLine",
    "Subject",
    "Superseded",
    "WithdrawnBreach",
    "Withheld",
    "feed",
]
