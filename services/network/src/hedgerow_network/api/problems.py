"""The status of each error on the wire."""

from hedgerow_kit.problems import FORBIDDEN, NOT_FOUND, UNPROCESSABLE, ProblemType

from hedgerow_network import errors

PROBLEMS: dict[type[Exception], ProblemType] = {
    errors.UnknownArea: NOT_FOUND,
    errors.UnknownNetwork: NOT_FOUND,
    errors.MalformedArea: UNPROCESSABLE,
    errors.AmbiguousArea: UNPROCESSABLE,
    errors.UnknownNeed: NOT_FOUND,
    errors.AmbiguousNeed: UNPROCESSABLE,
    errors.NoSuchLevel: UNPROCESSABLE,
    errors.UnknownIndex: UNPROCESSABLE,
    errors.UnknownProvider: NOT_FOUND,
    errors.MalformedRule: UNPROCESSABLE,
    errors.MalformedDecay: UNPROCESSABLE,
    errors.NotOfThisMethod: UNPROCESSABLE,
    errors.NegativePeople: UNPROCESSABLE,
    errors.UnknownMatrix: NOT_FOUND,
    errors.NeedsMatrix: UNPROCESSABLE,
    errors.NoSuchUnit: UNPROCESSABLE,
    errors.NeedsSpeed: UNPROCESSABLE,
    errors.UnknownRules: NOT_FOUND,
    errors.RulesNotNamed: UNPROCESSABLE,
    errors.AuthorityNotNamed: UNPROCESSABLE,
    errors.OfAnotherAuthority: FORBIDDEN,
    errors.MalformedCohort: UNPROCESSABLE,
    errors.MalformedMoment: UNPROCESSABLE,
    errors.UnknownScenario: NOT_FOUND,
    errors.TooManyMeasures: UNPROCESSABLE,
}
"""`NotFedYet`, `NotThatNewYet` and `TooManyLongQuestions` carry a `Retry-After` and are answered where they
arise, in `asking`.
"""
