"""The status of each error on the wire."""

from hedgerow_kit.changes import HistoryReplaced
from hedgerow_kit.problems import CONFLICT, FORBIDDEN, NOT_FOUND, UNPROCESSABLE, ProblemType

from hedgerow_outcomes import errors

PROBLEMS: dict[type[Exception], ProblemType] = {
    HistoryReplaced: ProblemType(409, "history-replaced", "Another history"),
    errors.NoSuchKpi: NOT_FOUND,
    errors.NoSuchBreach: NOT_FOUND,
    errors.NoSuchArea: NOT_FOUND,
    errors.NoSuchContract: NOT_FOUND,
    errors.NotYourContract: FORBIDDEN,
    errors.NoSuchRule: NOT_FOUND,
    errors.NoSuchScheme: NOT_FOUND,
    errors.NoSuchStatement: NOT_FOUND,
    errors.PayerOfNobody: FORBIDDEN,
    errors.RuleHasStatements: CONFLICT,
    errors.NothingToRestate: CONFLICT,
    errors.IllegalTransition: CONFLICT,
    errors.FiguresMissing: UNPROCESSABLE,
    errors.NotAStatementPeriod: UNPROCESSABLE,
    errors.UnfitForEvaluation: UNPROCESSABLE,
    errors.UnfitForInterval: UNPROCESSABLE,
    errors.UnfitRule: UNPROCESSABLE,
    errors.VersionTooEarly: UNPROCESSABLE,
    errors.UnfitBaseline: UNPROCESSABLE,
    errors.UnknownOption: UNPROCESSABLE,
    errors.UnknownSubject: UNPROCESSABLE,
    errors.MissingColumn: UNPROCESSABLE,
    errors.UnreadableFile: UNPROCESSABLE,
}
