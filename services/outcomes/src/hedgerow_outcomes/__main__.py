"""`python -m hedgerow_outcomes serve | migrate | openapi`."""

from fastapi import FastAPI
from hedgerow_kit import serving
from hedgerow_kit.db import Database

from hedgerow_outcomes.main import create_app
from hedgerow_outcomes.settings import Settings
from hedgerow_outcomes.upstream.registry import registry


def following(settings: Settings, database: Database) -> FastAPI:
    """Outcomes that follows the registry through the gateway."""
    return create_app(settings, database, registry=registry(settings.gateway_url, settings.key_file))


if __name__ == "__main__":
    serving.main("outcomes", Settings, following)
