"""`python -m hedgerow_registry serve | migrate | openapi`."""

from hedgerow_kit import serving

from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings

if __name__ == "__main__":
    serving.main("registry", Settings, create_app)
