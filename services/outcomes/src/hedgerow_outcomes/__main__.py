"""`python -m hedgerow_outcomes serve | migrate | openapi`."""

import argparse
import json

from hedgerow_kit import migrations, serving
from hedgerow_kit.db import Database

from hedgerow_outcomes.main import create_app
from hedgerow_outcomes.settings import Settings


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m hedgerow_outcomes")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="bring the database up to date, then serve until told to stop")
    commands.add_parser("migrate", help="bring the database up to date")
    commands.add_parser("openapi", help="print the OpenAPI document")
    command = parser.parse_args(arguments).command
    if command == "openapi":
        # The database is named, and never opened.
        app = create_app(Settings(), Database("sqlite:///outcomes.db"))
        print(json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True))
        return
    settings = Settings()
    database = Database(settings.database_url)
    migrations.upgrade(database, "hedgerow_outcomes")
    if command == "serve":
        app = create_app(settings, database)
        serving.run(app, name="outcomes", host=settings.host, port=settings.port)


if __name__ == "__main__":
    main()
