"""What can go wrong at the gateway, in its own words."""


class GatewayError(Exception):
    """Something went wrong at the gateway."""

    def __str__(self) -> str:
        return super().__str__() or " ".join((type(self).__doc__ or "").split())


class UnknownKey(GatewayError):
    """There is no key with this id."""


class UnknownRoles(GatewayError):
    """A key can only carry roles that exist."""

    def __init__(self, known: list[str]) -> None:
        super().__init__(f"A key can only carry these roles: {', '.join(known)}.")
        self.errors = [{"pointer": "/roles", "reason": "unknown role"}]


class MalformedAuthorities(GatewayError):
    """Authorities are GSS codes such as E08000009, or * alone for all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = [{"pointer": "/authorities", "reason": "not GSS codes, and not * alone"}]


class AlreadyOver(GatewayError):
    """A key must end in the future."""

    def __init__(self) -> None:
        super().__init__()
        self.errors = [{"pointer": "/expires_at", "reason": "lies in the past"}]


class LastAdministrator(GatewayError):
    """It is the last key that may administer: make another one first."""


class RotationUnderWay(GatewayError):
    """A new signing key is published already; its turn comes first."""


class UnsafeFile(GatewayError):
    """A file that must stay secret cannot be kept secret where it is."""


class UnknownWebhook(GatewayError):
    """There is no webhook with this id."""


class UnknownDelivery(GatewayError):
    """No event with this id is on its way, or was ever sent, to this webhook."""


class UnfitWebhook(GatewayError):
    """The webhook cannot be kept as it is asked for."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        super().__init__()
        self.errors = errors


class WebhookDisabled(GatewayError):
    """The webhook is disabled: enable it first."""


class EventsOver(GatewayError):
    """The events after this position are older than what is kept. Read the present state from the lists or
    from /v1/changes, then go on without `after`.
    """


class HistoryReplaced(GatewayError):
    """The events up to this position are not the ones you have read: the gateway was restored from a backup.
    Begin again without `after`; the ids of events tell which you know.
    """
