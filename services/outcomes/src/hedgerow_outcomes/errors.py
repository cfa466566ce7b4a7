"""What can go wrong in outcomes, in the field's words."""

from collections.abc import Sequence
from datetime import date


class OutcomesError(Exception):
    """Something is wrong with the request."""


class UnknownPeriod(OutcomesError):
    """No known spelling of a period."""


class AmbiguousPeriod(UnknownPeriod):
    """The spelling has two readings, and nothing says which is meant."""


class UnknownSubject(OutcomesError):
    """Not the code of an area, nor a kind of subject with its id.

    The text says what is wrong for a refusal, which repeats nothing · in_receipt: the same for the receipt
    of a row, which names a code so that it can be found in the file
    """

    def __init__(self, reason: str, *, code: str | None = None) -> None:
        super().__init__(reason)
        self.in_receipt = f"{code}: {reason}" if code else reason


class IncompleteDefinition(OutcomesError):
    """The row does not define a KPI."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class NoSuchKpi(OutcomesError):
    """No such KPI."""


class NoSuchBreach(OutcomesError):
    """No such breach."""


class NoSuchScheme(OutcomesError):
    """No such scheme has a ledger."""


class UnfitForEvaluation(OutcomesError):
    """Nothing can be compared with these subjects and periods."""


class NoSuchArea(OutcomesError):
    """No such area in the registry, as far as it was heard of."""


class NoSuchContract(OutcomesError):
    """No such contract."""


class NotYourContract(OutcomesError):
    """The contract is not one of an authority that you act for."""


class NoSuchRule(OutcomesError):
    """No such payment rule."""


class NoSuchStatement(OutcomesError):
    """No such statement."""


class UnfitRule(OutcomesError):
    """The payment rule cannot be computed."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__("The payment rule cannot be computed.")
        self.errors = errors


class PayerOfNobody(OutcomesError):
    """None of the payers is an authority that you act for."""


class VersionTooEarly(OutcomesError):
    """A new version cannot hold for days that statements were issued for."""

    def __init__(self, last: date) -> None:
        super().__init__(
            f"Statements were issued up to {last.isoformat()}: a new version holds from later on."
        )
        self.errors = [{"parameter": "valid_from", "reason": f"later than {last.isoformat()}"}]


class RuleHasStatements(OutcomesError):
    """Statements were issued under the rule: it stays, so that they can be explained."""


class FiguresMissing(OutcomesError):
    """Figures that the statement needs are not known; with `accept_missing` they count as nothing."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__((type(self).__doc__ or "").strip())
        self.errors = [{"pointer": "/period", "reason": reason} for reason in missing[:100]]


class NothingToRestate(OutcomesError):
    """The statement of this period was issued, and nothing that it rests on has changed since."""


class NotAStatementPeriod(OutcomesError):
    """The rule has no statement for this period."""

    def __init__(self, cadence: str) -> None:
        super().__init__(
            f"The rule has a statement for every {cadence} of its term, and for no other period."
        )


class IllegalTransition(OutcomesError):
    """The statement cannot become that."""


class UnfitBaseline(OutcomesError):
    """No limits of a control chart can rest on this baseline."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason[0].upper()}{reason[1:]}.")
        self.errors = [{"parameter": "baseline", "reason": reason}]


class UnfitForInterval(OutcomesError):
    """No confidence interval can be computed from these figures."""


class UnknownOption(OutcomesError):
    """An import option has a value that is not known."""

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.errors = [{"parameter": option, "reason": reason}]


class MissingColumn(OutcomesError):
    """The file does not name the columns it must have."""

    def __init__(self, columns: list[str]) -> None:
        super().__init__(f"The first line must name the columns; these are missing: {', '.join(columns)}.")
        self.errors = [{"parameter": column, "reason": "missing column"} for column in columns]


class UnreadableFile(OutcomesError):
    """The file is not what its media type says."""
