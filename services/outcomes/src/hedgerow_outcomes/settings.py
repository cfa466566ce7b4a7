"""What the environment says."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """From variables that begin with `HEDGEROW_OUTCOMES_`; the public keys are the gateway's for all apps."""

    model_config = SettingsConfigDict(
        env_prefix="HEDGEROW_OUTCOMES_", frozen=True, populate_by_name=True, extra="ignore"
    )

    database_url: str = "sqlite:///outcomes.db"
    host: str = "127.0.0.1"
    port: int = Field(default=8003, ge=0, le=65535)
    identity_keys: Path = Field(default=Path("identity.jwks.json"), validation_alias="HEDGEROW_IDENTITY_KEYS")
    # One transaction each. Fewer rows cost more commits, more rows more memory and a longer wait for writers.
    batch_rows: int = Field(default=200_000, ge=1)
