"""PostgreSQL itself hides what is another authority's: the second lock."""

from hedgerow_kit.migrations import protect, protect_by, unprotect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_SUBJECTS = "subject IN (SELECT number FROM subjects)"
_RULES = "rule_id IN (SELECT rule_id FROM payment_rule_payers)"
_STATEMENTS = "statement_id IN (SELECT id FROM statements)"
# Observations are numbers that mean nothing without their subjects; a policy would forbid to COPY them in.
THROUGH = {
    "breaches": _SUBJECTS,
    "withdrawn_breaches": _SUBJECTS,
    "payment_rule_payers": "hedgerow_within(authority, false)",
    "payment_rules": "id IN (SELECT rule_id FROM payment_rule_payers)",
    "payment_rule_versions": _RULES,
    "statements": _RULES,
    "statement_lines": _STATEMENTS,
    "statement_events": _STATEMENTS,
}


def upgrade() -> None:
    protect("imports", shared=False)
    protect("kpis", shared=True)
    protect("subjects", shared=True)
    for table, seen in THROUGH.items():
        protect_by(table, seen)


def downgrade() -> None:
    for table in ("imports", "kpis", "subjects", *THROUGH):
        unprotect(table)
