"""The one list of what may stand in a label of a figure or an attribute of a span.

Every label has a closed set of values, known before the broker starts: steps, outcomes, kinds, never
an id, a token, an organisation, a name or a text. A value outside its set becomes `other`, so that a
careless line of code cannot publish one.
"""

from __future__ import annotations

from collections.abc import Mapping

from broker.model.types import Channel, Mode, PartStep
from broker.model.values import Outcome
from broker.shell.epochs import Kind

OTHER = "other"
NO_MODE = "none"
"""Mode of a decision that shows nothing."""
MOST_SHARDS = 256
ALARMS = (
    "batch_not_sent",
    "consultation_missing",
    "consultation_unwritten",
    "desk_page_failed",
    "desk_task_ended",
    "desk_without_kafka",
    "figures_not_served",
    "intake_held",
    "kafka_not_answering",
    "leases_unreachable",
    "log_of_desk_unpublished",
    "not_processed",
    "part_forgotten",
    "policy_error",
    "policy_not_loaded",
    "process_ended",
    "queues_not_known",
    "records_not_taken",
    "records_passed_over",
    "retention_not_run",
    "rights_not_followed",
    "shard_lost",
    "webhook_not_sent",
    "witness_contradicted",
    "witness_quorum_missed",
    "witness_unanswered",
    "writer_ended",
)
"""Names of all log lines of level warning and above; a test reads the code for others.

`broker up` itself, which shows no figures, has two of them.
"""
OPERATIONS = (
    "alter",
    "alter_configs",
    "cluster_action",
    "connect",
    "create",
    "delete",
    "describe",
    "describe_configs",
    "idempotent_write",
    "read",
    "write",
)
"""What a client can be refused at Kafka."""

CLOSED: Mapping[str, frozenset[str]] = {
    label: frozenset((*values, OTHER))
    for label, values in {
        "process": ("intake", "decide", "ledger", "clock"),
        "record": ("concern", "action"),
        "taken": ("accepted", "duplicate", "rejected"),
        "step": tuple(one.value for one in PartStep),
        "decision": tuple(one.value for one in Outcome),
        "mode": (*(one.value for one in Mode), NO_MODE),
        "set": ("recorded", "dropped"),
        "leaf": (
            "accepted",
            "action",
            "certificate",
            "closing",
            "decision",
            "duplicate",
            "link",
            "rejected",
        ),
        "channel": tuple(one.value for one in Channel),
        "shard": tuple(f"s{number}" for number in range(MOST_SHARDS)),
        "topic": ("concerns", "actions", "parts", "decisions"),
        "due": ("acknowledgement", "review", "look_back"),
        "key": tuple(one.value for one in Kind),
        "condition": ("kafka", "state", "policy", "room", "store"),
        "alarm": ALARMS,
        "operation": OPERATIONS,
    }.items()
}
"""Label -> every value that it can have."""


def closed(label: str, value: str) -> str:
    """The value if the label may have it, else `other`. Raises KeyError for a label that is none."""
    return value if value in CLOSED[label] else OTHER
