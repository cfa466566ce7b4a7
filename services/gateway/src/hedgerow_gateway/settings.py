"""What the gateway is told from outside."""

from pathlib import Path

from pydantic import HttpUrl
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """From the environment: `HEDGEROW_GATEWAY_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="HEDGEROW_GATEWAY_", frozen=True)

    data_dir: Path = Path("var")
    database_url: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    registry_url: HttpUrl = HttpUrl("http://127.0.0.1:8001")
    network_url: HttpUrl = HttpUrl("http://127.0.0.1:8002")
    outcomes_url: HttpUrl = HttpUrl("http://127.0.0.1:8003")
    client_silence_seconds: float = 30.0

    @property
    def own_dir(self) -> Path:
        return self.data_dir / "gateway"

    @property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.own_dir / 'gateway.db'}"

    @property
    def apps(self) -> dict[str, str]:
        """Each app's address, without a slash at the end."""
        return {
            "registry": str(self.registry_url).rstrip("/"),
            "network": str(self.network_url).rstrip("/"),
            "outcomes": str(self.outcomes_url).rstrip("/"),
        }
