"""People: known by what the organisation's identity provider says, and let in by the groups they are in."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hedgerow_kit.auth import PERMISSIONS, Principal

from hedgerow_gateway.api.known import Known
from hedgerow_gateway.domain.grants import Grant, of_groups
from hedgerow_gateway.errors import UnknownRoles
from hedgerow_gateway.upstream.provider import NotBelieved, Provider

LONGEST_SUBJECT = 150
MOST_GROUPS = 1000


class People:
    """Says for whom a token of the identity provider stands: nobody, unless a group of theirs is listed."""

    def __init__(
        self,
        provider: Provider,
        grants: Mapping[str, Grant],
        *,
        groups_claim: str,
        audiences: Sequence[str],
        longest: timedelta,
    ) -> None:
        if not {role for grant in grants.values() for role in grant.roles} <= set(PERMISSIONS):
            raise UnknownRoles(sorted(PERMISSIONS))
        self.provider = provider
        self._grants = grants
        self._groups_claim = groups_claim
        self._audiences = audiences
        self._longest = longest

    def of_token(self, token: str) -> Known | None:
        """Whose token it is. Raises ProviderDown."""
        try:
            claims = self.provider.claims(token, audiences=self._audiences)
        except NotBelieved:
            return None
        return self.of_claims(claims)

    def of_claims(self, claims: Mapping[str, Any]) -> Known | None:
        """Whose claims they are, and how long what they say is believed."""
        subject, issued, expires = claims["sub"], claims["iat"], claims["exp"]
        if not isinstance(subject, str) or not subject.isprintable():
            return None
        if not 0 < len(subject) <= LONGEST_SUBJECT:
            return None
        grant = of_groups(_texts(claims.get(self._groups_claim)), self._grants)
        if grant is None:
            return None
        principal = Principal(f"person:{subject}", frozenset(grant.roles), frozenset(grant.authorities))
        # However long a token lives: groups change, and who has left must not stay.
        ends_at = min(expires, issued + self._longest.total_seconds())
        return Known(principal, datetime.fromtimestamp(ends_at, UTC))


def _texts(claim: object) -> list[str]:
    if isinstance(claim, str):
        return [claim]
    if not isinstance(claim, list) or len(claim) > MOST_GROUPS:
        return []
    return [item for item in claim if isinstance(item, str)]
