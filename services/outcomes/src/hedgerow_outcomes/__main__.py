"""`python -m hedgerow_outcomes serve | migrate | openapi`."""

from hedgerow_kit import serving

from hedgerow_outcomes.main import create_app
from hedgerow_outcomes.settings import Settings

if __name__ == "__main__":
    serving.main("outcomes", Settings, create_app)
