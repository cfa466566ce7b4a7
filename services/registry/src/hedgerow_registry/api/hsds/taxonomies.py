"""`/hsds/taxonomies` and `/hsds/taxonomy_terms`."""

from typing import Annotated, Any

from fastapi import Query, Request, Response
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from sqlalchemy.orm import Session

from hedgerow_registry.api.hsds.answers import (
    STREAMED,
    FeedPage,
    Format,
    Page,
    PerPage,
    Records,
    Search,
    paged,
    record,
    stream,
    words,
)
from hedgerow_registry.api.hsds.answers import page as answer_page
from hedgerow_registry.api.hsds.filters import TaxonomyId, TermId, taxonomy_of
from hedgerow_registry.domain.hsds.profile import UK, WHOLE, Fields, shown
from hedgerow_registry.domain.hsds.serving import taxonomy_record, term_record
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import hsds

router = problems.router()


def _terms(fields: Fields) -> Records:
    def records(session: Session, ids: list[str]) -> list[dict[str, Any]]:
        by_id = {term.need_id: term for term in hsds.term_rows(session, ids)}
        return [shown("taxonomy_term", term_record(by_id[id]), fields) for id in ids]

    return records


@router.get("/hsds/taxonomies", response_model=FeedPage, responses=STREAMED)
@router.get("/hsds/taxonomies/", include_in_schema=False)
def list_feed_taxonomies(
    session: Reading,
    principal: Annotated[Principal, require("open")],
    search: Search = None,
    page: Page = 1,
    per_page: PerPage = 50,
    format: Format = "json",
) -> Response:
    """Taxonomies in the order of their names: the vocabularies by which services say what they are for."""
    named = hsds.taxonomies(session, words(search))
    if format == "ndjson":
        lines = b"".join(record(_taxonomy(name)).body + b"\n" for name in named)  # type: ignore[operator]
        return Response(lines, media_type="application/x-ndjson")
    start = (page - 1) * per_page
    contents = [_taxonomy(name) for name in named[start : start + per_page]]
    return answer_page(contents, total=len(named), number=page, size=per_page)


@router.get("/hsds/taxonomies/{id}", response_model=dict[str, Any])
def read_feed_taxonomy(
    id: str, session: Reading, principal: Annotated[Principal, require("open")]
) -> Response:
    """One taxonomy."""
    name = taxonomy_of(session, id)
    if not name:
        raise UnknownRecord("taxonomy")
    return record(_taxonomy(name))


def _taxonomy(name: str) -> dict[str, Any]:
    return shown("taxonomy", taxonomy_record(name), WHOLE)


@router.get("/hsds/taxonomy_terms", response_model=FeedPage, responses=STREAMED)
@router.get("/hsds/taxonomy_terms/", include_in_schema=False)
def list_feed_taxonomy_terms(
    session: Reading,
    request: Request,
    principal: Annotated[Principal, require("open")],
    search: Search = None,
    taxonomy_id: TaxonomyId = None,
    parent_id: TermId = None,
    top_only: Annotated[bool, Query(description="Only terms with none above them")] = False,
    page: Page = 1,
    per_page: PerPage = 50,
    format: Format = "json",
) -> Response:
    """Terms of the taxonomies: each is a need that services address."""
    parent = None
    if parent_id is not None:
        parent = hsds.needs_by_feed_id(session, parent_id.lower()) or parent_id
    found = hsds.terms(
        session,
        search=words(search),
        taxonomy=taxonomy_of(session, taxonomy_id),
        parent=parent,
        top_only=top_only,
    )
    if format == "ndjson":
        return stream(request, found, _terms(WHOLE))
    return paged(session, found, _terms(UK), number=page, size=per_page)


@router.get("/hsds/taxonomy_terms/{id}", response_model=dict[str, Any])
def read_feed_taxonomy_term(
    id: str, session: Reading, principal: Annotated[Principal, require("open")]
) -> Response:
    """One term."""
    need = hsds.needs_by_feed_id(session, id.lower())
    if need is None:
        raise UnknownRecord("taxonomy term")
    return record(next(iter(_terms(UK)(session, [need]))))
