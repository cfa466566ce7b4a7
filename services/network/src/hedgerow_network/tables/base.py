"""What all tables have in common."""

from hedgerow_kit import db
from sqlalchemy.orm import DeclarativeBase


class Base(DeclarativeBase):
    metadata = db.metadata()
