"""A subscriber in a process of its own: `python -m tests.registry.subscriber URL DATABASE KEY_FILE`.

It follows a change feed into a projection, as the other apps do, until it is killed.
"""

import sys
import time
from pathlib import Path

from hedgerow_kit import db, projection
from hedgerow_kit.db import Database
from hedgerow_kit.following import ChangeReader, FeedUnreadable, Follower, key_in
from sqlalchemy import insert
from sqlalchemy.orm import DeclarativeBase

KINDS = ("organisation", "service", "site")


class Base(DeclarativeBase):
    metadata = db.metadata()


class Record(projection.RecordMixin, Base):
    pass


class Feed(projection.FeedMixin, Base):
    pass


PROJECTION = projection.Projection(Record, Feed, is_readable=lambda _kind, _data: True, kinds=(), edition=1)


def prepared(url: str) -> Database:
    """The subscriber's database, with nothing read yet."""
    database = Database(url)
    Base.metadata.create_all(database.engine)
    start = {"id": 1, "position": 0, "registry_last": 0, "batch": 0, "feeding": 1, "settled": 0}
    with database.writing() as session:
        session.execute(insert(Feed).values(start))
    return database


def follower(database: Database, url: str, key_file: Path) -> Follower:
    reader = ChangeReader(url, key_in(key_file), followed="registry", kinds=KINDS)
    return Follower(database, reader, PROJECTION, poll_seconds=0.02, longest_pause_seconds=0.2)


def main(url: str, database_url: str, key_file: str) -> None:
    following = follower(Database(database_url), url, Path(key_file))
    while True:
        try:
            more = following.step()
        except FeedUnreadable:
            more = False
        if not more:
            time.sleep(0.02)


if __name__ == "__main__":
    main(*sys.argv[1:])
