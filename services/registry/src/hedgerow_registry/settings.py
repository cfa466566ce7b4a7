"""What the registry is told by its environment."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """From variables that begin with `HEDGEROW_REGISTRY_`; the public keys are the gateway's for all apps."""

    model_config = SettingsConfigDict(
        env_prefix="HEDGEROW_REGISTRY_",
        frozen=True,
        populate_by_name=True,
        extra="ignore",
        # What must not stand in the environment may lie there, a file each with the variable's name.
        secrets_dir=os.environ.get("HEDGEROW_SECRETS_DIR"),
    )

    database_url: str = "sqlite:///registry.db"
    # For how many days it is kept what became of each row of an import; 0: for good.
    receipt_days: int = Field(default=400, ge=0, le=36_500, validation_alias="HEDGEROW_RECEIPT_DAYS")
    # How often it is looked whether something is too old to be kept; 0: never, and nothing is removed.
    retention_seconds: float = Field(default=3600.0, ge=0, validation_alias="HEDGEROW_RETENTION_SECONDS")
    # The owner of the tables, if the app itself connects as a role that owns nothing (PostgreSQL).
    migration_database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8001, ge=0, le=65535)
    identity_keys: Path = Field(default=Path("identity.jwks.json"), validation_alias="HEDGEROW_IDENTITY_KEYS")
    # The address at which others reach the platform: the open feed names its OpenAPI document by it.
    public_url: str | None = Field(default=None, validation_alias="HEDGEROW_PUBLIC_URL")
    # Feeds at private addresses are refused, or anyone who may import could look around behind the firewall.
    feed_hosts: Annotated[frozenset[str], NoDecode] = Field(
        default=frozenset(), validation_alias="HEDGEROW_REGISTRY_ALLOWED_HOSTS"
    )

    # By what the pauses between the tries of a pull are multiplied: a minute, two, four …
    feed_pauses: float = Field(default=1.0, gt=0, le=100)
    # Whether this process works on pulls; another on the same database may.
    pulls: bool = True
    # How often it is looked whether a feed is due.
    feed_look_seconds: float = Field(default=5.0, gt=0, le=3600)
    # The name of this process among several on one database, the same after a restart; by default the host's.
    replica: str | None = Field(default=None, max_length=200)
    # Looked for again when the registry has been quiet for so long after a change; 0: only when asked to.
    matching_seconds: float = Field(default=10.0, ge=0)

    @field_validator("feed_hosts", mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        """Hosts, or hosts with a port, parted by commas."""
        if isinstance(given, str):
            return frozenset(host.strip().lower() for host in given.split(",") if host.strip())
        return given
