"""The status of each error on the wire."""

from hedgerow_kit.problems import NOT_FOUND, UNPROCESSABLE, ProblemType

from hedgerow_outcomes import errors

PROBLEMS: dict[type[Exception], ProblemType] = {
    errors.NoSuchKpi: NOT_FOUND,
    errors.UnfitBaseline: UNPROCESSABLE,
    errors.UnknownOption: UNPROCESSABLE,
    errors.UnknownSubject: UNPROCESSABLE,
    errors.MissingColumn: UNPROCESSABLE,
    errors.UnreadableFile: UNPROCESSABLE,
}
