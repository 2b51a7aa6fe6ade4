"""Settings: every one an environment variable with prefix BROKER_, each with a safe default."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

PROJECT_DIR = Path(__file__).resolve().parents[2]


class Settings(BaseSettings):
    """What the shell needs to know about where it runs."""

    model_config = SettingsConfigDict(env_prefix="BROKER_", extra="ignore")

    name: str = Field(
        "broker.example",
        pattern=r"^[a-z0-9.-]+$",
        description="Name of this broker: the first part of every log's origin line.",
    )
    data_dir: Path = Field(Path("var"), description="Where state, keys and the ledger lie.")
    keys: str = Field(
        "",
        pattern=r"^$|^file:.|^pkcs11:.",
        description="Where keys lie: file:DIR (default: the data folder's keys/), or pkcs11:module="
        "...;token=...;pin-source=FILE for the pairs that sign and open (docs/runbooks/keys.md).",
    )
    kafka_bootstrap: str = Field(
        "", description="host:port of an external Kafka; empty starts the embedded one."
    )
    kafka_security: Literal["ssl", "plaintext"] = Field(
        "ssl",
        description="ssl: TLS with a certificate for each client. plaintext: none, for development "
        "on a Kafka that is open to everybody.",
    )
    kafka_rights: Literal["set", "elsewhere"] = Field(
        "set",
        description="set: rights and quotas are set at each start. elsewhere: by others, as "
        "`broker keys acls` lists them.",
    )
    kafka_ca: Path | None = Field(
        None, description="Authority that signed Kafka's certificate (PEM); default: keys/kafka/."
    )
    kafka_certificate: Path | None = Field(
        None,
        description="Certificate of the one process or organisation that is run (PEM, its chain "
        "behind it); default: the key folder has one for each.",
    )
    kafka_key: Path | None = Field(None, description="Its private key (PEM, PKCS 8).")
    process: str = Field(
        "", description="Which process of the broker this is; the broker sets it itself."
    )
    schemas_dir: Path = Field(PROJECT_DIR / "schemas", description="Schemas and code sets.")
    policies_dir: Path = Field(PROJECT_DIR / "policies", description="Law, agreements, register.")
    scenarios_dir: Path = Field(
        PROJECT_DIR / "tests" / "scenarios", description="What `broker up` plays, as data."
    )
    registry_map: Path | None = Field(
        None,
        description="JSON file of Confluent schema id to fingerprint (hex); set it to accept "
        "Confluent framing.",
    )
    max_record_bytes: int = Field(1_000_000, ge=10_000, description="Larger records are rejected.")
    batch_size: int = Field(100, ge=1, description="Records that a step takes together.")
    ahead: int = Field(
        500,
        ge=1,
        description="Records in parts.v1 and decisions.v1 that are not worked off, beyond which intake "
        "takes nothing more in: the rest waits in its publishers' own topics, which it reads in turn. "
        "Smaller: a flood of one delays others less; larger: fuller batches.",
    )
    session_timeout_s: float = Field(1.5, description="Kafka session of the workers, in seconds.")
    heartbeat_s: float = Field(0.4, description="Kafka heartbeat of the workers, in seconds.")
    clock_ahead_s: float = Field(
        0.0, ge=0, description="For tests and rehearsals only: how far the clock looks ahead."
    )
    witnesses: Path | None = Field(
        None, description="YAML file of the witnesses that cosign checkpoints; none without it."
    )
    ledger_store: SecretStr = Field(
        SecretStr(""),
        description="postgresql:// address of the database that holds all shards; empty: SQLite in "
        "each shard's folder. With it several ledger processes share the shards.",
    )
    state_dir: Path | None = Field(
        None,
        description="Where a worker's tables lie; default: state in the data folder. A second worker "
        "of one step on one machine needs its own.",
    )
    log_level: str = Field("INFO", description="Log level.")
    metrics_port: int | None = Field(
        None,
        ge=0,
        le=65_500,
        description="Port on 127.0.0.1 for /metrics, /healthz and /readyz of the one process that is run; "
        "0 or unset: none. `broker up` gives this and the next three to its processes; unset: free ones.",
    )
    trace_share: float = Field(
        0.0, ge=0, le=1, description="Share of the records whose way is traced; 0: none."
    )
    trace_endpoint: str = Field(
        "http://127.0.0.1:4318/v1/traces", description="OTLP receiver (HTTP) that traces go to."
    )
    crash_at: str = Field(
        "", description="For fault tests only: `point:n` kills the process at the n-th passing."
    )

    @property
    def keys_dir(self) -> Path:
        """Where keys lie; readable by the broker alone."""
        named = self.keys.removeprefix("file:") if self.keys.startswith("file:") else ""
        return Path(named) if named else self.data_dir / "keys"

    @property
    def ledger_dir(self) -> Path:
        """Where the ledger lies, one folder a shard."""
        return self.data_dir / "ledger"

    @property
    def witnessed_dir(self) -> Path:
        """Where the last cosigned checkpoint of each shard lies: outside the ledger, on purpose."""
        return self.data_dir / "witnessed"

    @property
    def codesets_dir(self) -> Path:
        """Dated reference data."""
        return self.schemas_dir / "codesets"

    @property
    def organisations_dir(self) -> Path:
        """The organisation register."""
        return self.policies_dir / "organisations"
