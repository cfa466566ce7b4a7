"""`python -m hedgerow_gateway serve | migrate | prepare | key | rotate | openapi`."""

import argparse
import sys
from datetime import UTC, datetime

from hedgerow_kit import migrations, serving
from hedgerow_kit.auth import PERMISSIONS
from hedgerow_kit.db import Act, Database

from hedgerow_gateway import actions
from hedgerow_gateway.api.wire import StrictProtocol
from hedgerow_gateway.errors import GatewayError
from hedgerow_gateway.main import create_app, own_app
from hedgerow_gateway.settings import Settings
from hedgerow_gateway.store.signing import LEAD_SECONDS, Keyring


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m hedgerow_gateway")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="prepare, then serve until told to stop")
    commands.add_parser("migrate", help="bring the database up to date")
    commands.add_parser(
        "prepare", help="migrate, and make the signing key and the first keys if they are missing"
    )
    key = commands.add_parser("key", help="make an API key and print it")
    key.add_argument("--name", required=True)
    key.add_argument("--role", action="append", required=True, choices=sorted(PERMISSIONS))
    key.add_argument("--authority", action="append", help="a GSS code, may be repeated; all if not given")
    rotate = commands.add_parser("rotate", help="make the signing key that takes over next")
    rotate.add_argument(
        "--at-once",
        action="store_true",
        help="it takes over now, and what the old one signed is believed no longer: for a key that leaked",
    )
    rotate.add_argument(
        "--lead",
        type=int,
        metavar="SECONDS",
        help=f"how long it is published before it signs, {LEAD_SECONDS} if not given: longer where gateways "
        "share no folder and the key has to be brought to each",
    )
    commands.add_parser("openapi", help="print the OpenAPI document of the gateway's own routes")
    chosen = parser.parse_args(arguments)
    if chosen.command == "openapi":
        serving.print_document(own_app({}).openapi())
        return 0
    try:
        return _with_database(chosen)
    except GatewayError as error:
        print(f"hedgerow gateway: {error}", file=sys.stderr)
        return 2


def _with_database(chosen: argparse.Namespace) -> int:
    settings = Settings()
    settings.own_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database)
    try:
        migrations.upgrade(database, "hedgerow_gateway")
        if chosen.command == "key":
            print(_new_key(database, chosen))
        elif chosen.command == "rotate":
            print(_rotated(settings, database, at_once=chosen.at_once, lead_seconds=chosen.lead))
        elif chosen.command != "migrate":
            keyring = actions.prepare(
                database, settings.data_dir, now=datetime.now(UTC), apps_dir=settings.apps_dir
            )
            if chosen.command == "serve":
                _serve(settings, database, keyring)
    finally:
        database.dispose()
    return 0


def _rotated(settings: Settings, database: Database, *, at_once: bool, lead_seconds: int) -> str:
    ring = actions.load_keyring(settings.data_dir, settings.apps_dir)
    act = Act(actions.COMMAND, "rotate")
    made = actions.rotate_signing_key(database, ring, act=act, at_once=at_once, lead_seconds=lead_seconds)
    starts = datetime.fromtimestamp(made.signs_from, UTC)
    return f"{made.signer.key_id} signs from {starts:%Y-%m-%d %H:%M:%S} UTC"


def _new_key(database: Database, chosen: argparse.Namespace) -> str:
    with database.writing(act=Act(actions.COMMAND, "key")) as session:
        _, text = actions.give_key(
            session,
            name=chosen.name,
            roles=chosen.role,
            authorities=chosen.authority or ["*"],
            expires_at=None,
            now=datetime.now(UTC),
        )
    return text


def _serve(settings: Settings, database: Database, keyring: Keyring) -> None:
    serving.run(
        create_app(settings, database, keyring),
        name="gateway",
        host=settings.host,
        port=settings.port,
        http=StrictProtocol,
        keep_alive_seconds=settings.keep_alive_seconds,
    )


if __name__ == "__main__":
    sys.exit(main())
