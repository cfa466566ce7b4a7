"""What can go wrong in outcomes, in the field's words."""


class OutcomesError(Exception):
    """Something is wrong with the request."""


class UnknownPeriod(OutcomesError):
    """No known spelling of a period."""


class AmbiguousPeriod(UnknownPeriod):
    """The spelling has two readings, and nothing says which is meant."""


class UnknownSubject(OutcomesError):
    """Not the code of an area, nor a kind of subject with its id."""


class IncompleteDefinition(OutcomesError):
    """The row does not define a KPI."""

    def __init__(self, column: str, reason: str) -> None:
        super().__init__(reason)
        self.column = column


class NoSuchKpi(OutcomesError):
    """No such KPI."""


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
