"""What all tables have in common."""

from hedgerow_kit import audit, db, idempotency
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = db.metadata()


idempotency.declare(Base.metadata)
audit.declare(Base.metadata)
