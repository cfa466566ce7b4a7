"""Working on a pull: page after page, each written together with how far the feed has been read.

Whatever happens to the process, what was committed stands and the next worker goes on behind it. A worker
names itself in the pull; from the moment another does, nothing the first one still writes is committed.
"""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import uuid4

from hedgerow_kit.auth import ALL_AUTHORITIES, Principal
from hedgerow_kit.bulk import Importer, Run
from hedgerow_kit.db import Database
from hedgerow_kit.records import Outcome
from sqlalchemy.orm import Session

from hedgerow_registry.actions import records
from hedgerow_registry.actions.entities import SERVICES, SITES
from hedgerow_registry.actions.feeds import CHANGES, FULL, hand_out
from hedgerow_registry.actions.provenance import claim
from hedgerow_registry.actions.service_intake import Earlier, Sent, Taken, outcomes, read, take_in
from hedgerow_registry.domain.feeds.progress import INCONSISTENT, WHOLE, Progress, Said
from hedgerow_registry.domain.feeds.schedule import pause_after
from hedgerow_registry.domain.feeds.vanishing import asks_first, pulls_to_miss
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.errors import FeedFailed, RegistryError
from hedgerow_registry.store import directory, feeds
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Feed as FeedRow
from hedgerow_registry.tables import FeedPull
from hedgerow_registry.upstream.feed import Feed, Known, Page, Validators

log = logging.getLogger(__name__)

KIND: Final = "hsds"
# Nested records are large: so many are one transaction and have to fit in memory.
BATCH: Final = 500
LONGEST_PULL: Final = timedelta(hours=12)
TOUCHED_EVERY: Final = timedelta(seconds=15)
# Clocks differ, and a feed may stamp a record before it shows it.
OVERLAP: Final = timedelta(hours=6)
# So many of the services that are missing are asked for at their own address before they are taken as gone.
MOST_ASKED: Final = 100
MOST_UNANSWERED: Final = 2
GONE: Final = "it is no longer in the feed: removed"


class NotOurs(Exception):
    """Another worker has this pull, or it has ended."""


class Stopping(Exception):
    """The process is about to end."""


_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass
class Hand:
    """A pull in a worker's hands."""

    id: str
    runner: str
    feed_id: str
    url: str
    source: str
    mode: str
    since: datetime | None
    started_at: datetime
    largest_loss: float
    confirmed: bool
    progress: Progress | None
    principal: Principal
    earlier: Earlier = field(default_factory=Earlier)
    # What the page at hand had brought before the process that read it died: place and the feed's own id.
    before: dict[str, str] = field(default_factory=dict)
    touched_at: datetime = _NEVER
    retries: int = 0
    """Answers that had to be asked for again, and are not yet counted in the pull."""

    @property
    def run(self) -> Run:
        options = {"feed": self.feed_id, "url": self.url, "source": self.source, "mode": self.mode}
        return Run(self.id, KIND, options, self.principal)


class Puller:
    """Works on pulls, one call a turn.

    allowed_hosts: private hosts that may be pulled from · now: the clock · pauses: by what the pauses between
    tries are multiplied.
    """

    def __init__(
        self,
        database: Database,
        importer: Importer,
        *,
        allowed_hosts: frozenset[str] = frozenset(),
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        pauses: float = 1.0,
    ) -> None:
        self._database = database
        self._importer = importer
        self._allowed = allowed_hosts
        self._now = now
        self._pauses = pauses

    def work(self, pull_id: str, turn: int, stopping: Callable[[], bool] = lambda: False) -> None:
        """Work on a pull until it ends, has to wait for its next try, or the process is about to stop."""
        hand = self._begin(pull_id, turn)
        if hand is None:
            return
        client = self._client(hand, stopping)
        try:
            self._read(hand, client)
            self._settle(hand, client)
        except Exception as error:
            self._ended_by(hand, error)
        finally:
            client.close()

    def _ended_by(self, hand: Hand, error: Exception) -> None:
        try:
            if isinstance(error, Stopping):
                self._give_back(hand)
            elif isinstance(error, FeedFailed) and not error.lasting:
                self._try_again(hand, str(error))
            elif isinstance(error, RegistryError):
                self._fail(hand, str(error))
            elif not isinstance(error, NotOurs):
                log.error("a pull met an error of ours", exc_info=error, extra={"pull_id": hand.id})
                self._try_again(hand, f"stopped by an error here ({type(error).__name__})")
        except NotOurs:
            pass

    # --- beginning and ending ---

    def _begin(self, pull_id: str, turn: int) -> Hand | None:
        now = self._now()
        with self._database.writing() as session:
            pull = feeds.pull(session, pull_id, lock=True)
            if pull is None or pull.turn != turn or pull.state not in feeds.ACTIVE:
                return None
            feed = feeds.feed(session, pull.feed_id)
            assert feed is not None
            if pull.started_at is None:
                pull.started_at = now
                if pull.mode == CHANGES and feed.filters_by_change and feed.complete_at is not None:
                    pull.since = feed.complete_at - OVERLAP
            pull.state, pull.runner, pull.touched_at = "running", str(uuid4()), now
            pull.next_try_at = pull.ended_at = None
            hand = _hand(session, pull, feed)
            self._importer.begin(session, hand.run)
            return hand

    def _client(self, hand: Hand, stopping: Callable[[], bool]) -> Feed:
        def alive() -> None:
            now = self._now()
            if stopping():
                raise Stopping
            if now - hand.started_at > LONGEST_PULL:
                raise FeedFailed(f"the feed was not read to its end within {LONGEST_PULL}", lasting=True)
            if now - hand.touched_at >= TOUCHED_EVERY:
                with self._database.writing() as session:
                    self._touch(session, hand)

        def known(number: int) -> Known | None:
            if hand.mode == FULL or hand.since is not None:
                return None
            with self._database.reading() as session:
                page = feeds.known_page(session, hand.feed_id, number)
                if page is None:
                    return None
                validators = Validators(page.etag, page.last_modified)
                return Known(validators, Said(*page.said), list(page.own_ids))

        def again() -> None:
            hand.retries += 1

        return Feed(
            hand.url,
            allowed_hosts=self._allowed,
            known=known,
            alive=alive,
            again=again,
            sleep=lambda seconds: time.sleep(seconds * self._pauses),
        )

    def _touch(self, session: Session, hand: Hand) -> None:
        """Say that the work goes on, and hold the pull until the transaction ends. Raises NotOurs."""
        now = self._now()
        if not feeds.touch(session, hand.id, hand.runner, now):
            raise NotOurs
        hand.touched_at = now

    def _own(self, session: Session, hand: Hand) -> FeedPull:
        self._touch(session, hand)
        pull = feeds.pull(session, hand.id)
        assert pull is not None
        pull.retries, hand.retries = pull.retries + hand.retries, 0
        return pull

    def _give_back(self, hand: Hand) -> None:
        with self._database.writing() as session:
            hand_out(self._own(session, hand), self._now())

    def _fail(self, hand: Hand, why: str) -> None:
        now = self._now()
        with self._database.writing() as session:
            pull = self._own(session, hand)
            pull.state, pull.error, pull.ended_at = "failed", why, now
            self._importer.end(session, hand.id, "failed", why)
            feed = feeds.feed(session, hand.feed_id)
            if feed is not None:
                feed.last_pull_at = now

    def _try_again(self, hand: Hand, why: str) -> None:
        with self._database.writing() as session:
            pull = self._own(session, hand)
            pull.tries += 1
            tries, pause = pull.tries, pause_after(pull.tries)
            if pause is not None:
                pull.state, pull.error = "retrying", why
                pull.next_try_at = self._now() + pause * self._pauses
                return
        self._fail(hand, f"given up after {tries} tries: {why}")

    # --- reading ---

    def _read(self, hand: Hand, client: Feed) -> None:
        if hand.since is not None and hand.progress is None:
            client.modified_after(hand.since.isoformat(timespec="seconds").replace("+00:00", "Z"))
        for page in client.pages(hand.progress):
            self._write(hand, page)
            hand.progress = page.progress
            hand.before = {}

    def _write(self, hand: Hand, page: Page) -> None:
        sent = [
            read(one.value, source=hand.source, pointer=one.pointer, note=one.note, partial=one.partial)
            for one in page.records
        ]
        rest = [one for one in sent if hand.before.get(one.place) != one.own_id or one.own_id is None]
        pieces = list(chunks(rest, BATCH)) or [[]]
        taken: list[Taken] = []
        for number, piece in enumerate(pieces, 1):
            with self._database.writing() as session:
                pull = self._own(session, hand)
                taken += self._write_piece(session, hand, piece)
                if number == len(pieces):
                    self._close_page(session, hand, pull, page, taken, whole=len(rest) == len(sent))

    def _write_piece(self, session: Session, hand: Hand, piece: Sequence[Sent]) -> list[Taken]:
        by = claim(session, hand.source, hand.principal, import_id=hand.id)
        taken = take_in(session, piece, by, source=hand.source, earlier=hand.earlier)
        met = {
            one.service_id: {
                "service_id": one.service_id,
                "own_id": one.sent.own_id or one.service_id,
                "content": one.content,
                "place": one.sent.place[:80],
                "first_pull_id": hand.id,
                "pull_id": hand.id,
            }
            for one in reversed(taken)
            if one.service_id is not None and hand.earlier.is_first(one.service_id, one.sent.place)
        }
        feeds.note_records(session, hand.feed_id, list(met.values()))
        self._importer.keep(session, hand.id, outcomes(taken))
        return taken

    def _close_page(
        self, session: Session, hand: Hand, pull: FeedPull, page: Page, taken: Sequence[Taken], *, whole: bool
    ) -> None:
        pull.pages += 1
        pull.tries, pull.error = 0, None
        pull.partial += sum(one.sent.partial for one in taken)
        pull.progress = page.progress.state()
        unchanged: list[Outcome] = []
        if page.unchanged:
            pull.unchanged_pages += 1
            unchanged = self._met_again(session, hand, page)
        self._importer.keep(session, hand.id, unchanged, page.notes)
        if hand.since is not None or page.unchanged:
            return
        if page.progress.is_one_list and page.number > page.progress.base:
            feeds.page_is_last(session, hand.feed_id, page.progress.base)
        if not whole or page.validators == Validators() or any(one.sent.partial for one in taken):
            feeds.forget_pages(session, hand.feed_id, number=page.number)
            return
        feeds.keep_page(
            session,
            hand.feed_id,
            page.number,
            etag=page.validators.etag,
            last_modified=page.validators.last_modified,
            said=list(page.progress.said),
            own_ids=[one.sent.own_id for one in taken if one.sent.own_id is not None],
            service_ids=sorted(
                {one.service_id for one in taken if one.outcome.verdict != records.QUARANTINED} - {None}
            ),
        )

    def _met_again(self, session: Session, hand: Hand, page: Page) -> list[Outcome]:
        known = feeds.known_page(session, hand.feed_id, page.number)
        own_ids = [] if known is None else known.own_ids
        ids = [record_id(hand.source, "service", own) for own in own_ids]
        feeds.met_again(session, hand.feed_id, hand.id, ids)
        if not ids:
            return []
        told = "the feed says that this page has not changed"
        pointer = f"/page/{page.number}"
        return [Outcome(records.UNCHANGED, pointer=pointer, reason=told, records=len(ids))]

    # --- what is gone ---

    def _settle(self, hand: Hand, client: Feed) -> None:
        assert hand.progress is not None
        verdict = hand.progress.verdict()
        pulls = None if hand.since is not None else pulls_to_miss(verdict)
        with self._database.writing() as session:
            pull = self._own(session, hand)
            if pull.verdict is None:
                pull.verdict = verdict
                if pulls is not None:
                    feeds.count_missed(session, hand.feed_id, hand.id)
                elif hand.since is None:
                    told = "the feed was not read whole: nothing is taken as gone"
                    self._importer.keep(session, hand.id, [], [told])
        if pulls is not None and not self._take_away(hand, client, pulls):
            return
        self._complete(hand, client, verdict)

    def _take_away(self, hand: Hand, client: Feed, pulls: int) -> bool:
        """Remove what is gone; `False` where somebody has to be asked first."""
        if not hand.confirmed:
            self._ask_for_missing(hand, client, pulls)
            with self._database.writing() as session:
                gone = len(feeds.missing(session, hand.feed_id, hand.id, pulls))
                if asks_first(gone, feeds.held(session, hand.feed_id), hand.largest_loss):
                    self._ask_first(session, hand, gone)
                    return False
        while True:
            with self._database.writing() as session:
                pull = self._own(session, hand)
                found = feeds.missing(session, hand.feed_id, hand.id, pulls)[:BATCH]
                if not found:
                    return True
                pull.gone += self._remove(session, hand, [id for id, _ in found])

    def _ask_for_missing(self, hand: Hand, client: Feed, pulls: int) -> None:
        """Ask for missing services at their own addresses; one that is there is missed no longer."""
        with self._database.reading() as session:
            found = feeds.missing(session, hand.feed_id, hand.id, pulls)
        # Spread over all of them, the same ones whoever asks.
        asked = found[:: max(1, -(-len(found) // MOST_ASKED))]
        there, unanswered = [], 0
        for id, own_id in asked:
            answer = client.is_there(own_id)
            there += [id] if answer else []
            unanswered = 0 if answer is not None else unanswered + 1
            if unanswered > MOST_UNANSWERED:
                break
        if not there:
            return
        told = f"{len(there)} services that the feed left out still answer at their own addresses: kept"
        if len(asked) < len(found):
            there = [id for id, _ in found]
            told += ", and so are all others that it left out"
        with self._database.writing() as session:
            pull = self._own(session, hand)
            pull.verdict = INCONSISTENT
            feeds.met_again(session, hand.feed_id, hand.id, there)
            self._importer.keep(session, hand.id, [], [told])

    def _ask_first(self, session: Session, hand: Hand, gone: int) -> None:
        now = self._now()
        pull = self._own(session, hand)
        pull.state, pull.would_remove, pull.ended_at = "needs_confirmation", gone, now
        pull.error = f"{gone} services are missing, more than may vanish unasked: confirm or dismiss it"
        self._importer.end(session, hand.id, "completed", pull.error)
        feed = feeds.feed(session, hand.feed_id)
        assert feed is not None
        feed.last_pull_at = now

    def _remove(self, session: Session, hand: Hand, ids: Sequence[str]) -> int:
        # What has been handed over to another source meanwhile is not this feed's to take away.
        own = feeds.of_source(session, ids, hand.source)
        by = claim(session, hand.source, hand.principal, import_id=hand.id)
        records.remove(session, SITES, [(site,) for site in directory.sites_of(session, own)], by)
        records.remove(session, SERVICES, [(id,) for id in own], by)
        feeds.note_gone(session, hand.feed_id, hand.id, ids, self._now())
        feeds.read_others_anew(session, hand.feed_id, own)
        told = [Outcome(records.CHANGED, key=id, reason=GONE, records=0) for id in own]
        self._importer.keep(session, hand.id, told, counted=False)
        return len(own)

    def _complete(self, hand: Hand, client: Feed, verdict: str) -> None:
        assert hand.progress is not None
        filters = None
        if hand.mode == FULL and verdict == WHOLE and hand.progress.served:
            ahead = (self._now() + timedelta(days=365)).isoformat(timespec="seconds").replace("+00:00", "Z")
            filters = client.filters_by_change(ahead)
        now = self._now()
        with self._database.writing() as session:
            pull = self._own(session, hand)
            pull.state, pull.error, pull.ended_at = "completed", None, now
            pull.would_remove = None
            self._importer.end(session, hand.id, "completed", None)
            feed = feeds.feed(session, hand.feed_id)
            assert feed is not None
            feed.last_pull_at = now
            if filters is not None:
                feed.filters_by_change = filters
            if hand.mode == FULL:
                feed.last_full_at = now
            if pull.verdict != INCONSISTENT and not pull.partial:
                feed.complete_at = hand.started_at
            if hand.since is None:
                feeds.forget_pages(session, hand.feed_id, above=hand.progress.next - 1)
                feed.list_url = hand.progress.url


def _hand(session: Session, pull: FeedPull, feed: FeedRow) -> Hand:
    authorities = {ALL_AUTHORITIES} if feed.authority_code is None else {feed.authority_code}
    assert pull.started_at is not None
    assert pull.runner is not None
    hand = Hand(
        id=pull.id,
        runner=pull.runner,
        feed_id=feed.id,
        url=feed.list_url if pull.since is not None and feed.list_url is not None else feed.url,
        source=feed.source,
        mode=pull.mode,
        since=pull.since,
        started_at=pull.started_at,
        largest_loss=feed.largest_loss,
        confirmed=pull.confirmed_by is not None,
        progress=None,
        principal=Principal(f"feed:{feed.id}", frozenset({"system"}), frozenset(authorities)),
    )
    met = feeds.met(session, feed.id, pull.id)
    hand.earlier = Earlier((id, content, place) for id, _, content, place in met)
    hand.before = {place: own_id for _, own_id, _, place in met}
    if pull.progress is not None:
        hand.progress = Progress.of(pull.progress, (own_id for _, own_id, _, _ in met))
    return hand
