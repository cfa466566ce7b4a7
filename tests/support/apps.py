"""Each app over a database of its own, with the tests' identities."""

import importlib
from typing import Any

from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database

from tests.support.identity import SIGNER


def made(app: str, database_url: str, **settings: Any) -> Any:
    """registry, network or outcomes as its own code makes it, over a migrated database."""
    main = importlib.import_module(f"hedgerow_{app}.main")
    chosen = importlib.import_module(f"hedgerow_{app}.settings").Settings(**settings)
    verifier = Verifier(SIGNER.jwks, audience=app)
    return main.create_app(chosen, Database(database_url), verifier=verifier)
