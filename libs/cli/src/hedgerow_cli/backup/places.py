"""Where each app's database is, and which files of the data directory belong to a backup."""

import os
from collections.abc import Iterator
from pathlib import Path

from hedgerow_cli import demonstration, preflight
from hedgerow_cli.backup.databases import StoredDatabase
from hedgerow_cli.backup.postgresql import PostgresDatabase
from hedgerow_cli.backup.sqlite import SqliteFile

# Who follows others is copied before them: then no copy has read further than what it follows goes on from.
FOLLOWERS_FIRST = ("gateway", "network", "outcomes", "registry")


def databases(data_dir: Path, programs: Path | None) -> dict[str, StoredDatabase]:
    """Each app's database, those that follow others first. programs: where pg_dump and pg_restore are"""
    urls = preflight.database_urls(data_dir, os.environ)
    owners = preflight.owner_urls(os.environ)
    found: dict[str, StoredDatabase] = {}
    for app in FOLLOWERS_FIRST:
        file = preflight.sqlite_file(urls[app])
        found[app] = (
            SqliteFile(app, file)
            if file is not None
            else PostgresDatabase(app, urls[app], owners.get(app, urls[app]), programs)
        )
    return found


def keys(data_dir: Path) -> Iterator[str]:
    """The key files that are there, as paths within the data directory."""
    for pattern in ("*.key", "gateway/*.key", "gateway/identity.jwks.json"):
        for path in sorted(data_dir.glob(pattern)):
            yield str(path.relative_to(data_dir))


def notes(data_dir: Path) -> Iterator[str]:
    """What `up` has to remember of the place: without it, the fictional locality would be loaded again."""
    if (data_dir / demonstration.REMEMBERED).exists():
        yield demonstration.REMEMBERED
