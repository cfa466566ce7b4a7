"""Breaches and late KPIs that were kept as everybody's are told to nobody but who sees all.

Whose they are is learned from outcomes, whose feed is read once more; what was told of it is not told again.
"""

import sqlalchemy as sa
from alembic import op
from hedgerow_kit.db import Json

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_EVENTS = sa.table("events", sa.column("type", sa.Text()), sa.column("authorities", Json))
_SOURCES = sa.table(
    "event_sources",
    sa.column("name", sa.Text()),
    sa.column("position", sa.BigInteger()),
    sa.column("mark", sa.Text()),
    sa.column("silent_to", sa.BigInteger()),
)


def upgrade() -> None:
    kind = _EVENTS.c.type
    op.execute(
        _EVENTS.update()
        .where(sa.or_(kind.like("hedgerow.breach.%"), kind == "hedgerow.kpi.late"))
        .where(sa.cast(_EVENTS.c.authorities, sa.Text()) == "[]")
        .values(authorities=["-"])
    )
    read_to, silent_to = _SOURCES.c.position, _SOURCES.c.silent_to
    is_behind = sa.and_(silent_to >= 0, silent_to < read_to)
    op.execute(
        _SOURCES.update()
        .where(_SOURCES.c.name == "outcomes")
        .values(position=0, mark=None, silent_to=sa.case((is_behind, read_to), else_=silent_to))
    )


def downgrade() -> None:
    """What was everybody's stays hidden."""
