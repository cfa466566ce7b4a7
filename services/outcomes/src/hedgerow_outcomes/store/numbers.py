"""The small whole numbers that stand for KPIs and subjects in the tables of observations."""

from collections.abc import Sequence

import orjson
from hedgerow_kit import db
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.tables import Kpi, Subject


def of_kpis(session: Session, ids: Sequence[str]) -> dict[str, int]:
    """The numbers of those of these KPIs that are defined."""
    return _numbers(session, "SELECT id, number FROM kpis WHERE id", ids)


def next_kpi(session: Session) -> int:
    return (session.scalar(select(func.max(Kpi.number))) or 0) + 1


def of_subjects(session: Session, texts: Sequence[str]) -> dict[str, int]:
    """The numbers of these subjects, those new to us included. Only for who holds the writer's lock."""
    found = _numbers(session, "SELECT text, number FROM subjects WHERE text", texts)
    new = [text for text in texts if text not in found]
    if new:
        first = (session.scalar(select(func.max(Subject.number))) or 0) + 1
        rows = [
            {"number": number, "text": text, "kind": parse_subject(text).kind}
            for number, text in enumerate(new, start=first)
        ]
        db.upsert(session, Subject, rows, key=["number"], update=[])
        found.update(zip(new, range(first, first + len(new)), strict=True))
    return found


def _numbers(session: Session, wanted: str, texts: Sequence[str]) -> dict[str, int]:
    # One parameter for all texts: a statement with one for each would take longer to write than to answer.
    if session.get_bind().dialect.name == "postgresql":
        rows = session.execute(text(f"{wanted} = ANY(:texts)"), {"texts": list(texts)})
    else:
        among = f"{wanted} IN (SELECT value FROM json_each(:texts))"
        rows = session.execute(text(among), {"texts": orjson.dumps(texts).decode()})
    return {str(row[0]): int(row[1]) for row in rows}
