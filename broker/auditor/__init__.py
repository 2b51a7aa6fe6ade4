"""The auditor: verifies a ledger from its files alone, with nothing but the log's public key."""

from broker.auditor.keys import keys_from_file
from broker.auditor.report import Report
from broker.auditor.verify import verdict, verify_ledger

__all__ = ["Report", "keys_from_file", "verdict", "verify_ledger"]
