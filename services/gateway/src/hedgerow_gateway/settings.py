"""What the gateway is told from outside."""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    HttpUrl,
    RedisDsn,
    SecretStr,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


def _parted(given: object) -> object:
    return tuple(part.strip() for part in given.split(",")) if isinstance(given, str) else given


Addresses = Annotated[tuple[HttpUrl, ...], NoDecode, BeforeValidator(_parted), Field(min_length=1)]
Networks = Annotated[
    tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(lambda given: _parted(given or ()))
]
AMinute = Annotated[int, Field(ge=1)]


class GroupGrant(BaseModel):
    """What the members of a group may do, and for which authorities."""

    model_config = ConfigDict(extra="forbid")

    roles: tuple[str, ...] = Field(min_length=1)
    authorities: tuple[Annotated[str, Field(pattern=r"^([EWSNKJLM]\d{8}|\*)$")], ...] = Field(min_length=1)


class Settings(BaseSettings):
    """From the environment: `HEDGEROW_GATEWAY_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix="HEDGEROW_GATEWAY_",
        frozen=True,
        # What must not stand in the environment may lie there, a file each with the variable's name.
        secrets_dir=os.environ.get("HEDGEROW_SECRETS_DIR"),
    )

    data_dir: Path = Path("var")
    # Where the apps find the public keys, and followers their key, if they are to see nothing else of
    # `data_dir`.
    apps_dir: Path | None = None
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    # The address by which callers know this gateway: the same for all that share a database.
    public_url: HttpUrl | None = Field(default=None, validation_alias="HEDGEROW_PUBLIC_URL")
    # Where each app is; several addresses, parted by commas, are its replicas.
    registry_url: Addresses = (HttpUrl("http://127.0.0.1:8001"),)
    network_url: Addresses = (HttpUrl("http://127.0.0.1:8002"),)
    outcomes_url: Addresses = (HttpUrl("http://127.0.0.1:8003"),)
    client_silence_seconds: float = 30.0
    # How long a connection may rest between two requests. Longer than callers and balancers keep theirs, most
    # of them 60 s: who ends it must be they, or now and then a request meets the end.
    keep_alive_seconds: int = Field(default=75, ge=1, le=3600)
    kept_answers_megabytes: int = Field(default=64, ge=0)
    # Whether callers' requests go on in the traces that they say they belong to; else each begins its own.
    trust_traceparent: bool = False
    # How many requests a minute: of each key, client or person, and of each address without a key.
    reads_per_minute: AMinute = 6_000
    writes_per_minute: AMinute = 1_200
    imports_per_minute: AMinute = 120
    open_per_minute: AMinute = 1_200
    # Credentials never seen before that turn out wrong, from one address.
    attempts_per_minute: AMinute = 30
    # Where gateways count together; without one each counts alone.
    redis_url: Annotated[RedisDsn | None, BeforeValidator(lambda given: given or None)] = None
    # Proxies whose X-Forwarded-For is believed: addresses or networks.
    trusted_proxies: Networks = ()
    # The organisation's identity provider, at which people sign in; without one nobody can.
    oidc_issuer: str | None = Field(
        default=None, pattern=r"^https://|^http://(127\.0\.0\.1|localhost|\[::1\])[:/]"
    )
    oidc_client_id: str = "hedgerow"
    oidc_client_secret: SecretStr | None = None
    oidc_scope: str = "openid"
    oidc_groups_claim: str = "groups"
    # For whom bearer tokens of the provider may be meant besides this client.
    oidc_audiences: tuple[str, ...] = ()
    # By group, in order: {"commissioners": {"roles": ["commissioner"], "authorities": ["E08000009"]}}
    oidc_grants: dict[str, GroupGrant] = {}
    session_minutes: int = Field(default=60, ge=5, le=720)
    # Whether this process follows the apps and delivers events; another on the same database may.
    events: bool = True
    # How often it is looked whether something has happened.
    event_seconds: float = Field(default=0.5, gt=0, le=60)
    event_days: int = Field(default=30, ge=1, le=3650)
    # How often it is looked whether something is too old to be kept; 0: never, and nothing is removed.
    retention_seconds: float = Field(default=3600.0, ge=0, validation_alias="HEDGEROW_RETENTION_SECONDS")
    # Receivers that may be at private addresses and without TLS: hosts, or hosts with a port.
    webhook_hosts: Annotated[frozenset[str], NoDecode] = frozenset()

    @field_validator("webhook_hosts", mode="before")
    @classmethod
    def _named(cls, given: object) -> object:
        """Hosts, or hosts with a port, parted by commas."""
        if isinstance(given, str):
            return frozenset(host.strip().lower() for host in given.split(",") if host.strip())
        return given

    @property
    def own_dir(self) -> Path:
        return self.data_dir / "gateway"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.own_dir / 'gateway.db'}"

    @property
    def issuer(self) -> str:
        """The address by which callers know this gateway, without a slash at the end."""
        here = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)
        return str(self.public_url or f"http://{here}:{self.port}").rstrip("/")

    @property
    def apps(self) -> dict[str, tuple[str, ...]]:
        """The addresses of each app's replicas, without a slash at the end."""
        return {
            app: tuple(str(address).rstrip("/") for address in addresses)
            for app, addresses in (
                ("registry", self.registry_url),
                ("network", self.network_url),
                ("outcomes", self.outcomes_url),
            )
        }
