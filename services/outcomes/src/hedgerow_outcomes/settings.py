"""What the environment says."""

import os
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """From variables that begin with `HEDGEROW_OUTCOMES_`; the public keys are the gateway's for all apps."""

    model_config = SettingsConfigDict(
        env_prefix="HEDGEROW_OUTCOMES_",
        frozen=True,
        populate_by_name=True,
        extra="ignore",
        # What must not stand in the environment may lie there, a file each with the variable's name.
        secrets_dir=os.environ.get("HEDGEROW_SECRETS_DIR"),
    )

    database_url: str = "sqlite:///outcomes.db"
    # For how many days it is kept what became of each row of an import; 0: for good.
    receipt_days: int = Field(default=400, ge=0, le=36_500, validation_alias="HEDGEROW_RECEIPT_DAYS")
    # How often it is looked whether something is too old to be kept; 0: never, and nothing is removed.
    retention_seconds: float = Field(default=3600.0, ge=0, validation_alias="HEDGEROW_RETENTION_SECONDS")
    # The owner of the tables, if the app itself connects as a role that owns nothing (PostgreSQL).
    migration_database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8003, ge=0, le=65535)
    identity_keys: Path = Field(default=Path("identity.jwks.json"), validation_alias="HEDGEROW_IDENTITY_KEYS")
    # Where the registry's change feed is read, and the API key to read it with.
    gateway_url: str = "http://127.0.0.1:8000"
    key_file: Path = Path("outcomes.key")
    # How long the follower rests when it has read all there is.
    poll_seconds: float = Field(default=1.0, gt=0)
    # The longest rest while the registry cannot be reached.
    longest_pause_seconds: float = Field(default=10.0, gt=0)
    # How often it is looked which KPIs have become late; 0: never.
    late_seconds: float = Field(default=900.0, ge=0)
    # One transaction each. Fewer rows cost more commits, more rows more memory and a longer wait for writers.
    batch_rows: int = Field(default=200_000, ge=1)
