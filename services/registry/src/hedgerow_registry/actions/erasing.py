"""What follows from records in which something was erased: derived columns, the index, the change feed."""

from collections.abc import Iterator

from hedgerow_kit.erasure import Changed
from sqlalchemy import update
from sqlalchemy.orm import Session

from hedgerow_registry.actions import derived, entities, indexing
from hedgerow_registry.actions.records import Entity
from hedgerow_registry.store import search
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import OrganisationAlias, OrganisationIdentifier, feed

# A name and a number of an organisation are nothing beside their text.
ROWS_GO = frozenset({OrganisationAlias.__tablename__, OrganisationIdentifier.__tablename__})
_RECORDS = (
    entities.ORGANISATIONS,
    entities.SERVICES,
    entities.SITES,
    entities.NEEDS,
    entities.PROCESSES,
    entities.CONTRACTS,
    entities.AREAS,
)


def bring_up_to_date(session: Session, changed: Changed) -> None:
    """Look again at every record that was changed, and tell whoever follows the registry."""
    indexing.alone(session)
    for entity in _RECORDS:
        for piece in chunks(sorted(_ids(entity, changed))):
            whole = entity.whole(session, [(id,) for id in piece])
            for (id,), record in whole.items():
                made = {name: derive(record) for name, derive in entity.derived.items()}
                if made:
                    key = getattr(entity.table, entity.key[0])
                    session.execute(
                        update(entity.table).where(key == id).values(**made),
                        execution_options={"synchronize_session": False},
                    )
            there = [id for (id,) in whole]
            told_by = {} if entity.told_by is None else entity.told_by(session, there)
            for id in there:
                feed.record(session, entity.type, told_by.get(id, id))
            derived.look_again(session, entity.type, there)
    derived.settle(session)
    search.drop_unused_words(session)


def _ids(entity: Entity, changed: Changed) -> Iterator[str]:
    found = {key[entity.key[0]] for key in changed.get(entity.table.__tablename__, ())}
    for part in entity.parts:
        found |= {key[part.owner] for key in changed.get(part.table.__tablename__, ())}
    yield from found
