"""The small whole numbers that stand for KPIs and subjects in the tables of observations."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import orjson
from hedgerow_kit import db
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.tables import Kpi, Subject

Owner = str | None


class Numbered(NamedTuple):
    number: int
    authority_code: Owner


def of_kpis(session: Session, ids: Sequence[str]) -> dict[str, Numbered]:
    """The numbers of those of these KPIs that are defined, and whose they are."""
    return _numbers(session, "SELECT id, number, authority_code FROM kpis WHERE id", ids)


def next_kpi(session: Session) -> int:
    return (session.scalar(select(func.max(Kpi.number))) or 0) + 1


def of_subjects(session: Session, texts: Sequence[str]) -> dict[str, Numbered]:
    """The numbers of those of these subjects that are known here, and whose they are."""
    return _numbers(session, "SELECT text, number, authority_code FROM subjects WHERE text", texts)


def number_subjects(session: Session, owners: Mapping[str, Owner]) -> dict[str, int]:
    """Numbers for subjects that are new, each of its owner. Only for who holds the writer's lock."""
    first = (session.scalar(select(func.max(Subject.number))) or 0) + 1
    rows = [
        {"number": number, "text": text, "kind": parse_subject(text).kind, "authority_code": owner}
        for number, (text, owner) in enumerate(owners.items(), start=first)
    ]
    db.upsert(session, Subject, rows, key=["number"], update=[])
    return {row["text"]: row["number"] for row in rows}  # type: ignore[misc]


def _numbers(session: Session, wanted: str, texts: Sequence[str]) -> dict[str, Numbered]:
    # One parameter for all texts: a statement with one for each would take longer to write than to answer.
    if session.get_bind().dialect.name == "postgresql":
        rows = session.execute(text(f"{wanted} = ANY(:texts)"), {"texts": list(texts)})
    else:
        among = f"{wanted} IN (SELECT value FROM json_each(:texts))"
        rows = session.execute(text(among), {"texts": orjson.dumps(texts).decode()})
    return {str(row[0]): Numbered(int(row[1]), row[2]) for row in rows}
