"""After a restore from a backup: the history goes on as another one."""

from uuid import uuid4

from hedgerow_kit.db import Database
from sqlalchemy import update

from hedgerow_registry.tables import FeedEpoch


def begin_epoch(database: Database) -> str:
    """Give the change feed a new epoch, so that who followed the old one reads it anew; tells it in words."""
    epoch = str(uuid4())
    with database.writing() as session:
        session.execute(update(FeedEpoch).values(epoch=epoch))
    return f"The change feed has begun the epoch {epoch}."
