"""Law and agreements from `policies/`: read, checked, compiled to Cedar, and bound into one bundle."""

from broker.policies.bundle import load_bundle
from broker.policies.errors import PolicyFileError

__all__ = ["PolicyFileError", "load_bundle"]
