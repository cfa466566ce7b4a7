"""`python -m hedgerow_network serve | migrate | openapi`."""

import argparse
import json
import sys

from hedgerow_kit import migrations, serving
from hedgerow_kit.db import Database

from hedgerow_network.main import create_app
from hedgerow_network.settings import Settings
from hedgerow_network.upstream.registry import Registry


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hedgerow_network")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="migrate, then serve until told to stop")
    commands.add_parser("migrate", help="bring the database up to date")
    commands.add_parser("openapi", help="print the OpenAPI document")
    chosen = parser.parse_args(arguments)
    settings = Settings()
    if chosen.command == "openapi":
        app = create_app(settings, Database(settings.database_url))
        print(json.dumps(app.openapi(), indent=2, ensure_ascii=False, sort_keys=True))
        return 0
    database = Database(settings.database_url)
    try:
        migrations.upgrade(database, "hedgerow_network")
        if chosen.command == "serve":
            registry = Registry(settings.gateway_url, settings.key_file)
            serving.run(
                create_app(settings, database, registry=registry),
                name="network",
                host=settings.host,
                port=settings.port,
            )
    finally:
        database.dispose()
    return 0


if __name__ == "__main__":
    sys.exit(main())
