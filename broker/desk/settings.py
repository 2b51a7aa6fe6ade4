"""Settings of one desk: environment variables with prefix BROKER_DESK_."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

AUDITOR = "AUDITOR"
"""Not an organisation of the register: who serves this reads the ledger's files and no topic."""


class DeskSettings(BaseSettings):
    """Whose desk it is, where it listens, and how people prove who they are."""

    model_config = SettingsConfigDict(env_prefix="BROKER_DESK_", extra="ignore")

    organisation: str = Field("", description="Code in the register, DUTY-DESK or AUDITOR.")
    host: str = Field(
        "127.0.0.1", description="Address to listen on; TLS is the proxy's before it."
    )
    port: int = Field(0, ge=0, le=65_535, description="Port; 0: a free one.")
    base_url: str = Field(
        "", description="Address that people use, such as https://desk.example; for signing in."
    )
    development: bool = Field(
        False,
        description="Sign in as an invented person without proof. Only `broker up` sets it; refused on any "
        "address but this machine's own.",
    )
    oidc_issuer: str = Field("", description="OpenID Connect provider of the organisation.")
    oidc_client_id: str = Field("", description="What this desk is called there.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret there.")
    idle_minutes: int = Field(
        30, ge=1, description="A session ends after so long without a request."
    )
    session_hours: int = Field(10, ge=1, description="A session ends after so long at the latest.")
    webhook_hosts: str = Field(
        "",
        description="Hosts, by commas, that the organisation's webhooks may lead to, each `host` or "
        "`host:port`; none without it. In development also 127.0.0.1.",
    )
    requests_a_minute: int = Field(300, ge=10, description="More from one address are refused.")

    def folder(self, data_dir: Path) -> Path:
        """Where this desk keeps its database and its log; readable by it alone."""
        return data_dir / "desk" / self.organisation
