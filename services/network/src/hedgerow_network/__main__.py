"""`python -m hedgerow_network serve | migrate | openapi`."""

from fastapi import FastAPI
from hedgerow_kit import serving
from hedgerow_kit.db import Database

from hedgerow_network.main import create_app
from hedgerow_network.settings import Settings
from hedgerow_network.upstream.outcomes import Outcomes
from hedgerow_network.upstream.registry import registry


def following(settings: Settings, database: Database) -> FastAPI:
    """Network that follows the registry through the gateway."""
    return create_app(
        settings,
        database,
        registry=registry(settings.gateway_url, settings.key_file),
        outcomes=Outcomes(settings.gateway_url, settings.key_file),
    )


if __name__ == "__main__":
    serving.main("network", Settings, following)
