"""Pulling a live Open Referral feed, page after page, without believing what it says of itself."""

import re
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import httpx
import orjson
from hedgerow_kit.outgoing import HostRefused, PublicTransport

from hedgerow_registry.domain.feeds.progress import (
    MOST_PAGES,
    MOST_RECORDS,
    Progress,
    Said,
    id_of,
    records_of,
    said_by,
)
from hedgerow_registry.errors import FeedFailed, FeedRefused

TRIES: Final = 4
MOST_REDIRECTS: Final = 5
LONGEST_BODY: Final = 64_000_000
WHOLE_ANSWER_S: Final = 60.0
LONGEST_WAIT_S: Final = 30.0
# So many services in a row without a full record of their own: the feed has no such address.
MOST_MISSING_DETAILS: Final = 3
LONGEST_VALIDATOR: Final = 300
# Answers that say "come back later"; every other one in the 400s will be the same tomorrow.
_PASSING: Final = frozenset((408, 425, 429))

# A record with any of these is a full one; one without is what a list shows.
_NESTED: Final = frozenset(
    (
        "service_at_locations",
        "service_areas",
        "service_taxonomys",
        "attributes",
        "eligibilitys",
        "schedules",
        "regular_schedules",
        "cost_options",
        "contacts",
        "phones",
        "languages",
        "funding",
        "fundings",
    )
)


class Fetched(NamedTuple):
    """A record as the feed gave it.

    pointer: where it stood: page, and place on it · note: why it is not the full record, if it is not ·
    partial: the feed may well have a full one, which could not be had.
    """

    value: Any
    pointer: str
    note: str | None = None
    partial: bool = False


class Validators(NamedTuple):
    """By what an answer can be asked for again only if it has changed (RFC 9110)."""

    etag: str | None = None
    last_modified: str | None = None


_NO_VALIDATORS: Final = Validators()


class Known(NamedTuple):
    """A page as it was read before: by what to ask for it, what it said, the ids of its services."""

    validators: Validators
    said: Said
    ids: Sequence[str]


@dataclass
class Page:
    """One page of a feed, and the notes there are to make on it.

    progress: how far the feed has been read with this page · unchanged: it is as it was read before, and its
    records are left out · validators: for the next time, only where every record came whole with the page.
    """

    records: list[Fetched]
    notes: list[str] = field(default_factory=list)
    number: int = 1
    progress: Progress = field(default_factory=Progress)
    unchanged: bool = False
    validators: Validators = _NO_VALIDATORS


class _Answer(NamedTuple):
    status: int
    value: Any = None
    validators: Validators = _NO_VALIDATORS


def _nothing(_number: int) -> None:
    return None


class Feed:
    """A feed at an address: its root, its `/services`, or one service.

    allowed_hosts: hosts (or host:port) that may be private ones · sleep, clock: the time, for waiting ·
    known: what a page, by its number, was when it was last read · alive: called before every request; what
    it raises ends the reading · again: called when an answer has to be asked for again.
    Every method raises FeedRefused for an address that may not be fetched, FeedFailed where there is no
    answer.
    """

    def __init__(
        self,
        url: str,
        *,
        allowed_hosts: frozenset[str] = frozenset(),
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        timeout_s: float = 20.0,
        known: Callable[[int], Known | None] = _nothing,
        alive: Callable[[], None] = lambda: None,
        again: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = checked_address(url)
        self._sleep = sleep
        self._clock = clock
        self._known = known
        self._alive = alive
        self._again = again
        self._client = httpx.Client(
            transport=PublicTransport(allowed_hosts=allowed_hosts),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept": "application/json", "User-Agent": "hedgerow-registry"},
        )

    def close(self) -> None:
        self._client.close()

    def pages(self, progress: Progress | None = None) -> Iterator[Page]:
        """The feed's services, page after page; the notes of the last page tell what did not add up.

        progress: how far it has been read already, to go on from there.
        """
        if progress is not None and progress.pages:
            self._url = progress.url
            yield from self._on(progress)
            return
        answer = self._first()
        records = records_of(answer.value)
        if answer.status == 200 and records is None:
            first = answer.value
            if isinstance(first, dict) and first.keys() & {"openapi_url", "profile", "version"}:
                self._url = checked_address(_with_path(self._url, "services"))
                answer = self._first()
                records = records_of(answer.value)
            if answer.status == 200 and records is None:
                yield self._only(answer.value)
                return
        # The first page of 1.0 may be number 0.
        base = 0 if self._said(1, answer).number == 0 else 1
        progress = Progress(url=self._url, next=base, base=base)
        yield self._page(progress, answer)
        yield from self._on(progress)

    def modified_after(self, moment: str) -> None:
        """Ask only for what changed since a moment, as RFC 3339 writes it; called before `pages`."""
        self._url = str(httpx.URL(self._url).copy_set_param("modified_after", moment))

    def filters_by_change(self, moment: str) -> bool:
        """Whether the list, asked for what changed since a moment still to come, is empty; after `pages`."""
        try:
            answer = self._json(str(httpx.URL(self._url).copy_set_param("modified_after", moment)))
        except (FeedFailed, FeedRefused):
            return False
        return records_of(answer.value) == [] and said_by(answer.value).items in (None, 0)

    def is_there(self, own_id: str) -> bool | None:
        """Whether a service still has an address of its own; `None`: no answer; called after `pages`."""
        try:
            url = checked_address(_with_path(self._list_url(), quote(own_id, safe="")))
            answer = self._json(url, statuses=(404, 410))
        except (FeedFailed, FeedRefused):
            return None
        return answer.status == 200 and id_of(answer.value) == own_id

    def _first(self) -> _Answer:
        known = self._known(0) or self._known(1)
        return self._json(self._url, validators=known.validators if known is not None else _NO_VALIDATORS)

    def _only(self, found: Any) -> Page:
        if not isinstance(found, dict) or not found.get("id"):
            raise FeedFailed("the address answers with something that is no list of services")
        progress = Progress(url=self._url, next=2)
        progress.take([id_of(found)], Said(1, 1, 1, True))
        return Page([Fetched(found, "")], progress=progress)

    def _on(self, progress: Progress) -> Iterator[Page]:
        """The pages that follow what has been read."""
        while progress.goes_on:
            if progress.pages >= MOST_PAGES or progress.served >= MOST_RECORDS:
                raise FeedFailed(
                    f"the feed did not end after {progress.pages:,} pages and {progress.served:,} services",
                    lasting=True,
                )
            known = self._known(progress.next)
            answer = self._json(
                self._page_url(progress.next),
                statuses=(404,),
                validators=known.validators if known is not None else _NO_VALIDATORS,
            )
            if answer.status == 404:
                progress.ends_without_page()
                yield Page([], progress.notes(), number=progress.next, progress=progress)
                return
            yield self._page(progress, answer)

    def _page(self, progress: Progress, answer: _Answer) -> Page:
        """What a page answered, taken into the progress; its number is the progress's next."""
        number = progress.next
        progress.next += 1
        said = self._said(number, answer)
        if answer.status == 304:
            known = self._known(number)
            ids: list[str | None] = list(known.ids) if known is not None else []
            progress.take(ids, said)
            return Page([], [] if progress.goes_on else progress.notes(), number, progress, unchanged=True)
        records = records_of(answer.value) or []
        ids = [id_of(record) for record in records]
        if progress.repeats(ids):
            progress.next = number
            progress.ends_in_a_repeat(said)
            return Page([], progress.notes(), number, progress)
        progress.take(ids, said)
        whole = progress.no_details or not any(_is_line(record) for record in records)
        page = Page(
            [], number=number, progress=progress, validators=answer.validators if whole else _NO_VALIDATORS
        )
        page.records = [self._full(record, number, place, progress) for place, record in enumerate(records)]
        if not progress.goes_on:
            page.notes += progress.notes()
        return page

    def _said(self, number: int, answer: _Answer) -> Said:
        if answer.status == 304:
            known = self._known(number)
            return known.said if known is not None else Said()
        return said_by(answer.value)

    def _page_url(self, number: int) -> str:
        split = httpx.URL(self._url)
        return str(split.copy_set_param("page", str(number)))

    def _full(self, record: Any, number: int, place: int, progress: Progress) -> Fetched:
        pointer = f"/page/{number}/{place}"
        own_id = id_of(record)
        if own_id is None or not _is_line(record) or progress.no_details:
            return Fetched(record, pointer)
        partial = True
        try:
            url = checked_address(_with_path(self._list_url(), quote(own_id, safe="")))
            detail = self._json(url, statuses=(404,)).value
        except FeedFailed as error:
            detail, why = None, f"its full record could not be fetched: {error}"
        else:
            partial, why = detail is not None, "the feed has no full record of it"
        if isinstance(detail, dict) and id_of(detail) == own_id:
            progress.without_details = 0
            return Fetched({**record, **detail}, pointer)
        if detail is not None:
            why = "the address of its full record answers with another service"
        progress.without_details += 1
        progress.no_details = progress.without_details >= MOST_MISSING_DETAILS
        return Fetched(record, pointer, why, partial)

    def _list_url(self) -> str:
        return str(httpx.URL(self._url).copy_with(query=None))

    def _json(
        self, url: str, *, statuses: Sequence[int] = (), validators: Validators = _NO_VALIDATORS
    ) -> _Answer:
        """The JSON at an address, after redirects and retries; or one of the statuses that are answers too.

        validators: of the answer that is known already; 304 says it is still the same.
        """
        problem = "no answer"
        for attempt in range(TRIES):
            if attempt:
                self._again()
                self._sleep(min(0.5 * 2 ** (attempt - 1), LONGEST_WAIT_S))
            self._alive()
            try:
                status, headers, body = self._get(url, validators)
            except HostRefused:
                raise FeedRefused from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem = _words(error)
                continue
            if status in statuses or (status == 304 and validators != _NO_VALIDATORS):
                return _Answer(status)
            if status in _PASSING or status >= 500:
                problem = f"status {status}"
                self._sleep(_asked_to_wait(headers))
                continue
            if status != 200:
                raise FeedFailed(f"the feed answers with status {status}", lasting=True)
            try:
                return _Answer(status, orjson.loads(body), _validators(headers))
            except orjson.JSONDecodeError:
                kind = re.sub(r"[^a-z0-9/+.-].*", "", headers.get("content-type", "").lower())[:60]
                told = f" but {kind}" if kind and "json" not in kind else ""
                raise FeedFailed(f"the feed answers with something that is not JSON{told}") from None
        raise FeedFailed(f"no good answer in {TRIES} tries ({problem})")

    def _get(self, url: str, validators: Validators) -> tuple[int, Mapping[str, str], bytes]:
        names = ("If-None-Match", "If-Modified-Since")
        asked = {name: said for name, said in zip(names, validators, strict=True) if said is not None}
        for _ in range(MOST_REDIRECTS + 1):
            with self._client.stream("GET", url, headers=asked) as answer:
                if answer.is_redirect and answer.status_code != 304:
                    url = checked_address(urljoin(url, answer.headers.get("location", "")), after=url)
                    continue
                return answer.status_code, answer.headers, self._body(answer)
        raise FeedFailed(f"more than {MOST_REDIRECTS} redirects")

    def _body(self, answer: httpx.Response) -> bytes:
        # A server that sends a byte now and then keeps every timeout of the client from running out.
        until = self._clock() + WHOLE_ANSWER_S
        pieces: list[bytes] = []
        size = 0
        for piece in answer.iter_bytes():
            size += len(piece)
            if size > LONGEST_BODY:
                raise FeedFailed(f"an answer of more than {LONGEST_BODY:,} bytes")
            if self._clock() > until:
                raise httpx.ReadTimeout(f"not whole after {WHOLE_ANSWER_S:g} s")
            pieces.append(piece)
        return b"".join(pieces)


def checked_address(url: str, *, after: str | None = None) -> str:
    """A web address that may be asked for: http or https, with a host, without a user in it."""
    try:
        split = urlsplit(url)
        host, _ = split.hostname, split.port
    except ValueError:
        raise FeedRefused("not a web address") from None
    if split.scheme not in ("http", "https") or not host:
        raise FeedRefused("only http and https addresses can be fetched")
    if split.username is not None or split.password is not None:
        raise FeedRefused("an address with a user name or password in it is not fetched")
    if after is not None and urlsplit(after).scheme == "https" and split.scheme == "http":
        raise FeedRefused("a redirect from https to http is not followed")
    return url


def _with_path(url: str, step: str) -> str:
    parsed = httpx.URL(url)
    path = parsed.raw_path.partition(b"?")[0].decode("ascii").rstrip("/")
    return str(parsed.copy_with(raw_path=f"{path}/{step}".encode("ascii")))


def _is_line(record: Any) -> bool:
    """Whether a record is what a list shows of one that is longer."""
    return isinstance(record, dict) and not record.keys() & _NESTED and id_of(record) is not None


def _asked_to_wait(headers: Mapping[str, str]) -> float:
    said = headers.get("retry-after", "").strip()
    return min(float(said), LONGEST_WAIT_S) if said.isascii() and said.isdigit() and len(said) < 6 else 0.0


def _validators(headers: Mapping[str, str]) -> Validators:
    def said(name: str) -> str | None:
        value = headers.get(name, "").strip()
        return value if value and value.isprintable() and len(value) <= LONGEST_VALIDATOR else None

    return Validators(said("etag"), said("last-modified"))


def _words(error: Exception) -> str:
    """What went wrong with a connection, in words."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message}"
    if isinstance(cause, ssl.SSLError):
        return "no secure connection could be made"
    return str(error) or type(error).__name__
