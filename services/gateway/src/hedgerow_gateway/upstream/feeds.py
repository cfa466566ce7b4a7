"""The feeds that become events, read from the apps themselves under the gateway's own signature."""

from collections.abc import Callable, Mapping, Sequence

from hedgerow_kit.following import ChangeReader, Changes, FeedUnreadable

from hedgerow_gateway.domain.events import OUTCOME_KINDS, REGISTRY_KINDS

_FEEDS = {
    "registry": ("/v1/changes", REGISTRY_KINDS),
    "outcomes": ("/v1/outcome-events", OUTCOME_KINDS),
}


class AnyReplica:
    """A feed that is read from one replica of its app, and from the next one when that does not answer."""

    def __init__(self, readers: Sequence[ChangeReader]) -> None:
        self._readers = readers
        self._turn = 0

    def changes(self, after: int, mark: str | None = None) -> Changes:
        try:
            return self._readers[self._turn].changes(after, mark)
        except FeedUnreadable:
            self._turn = (self._turn + 1) % len(self._readers)
            raise

    def close(self) -> None:
        for reader in self._readers:
            reader.close()


def readers(apps: Mapping[str, Sequence[str]], token: Callable[[str], str]) -> dict[str, AnyReplica]:
    """A reader of each app's feed. token: the gateway's own identity for an app"""

    def reader(app: str, address: str) -> ChangeReader:
        path, kinds = _FEEDS[app]
        return ChangeReader(address, lambda: token(app), followed=app, kinds=kinds, path=path)

    return {app: AnyReplica([reader(app, address) for address in apps[app]]) for app in _FEEDS}
