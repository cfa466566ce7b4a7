"""The status of each of the gateway's errors."""

from hedgerow_kit.problems import ProblemType

from hedgerow_gateway import errors

PROBLEMS = {
    errors.UnknownKey: ProblemType(404, "not-found", "Not found"),
    errors.UnknownRoles: ProblemType(422, "invalid", "The request does not fit"),
    errors.MalformedAuthorities: ProblemType(422, "invalid", "The request does not fit"),
    errors.AlreadyOver: ProblemType(422, "invalid", "The request does not fit"),
    errors.RotationUnderWay: ProblemType(409, "rotation-under-way", "A new signing key is on its way"),
    errors.LastAdministrator: ProblemType(409, "last-administrator", "The last administrator key"),
    errors.UnknownWebhook: ProblemType(404, "not-found", "Not found"),
    errors.UnknownDelivery: ProblemType(404, "not-found", "Not found"),
    errors.UnfitWebhook: ProblemType(422, "invalid", "The request does not fit"),
    errors.WebhookDisabled: ProblemType(409, "webhook-disabled", "The webhook is disabled"),
    errors.EventsOver: ProblemType(410, "events-over", "Older than what is kept"),
    errors.HistoryReplaced: ProblemType(409, "history-replaced", "Another history"),
}

HEADERS_TOO_LARGE = ProblemType(431, "headers-too-large", "The header block is too large")
ADDRESS_TOO_LONG = ProblemType(414, "address-too-long", "The address is too long")
