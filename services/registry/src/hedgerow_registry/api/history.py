"""`…/history` of a record: what changed, when, from which source and by whom."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from hedgerow_kit import paging, problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.db import Reading
from pydantic import BaseModel
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities, histories
from hedgerow_registry.actions.records import Entity
from hedgerow_registry.domain.versions import CREATED, beginning
from hedgerow_registry.errors import UnknownRecord
from hedgerow_registry.store import histories as store

router = problems.router(tags=["history"])


class HistoryItem(BaseModel):
    """One field that changed, or a record that was made or deleted.

    `field` names a member of a nested record as `document/schedules`. `by` is who handed it in, told to those
    who act for the authority of the source; `import_id` the import it came with, if it came with one. Of a
    deleted record `old` is all it was.
    """

    at: datetime
    action: str
    field: str | None
    old: Any
    new: Any
    source: str
    import_id: str | None
    by: str | None


FieldAsked = Annotated[str | None, Query(max_length=300, description="Only this field")]


def add(router: APIRouter, entity: Entity, path: str) -> None:
    """Serve the history of an entity with a single key at a path that ends in `{id}/history`."""

    @router.get(path, operation_id=f"list_history_of_{entity.type}", summary=f"History of one {entity.type}")
    def list_history(
        id: Annotated[str, Path(max_length=700, description="The record's id")],
        session: Reading,
        request: Request,
        response: Response,
        principal: Annotated[Principal, require("read")],
        field: FieldAsked = None,
        after: paging.After = None,
        limit: paging.Limit = 50,
    ) -> paging.Page[HistoryItem]:
        """What changed, oldest first, also of a record that was deleted since."""
        return page(session, entity, id, principal, request, response, field=field, after=after, limit=limit)


def page(
    session: Session,
    entity: Entity,
    id: str,
    principal: Principal,
    request: Request,
    response: Response,
    *,
    field: str | None,
    after: str | None,
    limit: int,
) -> paging.Page[HistoryItem]:
    """A page of a record's history. Raises UnknownRecord where nothing is known of it."""
    lines = _lines(session, entity, id)
    if not lines:
        raise UnknownRecord(entity.type)
    wanted = [line for line in lines if field is None or _is_of(line[1].field, field)]
    shown, marker = paging.window(wanted, lambda line: (line[0],), after=after, limit=limit)
    paging.link_next(request, response, marker)
    return paging.Page(items=_told(session, [item for _, item in shown], principal), next=marker)


def _lines(session: Session, entity: Entity, id: str) -> list[tuple[int, HistoryItem]]:
    """All of a record's history, each line with its number; how it began is told by the record itself."""
    now = entity.whole(session, [(id,)]).get((id,))
    kept = store.rows(session, entity.type, id)
    begun = beginning(now, histories.changes(session, entity.type, id))
    lines = [
        (
            row.seq,
            HistoryItem(
                at=row.at,
                action=row.action,
                field=row.field,
                old=row.values.get("old"),
                new=row.values.get("new"),
                source=row.source,
                import_id=row.import_id,
                by=row.subject,
            ),
        )
        for row in kept
    ]
    if begun is not None:
        first = HistoryItem(
            at=begun.at,
            action=CREATED,
            field=None,
            old=None,
            new=None,
            source=begun.source,
            import_id=begun.import_id,
            by=store.subject_of_import(session, begun.import_id),
        )
        lines.insert(0, (0, first))
    return lines


def _is_of(field: str | None, wanted: str) -> bool:
    return field == wanted or (field or "").startswith(f"{wanted}/")


def _told(session: Session, items: list[HistoryItem], principal: Principal) -> list[HistoryItem]:
    """The lines, each without who handed it in where that is another authority's business."""
    if principal.acts_for_all:
        return items
    owners = store.authorities(session, [item.source for item in items])
    return [
        item if principal.owns(owners.get(item.source)) else item.model_copy(update={"by": None})
        for item in items
    ]


for _entity, _path in (
    (entities.ORGANISATIONS, "/v1/organisations/{id}/history"),
    (entities.SERVICES, "/v1/services/{id}/history"),
    (entities.SITES, "/v1/sites/{id}/history"),
):
    add(router, _entity, _path)
