"""Settings of one desk: environment variables with prefix BROKER_DESK_."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from broker.desk.people import Role
from broker.shell.keys import DESK

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
    oidc_issuer: str = Field(
        "",
        description="OpenID Connect provider of the organisation, exactly as it calls itself; https "
        "but on this machine.",
    )
    oidc_client_id: str = Field("", description="What this desk is called there.")
    oidc_client_secret: SecretStr = Field(SecretStr(""), description="Its secret there.")
    oidc_client_secret_file: Path | None = Field(
        None, description="A file with that secret, instead of the secret itself."
    )
    oidc_scope: str = Field("openid profile", description="Scopes that are asked for.")
    oidc_staff_claim: str = Field(
        "sub",
        description="Claim with the staff reference: letters, digits and . _ : / ~ -, no name and no "
        "mail address.",
    )
    oidc_roles_claim: str = Field(
        "roles", description="Claim with groups or roles; dots lead into it: realm_access.roles."
    )
    oidc_roles: dict[str, tuple[Role, ...]] = Field(
        {},
        description="JSON: which value of that claim gives which roles here, such as "
        '{"safeguarding-duty": ["duty", "tells"]}. Any other gives none.',
    )
    oidc_acr: tuple[str, ...] = Field(
        (),
        description="JSON: ways of signing in that are strong enough (values of acr, such as "
        '["mfa"]); none: any.',
    )
    idle_minutes: int = Field(
        30, ge=1, description="A session ends after so long without a request."
    )
    session_hours: int = Field(10, ge=1, description="A session ends after so long at the latest.")
    webhook_hosts: str = Field(
        "",
        description="Hosts, by commas, that the organisation's webhooks may lead to, each `host` or "
        "`host:port`; none without it. In development also 127.0.0.1.",
    )
    requests_a_minute: int = Field(
        300, ge=10, description="More from one person, or from one address, are refused."
    )
    sign_ins_a_minute: int = Field(
        30, ge=1, description="More attempts to sign in from one address are refused."
    )
    trusted_proxies: str = Field(
        "",
        description="Addresses or networks of the proxies before it, with commas; what they say of "
        "where a request came from is believed, and nobody else's word.",
    )

    @property
    def is_https(self) -> bool:
        """Whether people reach the desk by TLS."""
        return self.base_url.startswith("https://")

    @property
    def host_name(self) -> str:
        """The host that people's browsers ask for; empty where none is set."""
        return urlsplit(self.base_url).hostname or ""

    def secret_of_client(self) -> str:
        """The desk's secret at its provider; empty for a desk that has none. Raises OSError."""
        if self.oidc_client_secret_file is not None:
            return self.oidc_client_secret_file.read_text(encoding="utf-8").strip()
        return self.oidc_client_secret.get_secret_value()

    @property
    def is_auditors(self) -> bool:
        """Whether it is the auditors' console."""
        return self.organisation == AUDITOR

    @property
    def is_duty_desk(self) -> bool:
        """Whether it is the broker's own duty desk, where reviews are decided."""
        return self.organisation == DESK

    def folder(self, data_dir: Path) -> Path:
        """Where this desk keeps its database and its log; readable by it alone."""
        return data_dir / "desk" / self.organisation
