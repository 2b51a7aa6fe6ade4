"""What the embedded Kafka is told: its properties, its log configuration and its Java options.

One KRaft node, broker and controller in one, sized for one machine: small buffers, few internal
partitions. Everything here can be overridden by the `properties` of `EmbeddedKafka`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

HOST = "127.0.0.1"

# Words in braces are filled in at each start; a caller's own properties may use {port} and
# {controller_port} too, for example to add a TLS listener.
_NODE: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.voters": f"1@{HOST}:{{controller_port}}",
    "controller.listener.names": "CONTROLLER",
    "listeners": f"PLAINTEXT://{HOST}:{{port}},CONTROLLER://{HOST}:{{controller_port}}",
    "advertised.listeners": f"PLAINTEXT://{HOST}:{{port}}",
    "inter.broker.listener.name": "PLAINTEXT",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
}

# What the broker needs of any single Kafka node, wherever that runs (the tests' container too).
BEHAVIOUR: Mapping[str, str] = {
    # A topic exists because deploy/topics.yaml says so, never because someone misspelt one.
    "auto.create.topics.enable": "false",
    # "Now" in the flow is the time at which Kafka took the record.
    "log.message.timestamp.type": "LogAppendTime",
    # An event of 10 MB must arrive to be refused with a receipt.
    "message.max.bytes": "12582912",
    # A standby takes over within seconds: session times of 1.5 s must be allowed.
    "group.min.session.timeout.ms": "1000",
    "group.initial.rebalance.delay.ms": "0",
    # One node has one copy of everything; few internal partitions open fast.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "2",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    # After a crash the node waits for its own old session to end before it opens.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
    "log.cleaner.dedupe.buffer.size": "8388608",  # the default takes 128 MB of heap
    "log.index.size.max.bytes": "1048576",
}

_LOGGING = """\
# Warnings and worse go to kafka.log; "started" is the line by which the broker knows that it is up.
appender.file.type = RollingFile
appender.file.name = file
appender.file.fileName = {folder}/kafka.log
appender.file.filePattern = {folder}/kafka.log.%i
appender.file.layout.type = PatternLayout
appender.file.layout.pattern = %d{{ISO8601}} %p %c{{1}}: %m%n
appender.file.policies.type = Policies
appender.file.policies.size.type = SizeBasedTriggeringPolicy
appender.file.policies.size.size = 10MB
appender.file.strategy.type = DefaultRolloverStrategy
appender.file.strategy.max = 2
rootLogger.level = WARN
rootLogger.appenderRef.file.ref = file
logger.started.name = kafka.server.KafkaRaftServer
logger.started.level = INFO
"""
# What Kafka refused: each denial of a right, and each client that showed no certificate that counts.
# A refused client chooses the names that it asks for, so a name that is none of a topic of ours, of a
# group or of a transaction of ours is left out, and no line can be broken in two.
_DENIALS = """\
appender.denials.type = RollingFile
appender.denials.name = denials
appender.denials.fileName = {path}
appender.denials.filePattern = {path}.%i
appender.denials.layout.type = PatternLayout
appender.denials.layout.pattern = %d{{ISO8601}}{{UTC}}Z {message}%n
appender.denials.policies.type = Policies
appender.denials.policies.size.type = SizeBasedTriggeringPolicy
appender.denials.policies.size.size = 10MB
appender.denials.strategy.type = DefaultRolloverStrategy
appender.denials.strategy.max = 5
logger.authorizer.name = kafka.authorizer.logger
logger.authorizer.level = INFO
logger.authorizer.additivity = false
logger.authorizer.appenderRef.denials.ref = denials
logger.handshakes.name = org.apache.kafka.common.network.Selector
logger.handshakes.level = INFO
logger.handshakes.additivity = false
logger.handshakes.appenderRef.denials.ref = denials
logger.handshakes.appenderRef.file.ref = file
logger.handshakes.appenderRef.file.level = WARN
"""
_NAMELESS = (
    r"(?s)(on resource = \\w+:\\w+:)(?!(?:[a-z]+\\.v[0-9]+(?:\\.[A-Za-z0-9-]+)?|broker-[a-z]+"
    r"|ledger-s[0-9]+|kafka-cluster) for request = \\w+ with resourceRefCount = [0-9]+ "
    r"based on rule DefaultDeny$).*( for request = )"
)
STARTED = "Kafka Server started"


def server_properties(
    properties: Mapping[str, str], *, port: int, controller_port: int, log_dir: Path
) -> str:
    """The text of server.properties: the defaults, then `properties`, with the ports filled in."""
    merged = {**_NODE, **BEHAVIOUR, "log.dirs": str(log_dir), **properties}
    places = {"{port}": str(port), "{controller_port}": str(controller_port)}
    lines = []
    for name, value in sorted(merged.items()):
        filled = value
        for place, number in places.items():
            filled = filled.replace(place, number)
        lines.append(f"{name}={_escaped(filled)}")
    return "\n".join(lines) + "\n"


def logging_properties(folder: Path, denials: Path | None = None) -> str:
    """The text of log4j2.properties: kafka.log in `folder`, and what was refused in `denials`."""
    own = _LOGGING.format(folder=folder)
    if denials is None:
        return own
    message = f"%enc{{%replace{{%m}}{{{_NAMELESS}}}{{$1(withheld)$2}}}}{{CRLF}}"
    return own + _DENIALS.format(path=denials, message=message)


def java_options(folder: Path, heap_mb: int) -> list[str]:
    """Options for a quick start in little memory: measured 1.5 s and 200 MB (docs/adr/0001)."""
    return [
        f"-Xmx{heap_mb}m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        f"-Djava.io.tmpdir={folder / 'tmp'}",
        f"-Dlog4j2.configurationFile={folder / 'log4j2.properties'}",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
    ]


def _escaped(value: str) -> str:
    """A value as a Java properties file wants it: backslashes and line ends escaped."""
    return value.replace("\\", "\\\\").replace("\n", "\\n")
