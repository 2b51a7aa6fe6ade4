"""The auditor: verifies a ledger from its files alone, with nothing but the log's public key.

Who holds the subjects' keys as well can replay what was decided, under the same policy or another.
"""

from broker.auditor.cosigned import witness_from
from broker.auditor.keys import keys_from_file
from broker.auditor.recorded import (
    Recorded,
    RecordedDecision,
    RecordedPart,
    own_index,
    read_recorded,
    shards_of,
)
from broker.auditor.replay import FactsError, open_facts, replay_part, subject_of
from broker.auditor.report import Report
from broker.auditor.shadow import Change, Shadow, differences, shadow
from broker.auditor.sidecars import all_sidecars, read_sidecars
from broker.auditor.verify import verdict, verify_ledger

__all__ = [
    "Change",
    "FactsError",
    "Recorded",
    "RecordedDecision",
    "RecordedPart",
    "Report",
    "Shadow",
    "all_sidecars",
    "differences",
    "keys_from_file",
    "open_facts",
    "own_index",
    "read_recorded",
    "read_sidecars",
    "replay_part",
    "shadow",
    "shards_of",
    "subject_of",
    "verdict",
    "verify_ledger",
    "witness_from",
]
