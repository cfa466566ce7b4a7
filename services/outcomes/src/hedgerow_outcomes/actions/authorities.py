"""Keeping the authority of each subject in step with what the registry tells of areas and contracts."""

from collections.abc import Sequence

from hedgerow_kit.db import Database
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain import authorities
from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.store import learnings, registry
from hedgerow_outcomes.tables import Subject

# The kinds whose authority the registry knows; of all others it is whoever hands figures in first.
TOLD = ("area", "contract")


def of_subjects(session: Session, texts: Sequence[str], *, by: str | None) -> dict[str, str | None]:
    """The authority of each of these subjects. by: that of whoever hands in what is known of them."""
    return dict.fromkeys(texts, by) | _told(session, texts)


def _told(session: Session, texts: Sequence[str]) -> dict[str, str | None]:
    """The authority of those of these subjects of which the registry has told, and of all areas."""
    subjects = [parse_subject(text) for text in texts]
    areas = [one.id for one in subjects if one.kind == "area"]
    tree = registry.tree_above(session, areas)
    contracts = registry.contracts(session, [one.id for one in subjects if one.kind == "contract"])
    found: dict[str, str | None] = {}
    for text, subject in zip(texts, subjects, strict=True):
        if subject.kind == "area":
            found[text] = authorities.of_area(tree, subject.id)
        elif subject.kind == "contract" and subject.id in contracts:
            found[text] = authorities.of_contract(contracts[subject.id])
    return found


def settle(session: Session) -> None:
    """Say anew whose those subjects are of which the registry has told."""
    # No import may number a subject by areas that are no longer so.
    learnings.lock(session)
    query = select(Subject.text, Subject.authority_code).where(Subject.kind.in_(TOLD))
    held = {text: code for text, code in session.execute(query)}
    for text, code in _told(session, list(held)).items():
        if code != held[text]:
            session.execute(update(Subject).where(Subject.text == text).values(authority_code=code))


def settle_left_over(database: Database) -> None:
    """Settle what was known of the registry before subjects had an authority."""
    with database.writing() as session:
        settle(session)
