"""Topics as data: read `deploy/topics.yaml`, and bring a Kafka in line with it.

`ensure_topics` creates what is missing and changes nothing that exists: a topic that differs from
the file is an error that names the topic, what it is and what it should be. Only organisation
codes of letters, digits and hyphens go into topic names, so a name never holds anything personal.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

TOPICS_FILE = Path(__file__).resolve().parents[2] / "deploy" / "topics.yaml"
ORGANISATION = re.compile(r"[A-Za-z0-9-]{1,64}")
_PLACE = "{org}"
_NAME = re.compile(r"[a-z][a-z0-9-]*\.v[0-9]+(\.\{org\})?")
_UNITS_MS = {"h": 3_600_000, "d": 86_400_000}
_SEGMENT_BYTES = 16_777_216
_BATCH = 200
_COPIES = 3  # of each partition, or as many as there are brokers
_VISIBLE_WITHIN_S = 15.0
_EXISTS_ALREADY = 36
_NO_SECURITY: Mapping[str, Any] = {}

Role = Literal["owner", "intake", "decide", "ledger", "clock", "desk"]
Process = Literal["intake", "decide", "ledger", "clock"]


class TopicsError(ValueError):
    """The topics file, an organisation's code or a Kafka is not as it must be; says what to do."""


def _milliseconds(value: object) -> object:
    """`7d` or `36h` in milliseconds; anything else is left for pydantic to refuse."""
    if isinstance(value, str) and re.fullmatch(r"[1-9][0-9]{0,3}[hd]", value):
        return int(value[:-1]) * _UNITS_MS[value[-1]]
    raise ValueError("must be a number of days or hours, such as 7d or 36h")


Milliseconds = Annotated[int, BeforeValidator(_milliseconds)]


class TopicSpec(BaseModel):
    """One entry of the file: a topic, or with `{org}` in its name one for each organisation."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    doc: str = Field(min_length=20)
    holds: tuple[str, ...] = Field(min_length=1)
    """Nouns that its records are."""
    partitions: int = Field(ge=1, le=1000)
    cleanup: Literal["delete", "compact"]
    retention: Milliseconds | None = None
    compact_within: Milliseconds | None = None
    segment: Milliseconds
    max_bytes: int = Field(ge=1024)
    writers: tuple[Role, ...] = ()
    """Empty or absent: nobody."""
    readers: tuple[Role, ...] = ()

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"name {self.name!r} must look like word.v1 or word.v1.{_PLACE}")
        if (self.cleanup == "delete") != (self.retention is not None):
            raise ValueError("retention belongs to cleanup: delete, and must be given there")
        if (self.cleanup == "compact") != (self.compact_within is not None):
            raise ValueError("compact_within belongs to cleanup: compact, and must be given there")
        if "owner" in (*self.writers, *self.readers) and not self.per_organisation:
            raise ValueError(f"only a topic with {_PLACE} in its name has an owner")
        return self

    @property
    def per_organisation(self) -> bool:
        """Whether there is one such topic for each organisation."""
        return _PLACE in self.name

    def of(self, organisation: str) -> str:
        """The topic's real name: that of one organisation, or the one that there is."""
        return self.name.replace(_PLACE, organisation)

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings in Kafka's own words."""
        settings = {
            "cleanup.policy": self.cleanup,
            "segment.ms": str(self.segment),
            "segment.bytes": str(max(_SEGMENT_BYTES, self.max_bytes)),
            "max.message.bytes": str(self.max_bytes),
            "message.timestamp.type": "LogAppendTime",
        }
        if self.retention is not None:
            settings["retention.ms"] = str(self.retention)
        if self.compact_within is not None:
            settings["max.compaction.lag.ms"] = str(self.compact_within)
        return settings


class Quotas(BaseModel):
    """What one organisation may use of Kafka: bytes a second, and per cent of one thread."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    producer_byte_rate: int = Field(ge=1024)
    consumer_byte_rate: int = Field(ge=1024)
    request_percentage: int = Field(ge=1)


class Access(BaseModel):
    """Who plays the roles, and what else than topics they use at Kafka. Nothing said: nobody."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    desk: str = ""
    acts_for: Mapping[Process, str] = {}
    groups: Mapping[Process, str] = {}
    positions: Mapping[Process, str] = {}
    looks_at: Mapping[Process, tuple[Process, ...]] = {}
    transactions: Mapping[Process, str] = {}
    quotas: Quotas | None = None

    @property
    def every_group(self) -> dict[str, str]:
        """Process -> its consumer group, of workers and of others that say how far they are."""
        return {str(role): one for role, one in (*self.groups.items(), *self.positions.items())}


class TopicsFile(BaseModel):
    """The whole of `deploy/topics.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    access: Access = Access()
    topics: tuple[TopicSpec, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> Self:
        names = [topic.name for topic in self.topics]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"given more than once: {', '.join(twice)}")
        return self

    def named(self, organisations: Sequence[str]) -> dict[str, TopicSpec]:
        """Every topic by its real name: the fixed ones, and each pattern for each organisation.

        Raises TopicsError if a code holds anything but letters, digits and hyphens.
        """
        for code in organisations:
            if not ORGANISATION.fullmatch(code):
                raise TopicsError(
                    f"Organisation code {code!r} cannot be part of a topic's name: use 1 to 64 "
                    "letters, digits and hyphens."
                )
        real: dict[str, TopicSpec] = {}
        for spec in self.topics:
            owners = organisations if spec.per_organisation else [""]
            real |= {spec.of(owner): spec for owner in owners}
        return real


def load_topics(path: Path = TOPICS_FILE) -> TopicsFile:
    """Read and check a topics file. Raises TopicsError naming the file, the topic and the field."""
    try:
        raw = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, YAMLError, ValueError, RecursionError) as error:
        raise TopicsError(f"{path} cannot be read as YAML: {error}") from error
    try:
        return TopicsFile.model_validate(raw)
    except ValidationError as error:
        raise TopicsError(f"{path} is not right:\n{_said(error, raw)}") from error


async def ensure_topics(
    bootstrap: str,
    organisations: Sequence[str],
    *,
    topics: TopicsFile | None = None,
    security: Mapping[str, Any] = _NO_SECURITY,
) -> list[str]:
    """Create the topics that are missing at `bootstrap`; return their names, sorted.

    Returns only when every topic has a leader. `security` holds further arguments of the aiokafka
    clients (`security_protocol`, `ssl_context`). Raises TopicsError on a topic that exists with
    other partitions or settings than the file says, or if Kafka refuses or does not answer.
    """
    wanted = (topics or load_topics()).named(organisations)
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap, **security)
    try:
        await admin.start()
        found = await _partitions(admin, list(wanted))
        missing = sorted(set(wanted) - set(found))
        await _create(admin, {name: wanted[name] for name in missing})
        present = await _wait_for(admin, list(wanted))
        settings = await _settings(admin, list(wanted))
    except KafkaError as error:
        raise TopicsError(
            f"Kafka at {bootstrap} does not do as asked ({type(error).__name__}): see that it "
            "runs, and that BROKER_KAFKA_BOOTSTRAP names it."
        ) from error
    finally:
        await admin.close()
    _verify(wanted, present, settings)
    return missing


async def _partitions(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    """How many partitions each existing topic has; a topic without all its leaders is left out."""
    described = await admin.describe_topics(names)
    return {
        topic["topic"]: len(topic["partitions"])
        for topic in described
        if topic["error_code"] == 0
        and topic["partitions"]
        and all(partition["leader"] >= 0 for partition in topic["partitions"])
    }


async def _create(admin: AIOKafkaAdminClient, missing: Mapping[str, TopicSpec]) -> None:
    brokers = len((await admin.describe_cluster())["brokers"])
    copies = min(_COPIES, brokers)
    new = [
        NewTopic(name, spec.partitions, copies, topic_configs=spec.config)
        for name, spec in missing.items()
    ]
    for start in range(0, len(new), _BATCH):
        response = await admin.create_topics(new[start : start + _BATCH])
        for name, code, *message in response.topic_errors:
            if code not in (0, _EXISTS_ALREADY):  # someone else may create it at the same moment
                raise TopicsError(f"Kafka refuses to create topic {name}: {message or code}.")


async def _wait_for(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, int]:
    deadline = time.monotonic() + _VISIBLE_WITHIN_S
    while True:
        present = await _partitions(admin, names)
        absent = sorted(set(names) - set(present))
        if not absent:
            return present
        if time.monotonic() > deadline:
            raise TopicsError(f"Kafka gives no leader for: {', '.join(absent[:5])}.")
        await asyncio.sleep(0.05)


async def _settings(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    settings: dict[str, dict[str, str]] = {}
    for response in await admin.describe_configs(resources):
        for _code, _message, _kind, name, entries in response.resources:
            settings[name] = {entry[0]: entry[1] for entry in entries}
    return settings


def _verify(
    wanted: Mapping[str, TopicSpec],
    present: Mapping[str, int],
    settings: Mapping[str, Mapping[str, str]],
) -> None:
    """Refuse a Kafka whose topics differ from the file."""
    wrong = []
    for name, spec in wanted.items():
        if present[name] != spec.partitions:
            wrong.append(f"{name} has {present[name]} partitions, not {spec.partitions}")
        for key, value in spec.config.items():
            is_now = settings.get(name, {}).get(key)
            if is_now != value:
                wrong.append(f"{name} has {key}={is_now}, not {value}")
    if wrong:
        raise TopicsError(
            "Topics in Kafka differ from deploy/topics.yaml: "
            + "; ".join(wrong)
            + ". Alter them with Kafka's own tools, or correct the file; nothing was changed."
        )


def _said(error: ValidationError, raw: object) -> str:
    """Pydantic's complaints, each with the name of the topic that it is about."""
    lines = []
    for problem in error.errors(include_url=False):
        place = list(problem["loc"])
        if len(place) >= 2 and place[0] == "topics" and isinstance(place[1], int):
            place[:2] = [_name_of(raw, place[1])]
        lines.append(f"  {'.'.join(map(str, place)) or 'file'}: {problem['msg']}")
    return "\n".join(lines)


def _name_of(raw: object, index: int) -> str:
    try:
        return str(raw["topics"][index]["name"])  # type: ignore[index]
    except (KeyError, IndexError, TypeError):
        return f"topic {index + 1}"
