"""How what can go wrong is answered: the status of each error of this app."""

from hedgerow_kit.changes import HistoryReplaced
from hedgerow_kit.problems import FORBIDDEN, NOT_FOUND, UNPROCESSABLE, ProblemType

from hedgerow_registry import errors

PROBLEMS = {
    errors.UnknownRecord: NOT_FOUND,
    errors.NotKnownThen: ProblemType(404, "not-known-then", "Not known at that moment"),
    errors.DeletedThen: ProblemType(410, "deleted-then", "Deleted by that moment"),
    HistoryReplaced: ProblemType(409, "history-replaced", "Another history"),
    errors.OrganisationHasServices: ProblemType(409, "organisation-has-services", "It still has services"),
    errors.OrganisationAnswersForOthers: ProblemType(
        409, "organisation-answers-for-others", "Others are merged into it"
    ),
    errors.AlreadyMerged: ProblemType(409, "already-merged", "It was merged into another"),
    errors.NotMerged: ProblemType(409, "not-merged", "It is not merged"),
    errors.MergedIntoItself: UNPROCESSABLE,
    errors.OrganisationHasContracts: ProblemType(
        409, "organisation-has-contracts", "It has a part in contracts"
    ),
    errors.SamePair: ProblemType(409, "merged-pair", "They are merged"),
    errors.BuyerOfAnotherAuthority: FORBIDDEN,
    errors.Redacted: ProblemType(409, "redacted", "The supplier is redacted"),
    errors.SourceOfAnotherAuthority: FORBIDDEN,
    errors.AuthorityNotNamed: UNPROCESSABLE,
    errors.AmbiguousNeed: ProblemType(422, "ambiguous-need", "Several taxonomies have this term"),
    errors.TooManyFeatures: ProblemType(422, "too-many-features", "Too much of the map at once"),
    errors.UnplacedPostcode: ProblemType(404, "unplaced-postcode", "Not a postcode that is known here"),
    errors.TooManyToCompare: ProblemType(422, "too-many-to-compare", "Too many are compared"),
    errors.FollowsFromStatements: ProblemType(409, "follows-from-statements", "It follows from statements"),
    errors.InvalidReference: UNPROCESSABLE,
    errors.SourceHasFeed: ProblemType(409, "source-has-feed", "The source has a feed already"),
    errors.FeedKeepsSource: ProblemType(409, "feed-keeps-source", "A feed keeps its source"),
    errors.PullHasEnded: ProblemType(409, "pull-has-ended", "Nothing waits for a confirmation"),
    errors.FeedIsOff: ProblemType(409, "feed-is-off", "The feed is switched off"),
    errors.FeedRefused: UNPROCESSABLE,
    errors.Malformed: UNPROCESSABLE,
}
