"""The projection as it stands in the database."""

from collections.abc import Iterator

from hedgerow_kit.projection import Projection
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_network.domain.facts import EDITION, KINDS, is_readable
from hedgerow_network.tables import Feed, Record

PROJECTION = Projection(Record, Feed, is_readable=is_readable, kinds=KINDS, edition=EDITION)


def organisation_names(session: Session) -> Iterator[tuple[str, str, list[str]]]:
    """Id and name of every organisation held, and what else means it: identifiers, ids merged into it."""
    rows = session.execute(
        select(Record.id, Record.data)
        .where(Record.kind == "organisation", Record.deleted.is_(False))
        .execution_options(yield_per=5_000)
    )
    for id, data in rows:
        held = data or {}
        identifiers = [f"{one.get('scheme')}:{one.get('id')}" for one in held.get("identifiers") or ()]
        yield id, str(held.get("name") or id), [*identifiers, *(held.get("merged_ids") or ())]
