"""Pulling a live Open Referral feed, page after page, without believing what it says of itself."""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import httpx
import orjson

from hedgerow_registry.errors import FeedFailed, FeedRefused
from hedgerow_registry.upstream.guarded import HostRefused, PublicTransport

TRIES: Final = 4
MOST_REDIRECTS: Final = 5
MOST_PAGES: Final = 20_000
LONGEST_BODY: Final = 64_000_000
WHOLE_ANSWER_S: Final = 60.0
LONGEST_WAIT_S: Final = 30.0
# So many services in a row without a full record of their own: the feed has no such address.
MOST_MISSING_DETAILS: Final = 3

_LISTS: Final = ("contents", "content", "services", "items", "data")
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

    pointer: where it stood: page, and place on it · note: why it is not the full record, if it is not.
    """

    value: Any
    pointer: str
    note: str | None = None


@dataclass
class Page:
    """One page of a feed, and the notes there are to make on it."""

    records: list[Fetched]
    notes: list[str] = field(default_factory=list)


class _Said(NamedTuple):
    """What a page object says of itself, in either version's words."""

    items: int | None
    pages: int | None
    number: int | None
    last: bool | None


class Feed:
    """A feed at an address: its root, its `/services`, or one service.

    allowed_hosts: hosts (or host:port) that may be private ones · sleep, clock: the time, for waiting.
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
    ) -> None:
        self._url = _checked(url)
        self._sleep = sleep
        self._clock = clock
        self._client = httpx.Client(
            transport=PublicTransport(allowed_hosts=allowed_hosts),
            timeout=timeout_s,
            follow_redirects=False,
            trust_env=False,
            headers={"Accept": "application/json", "User-Agent": "hedgerow-registry"},
        )
        self._details_missing = 0
        self._no_details = False

    def close(self) -> None:
        self._client.close()

    def pages(self) -> Iterator[Page]:
        """The feed's services, page after page; the notes of the last page tell what did not add up."""
        first = self._json(self._url)
        records = _records(first)
        if (
            records is None
            and isinstance(first, dict)
            and first.keys() & {"openapi_url", "profile", "version"}
        ):
            self._url = _checked(_with_path(self._url, "services"))
            first = self._json(self._url)
            records = _records(first)
        if records is None:
            if not isinstance(first, dict) or not first.get("id"):
                raise FeedFailed("the address answers with something that is no list of services")
            yield Page([Fetched(first, "")])
            return
        yield from self._listed(first, records)

    def _listed(self, first: Any, records: list[Any]) -> Iterator[Page]:
        # The first page of 1.0 may be number 0.
        number = base = 0 if _said(first).number == 0 else 1
        progress = _Progress()
        answer = first
        while True:
            if progress.repeats(records):
                yield Page([], progress.notes_of_a_repeat(number, _said(answer)))
                return
            progress.take(records, _said(answer))
            page = Page([self._full(record, number, place) for place, record in enumerate(records)])
            if not progress.goes_on:
                page.notes += progress.sums()
                yield page
                return
            yield page
            number += 1
            if number - base >= MOST_PAGES:
                raise FeedFailed(f"the feed did not end after {MOST_PAGES:,} pages")
            answer = self._json(self._page_url(number), end_on_404=True)
            if answer is None:
                yield Page([], progress.notes_of_an_end(number))
                return
            records = _records(answer) or []

    def _page_url(self, number: int) -> str:
        split = httpx.URL(self._url)
        return str(split.copy_set_param("page", str(number)))

    def _full(self, record: Any, number: int, place: int) -> Fetched:
        pointer = f"/page/{number}/{place}"
        if not isinstance(record, dict) or record.keys() & _NESTED or self._no_details:
            return Fetched(record, pointer)
        own_id = _id_of(record)
        if own_id is None:
            return Fetched(record, pointer)
        try:
            detail = self._json(
                _checked(_with_path(self._list_url(), quote(own_id, safe=""))), end_on_404=True
            )
        except FeedFailed as error:
            detail, why = None, f"its full record could not be fetched: {error}"
        else:
            why = "the feed has no full record of it"
        if isinstance(detail, dict) and _id_of(detail) == own_id:
            self._details_missing = 0
            return Fetched({**record, **detail}, pointer)
        if isinstance(detail, dict):
            why = "the address of its full record answers with another service"
        self._details_missing += 1
        self._no_details = self._details_missing >= MOST_MISSING_DETAILS
        return Fetched(record, pointer, why)

    def _list_url(self) -> str:
        return str(httpx.URL(self._url).copy_with(query=None))

    def _json(self, url: str, *, end_on_404: bool = False) -> Any:
        """The JSON at an address, after redirects and retries; `None` for a 404 where that is an answer."""
        problem = "no answer"
        for attempt in range(TRIES):
            if attempt:
                self._sleep(min(0.5 * 2 ** (attempt - 1), LONGEST_WAIT_S))
            try:
                status, headers, body = self._get(url)
            except HostRefused:
                raise FeedRefused from None
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                problem = str(error) or type(error).__name__
                continue
            if status == 404 and end_on_404:
                return None
            if status == 429 or status >= 500:
                problem = f"status {status}"
                self._sleep(_asked_to_wait(headers))
                continue
            if status != 200:
                raise FeedFailed(f"the feed answers with status {status}")
            try:
                return orjson.loads(body)
            except orjson.JSONDecodeError:
                raise FeedFailed("the feed answers with something that is not JSON") from None
        raise FeedFailed(f"no good answer in {TRIES} tries ({problem})")

    def _get(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        for _ in range(MOST_REDIRECTS + 1):
            with self._client.stream("GET", url) as answer:
                if answer.is_redirect:
                    url = _checked(urljoin(url, answer.headers.get("location", "")), after=url)
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


class _Progress:
    """What has been read of a feed so far, and what the feed says is still to come."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._totals: set[int] = set()
        self._said = _Said(None, None, None, None)
        self._served = 0
        self._pages = 0
        self._empty_in_a_row = 0

    def repeats(self, records: list[Any]) -> bool:
        """Whether a page holds only services that earlier pages had."""
        ids = [_id_of(record) for record in records]
        return self._pages > 0 and bool(ids) and all(one is not None and one in self._seen for one in ids)

    def take(self, records: list[Any], said: _Said) -> None:
        self._seen.update(one for record in records if (one := _id_of(record)) is not None)
        self._served += len(records)
        self._pages += 1
        self._empty_in_a_row = 0 if records else self._empty_in_a_row + 1
        self._said = said
        if said.items is not None:
            self._totals.add(said.items)

    @property
    def goes_on(self) -> bool:
        """Whether to ask for another page.

        It is enough that one thing the feed says means more; a feed that says nothing is asked until a page
        is empty or repeats. Two empty pages in a row are the end whatever it says.
        """
        if self._empty_in_a_row > 1:
            return False
        if self._said.pages is None and self._said.last is None and self._said.items is None:
            return self._empty_in_a_row == 0
        return self._promised_more

    @property
    def _promised_more(self) -> bool:
        said = self._said
        return (
            said.last is False
            or (said.pages is not None and self._pages < said.pages)
            or (said.items is not None and self._served < said.items)
        )

    def notes_of_a_repeat(self, number: int, said: _Said) -> list[str]:
        # A plain list that ignores the page number was whole the first time; so was one that gave its total.
        whole = self._served == said.items or (said.pages is None and said.last is None and self._pages == 1)
        told = f"page {number} repeats services of earlier pages: taken as the end of the feed"
        return ([] if whole else [told]) + self.sums()

    def notes_of_an_end(self, number: int) -> list[str]:
        whole = self._served == self._said.items or not self._promised_more
        told = f"page {number} does not exist, though the feed said there was more"
        return ([] if whole else [told]) + self.sums()

    def sums(self) -> list[str]:
        """What of the feed's own totals is not so."""
        if len(self._totals) > 1:
            told = ", ".join(str(total) for total in sorted(self._totals))
            return [f"the feed's total changed while it was read: {told}"]
        stated = next(iter(self._totals), None)
        if stated is not None and stated != self._served:
            return [f"the feed says it has {stated} services and served {self._served}"]
        return []


def _checked(url: str, *, after: str | None = None) -> str:
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


def _records(answer: Any) -> list[Any] | None:
    if isinstance(answer, list):
        return answer
    if isinstance(answer, dict):
        for name in _LISTS:
            if isinstance(answer.get(name), list) and not (name == "services" and answer.get("id")):
                return list(answer[name])
    return None


def _said(answer: Any) -> _Said:
    if not isinstance(answer, dict):
        return _Said(None, None, None, None)

    def count(*names: str) -> int | None:
        for name in names:
            value = answer.get(name)
            if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
                value = int(value)
            if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
                return value
        return None

    last = next((answer[name] for name in ("last_page", "last") if isinstance(answer.get(name), bool)), None)
    return _Said(
        count("total_items", "totalElements"),
        count("total_pages", "totalPages"),
        count("page_number", "number"),
        last,
    )


def _id_of(record: Any) -> str | None:
    value = record.get("id") if isinstance(record, dict) else None
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value).strip() or None


def _asked_to_wait(headers: Mapping[str, str]) -> float:
    said = headers.get("retry-after", "").strip()
    return min(float(said), LONGEST_WAIT_S) if said.isascii() and said.isdigit() and len(said) < 6 else 0.0
