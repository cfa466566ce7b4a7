"""`python -m hedgerow_registry serve | migrate | openapi | restored`."""

from hedgerow_kit import serving

from hedgerow_registry.actions.restoring import begin_epoch
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings

if __name__ == "__main__":
    serving.main(
        "registry",
        Settings,
        create_app,
        steps={
            "restored": serving.Step(
                "say that the database was restored from a backup: whoever follows it reads it anew",
                begin_epoch,
            )
        },
    )
